"""The plan of a container's root, as data: order, flags and wording. What the kernel makes of it is tested with it."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.linux import constants
from runtime.linux.program import Call
from runtime.rootfs.operations import Device, Directory, Mount, PivotRoot, Symlink
from runtime.rootfs.plan import Masked, overlay_options, plan_rootfs
from runtime.spec.container import Rootfs
from runtime.spec.defaults import READONLY_PATHS

settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

ROOTFS = Rootfs(("/layers/bottom", "/layers/top"), "/c/upper", "/c/work")
MASKS = (Masked("/proc/kcore", "/dev/null"), Masked("/sys/firmware", "/dev/.empty"))
PLAN = plan_rootfs(overlay_options(ROOTFS), "/run/rootfs", MASKS)
WORDS = [operation.describe() for operation in PLAN]

HARDENED = constants.MS_NOSUID | constants.MS_NODEV | constants.MS_NOEXEC


def mounts(target: str) -> list[Mount]:
    return [operation for operation in PLAN if isinstance(operation, Mount) and operation.target == target]


def test_the_plan_begins_by_leaving_the_host() -> None:
    assert WORDS[:3] == [
        "mount nothing on / (rec,private)",
        "mount overlay on /run/rootfs (nodev)",
        "make /run/rootfs the root",
    ]


def test_what_the_image_could_have_put_links_to_is_mounted_after_the_pivot_only() -> None:
    pivot = PLAN.index(PivotRoot("/run/rootfs"))
    assert {operation.target for operation in PLAN[:pivot] if isinstance(operation, Mount)} == {"/", "/run/rootfs"}
    for name in ("/proc", "/dev", "/sys"):
        first = mounts(name)[0]
        assert PLAN.index(first) > pivot
        assert first.make_target  # which refuses what is no directory


_PATHS: dict[type, str] = {Mount: "target", Device: "path", Symlink: "path"}


def test_every_target_is_below_one_that_is_mounted_before_it() -> None:
    seen = {"/"}
    for operation in PLAN:
        path = _PATHS.get(type(operation))
        if path is None:
            continue
        target = getattr(operation, path)
        top = "/" + target.split("/")[1]
        assert top in {"/proc", "/sys", "/dev", "/run", "/"}
        assert target in {top, "/run/rootfs"} or top in seen
        seen.add(target)


@pytest.mark.parametrize("target", ["/proc", "/sys", "/dev/shm", "/dev/mqueue"])
def test_mounts_of_the_kernels_own_are_hardened(target: str) -> None:
    assert mounts(target)[0].flags & HARDENED == HARDENED


def test_dev_is_read_only_once_it_is_filled() -> None:
    last = "mount nothing on /dev (ro,nosuid,noexec,remount,bind)"
    made = [operation for operation in PLAN if isinstance(operation, Device | Directory | Symlink)]
    assert all(WORDS.index(operation.describe()) < WORDS.index(last) for operation in made)
    later = [operation for operation in PLAN[WORDS.index(last) + 1 :] if isinstance(operation, Mount)]
    assert not any(operation.target.startswith("/dev") for operation in later)
    assert not mounts("/dev")[0].flags & constants.MS_RDONLY


def test_sys_is_read_only_from_the_start() -> None:
    assert mounts("/sys")[0].flags & constants.MS_RDONLY


def test_masks_come_after_what_they_mask_and_cover_it() -> None:
    for mask in MASKS:
        (mount,) = mounts(mask.path)
        assert (mount.source, mount.flags, mount.optional) == (mask.cover, constants.MS_BIND, True)
        assert PLAN.index(mount) > PLAN.index(mounts("/" + mask.path.split("/")[1])[0])
        # A bind mount is as read-only as what it was made of.
        assert PLAN.index(mount) > PLAN.index(mounts("/dev")[-1])


@pytest.mark.parametrize("path", READONLY_PATHS)
def test_read_only_paths_are_bound_on_themselves_and_then_remounted(path: str) -> None:
    bind, remount = mounts(path)
    assert (bind.source, bind.flags) == (path, constants.MS_BIND | constants.MS_REC)
    assert remount.flags & constants.MS_REMOUNT
    assert remount.flags & constants.MS_BIND
    assert remount.flags & constants.MS_RDONLY
    assert remount.flags & HARDENED == HARDENED
    assert PLAN.index(remount) == PLAN.index(bind) + 1
    assert bind.optional
    assert remount.optional


def test_the_devices_are_the_default_ones_of_the_specification() -> None:
    assert [operation.describe() for operation in PLAN if isinstance(operation, Device)] == [
        "make device /dev/null 1:3",
        "make device /dev/zero 1:5",
        "make device /dev/full 1:7",
        "make device /dev/random 1:8",
        "make device /dev/urandom 1:9",
        "make device /dev/tty 5:0",
    ]
    assert "link /dev/ptmx to pts/ptmx" in WORDS
    assert "link /dev/stdout to /proc/self/fd/1" in WORDS


def test_every_step_becomes_calls_that_say_what_they_are_for() -> None:
    for operation in PLAN:
        calls = operation.calls()
        assert calls
        assert all(isinstance(call, Call) for call in calls)
        assert calls[-1].what == operation.describe()


def test_the_top_layer_is_the_first_lowerdir() -> None:
    assert overlay_options(ROOTFS) == "lowerdir=/layers/top:/layers/bottom,upperdir=/c/upper,workdir=/c/work"


@pytest.mark.parametrize(
    ("path", "escaped"),
    [("/a:b", "/a\\:b"), ("/a,b", "/a\\,b"), ("/a\\b", "/a\\\\b"), ("/ä b=c", "/ä b=c"), ("/a:,\\", "/a\\:\\,\\\\")],
)
def test_what_overlayfs_reads_as_its_own_is_escaped(path: str, escaped: str) -> None:
    assert overlay_options(Rootfs((path,), "/u", "/w")) == f"lowerdir={escaped},upperdir=/u,workdir=/w"


def parse(options: str) -> dict[str, list[str]]:
    """As overlayfs reads them: unescaped commas end options, unescaped colons end lower directories."""
    fields: dict[str, list[str]] = {}
    name, values, escape, in_value = "", [""], False, False
    for character in options + ",":
        if not in_value:
            name, in_value = (name, True) if character == "=" else (name + character, False)
        elif escape or character not in ",:\\":
            values[-1], escape = values[-1] + character, False
        elif character == "\\":
            escape = True
        elif character == ":":
            values.append("")
        else:
            fields[name], name, values, in_value = values, "", [""], False
    return fields


PATHS = st.text(st.sampled_from("ab:,\\=/ "), min_size=1)


@given(st.lists(PATHS, min_size=1), PATHS, PATHS)
def test_any_path_comes_back_from_the_options(lower: list[str], upper: str, work: str) -> None:
    found = parse(overlay_options(Rootfs(tuple(lower), upper, work)))
    assert found == {"lowerdir": lower[::-1], "upperdir": [upper], "workdir": [work]}

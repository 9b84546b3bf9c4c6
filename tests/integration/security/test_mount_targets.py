"""CVE-2021-30465, CVE-2019-19921, CVE-2023-27561: mounts that the image or a volume leads elsewhere.

A mount's destination is a path in the root, and the image, or another container that shares a volume, decides what its
components are. A link that is followed on the host mounts or creates there. Looking the path up in the root first and
mounting by name afterwards does not help against somebody who exchanges a component for a link in between
(CVE-2021-30465). And where ``/proc`` itself is a link into a volume, what the runtime later writes to ``/proc/…`` and
masks there is whatever the other container has moved there meanwhile (CVE-2019-19921, again as CVE-2023-27561).
"""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import pytest

from tests.support.attack import Swapper, naive_runtime, run_detached
from tests.support.bundle import bundle, is_ours, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.bundle import Bundle

pytestmark = pytest.mark.root

PROBE = "tare-probe"
# How a destination leads out: what /link is in the image, and the destination's path.
WAYS = ("absolute", "climbing", "chain", "dangling", "in-the-middle", "dots")
ROUNDS = 25


def lead(box: Bundle, outside: Path, way: str) -> str:
    """Prepare the image; the destination to mount on."""
    climbing = "../" * 20 + str(outside).lstrip("/")
    links = {
        "absolute": {"link": str(outside)},
        "climbing": {"link": climbing},
        "chain": {"link": "one", "one": "two", "two": climbing},
        "dangling": {"link": f"{outside}/new"},
        "in-the-middle": {"srv": climbing},
        "dots": {},
    }[way]
    for name, target in links.items():
        (box.rootfs / name).symlink_to(target)
    return {
        "dangling": "/link",
        "in-the-middle": "/srv/new/deep",
        "dots": f"/tmp/{climbing}/new",
    }.get(way, "/link/new")


def add_probe(box: Bundle, destination: str) -> None:
    mount = {"destination": destination, "type": "tmpfs", "source": PROBE, "options": ["nosuid", "size=4k"]}
    box.config["mounts"].append(mount)


def probes_inside(box: Bundle) -> int | None:
    """How many of our mounts are to be seen in the container; None if it was refused."""
    done = box.shell("cat /proc/self/mountinfo")
    return None if done.returncode else sum(f" {PROBE} " in line for line in done.stdout.splitlines())


@pytest.mark.parametrize("way", WAYS)
def test_the_naive_runtime_mounts_outside(box: Bundle, outside: Path, tmp_path: Path, way: str) -> None:
    add_probe(box, lead(box, outside, way))
    with naive_runtime(tmp_path):
        assert probes_inside(box) == 0
    assert sorted(os.listdir(outside)) == ["new", "secret"]


@pytest.mark.parametrize("way", WAYS)
def test_a_destination_that_leads_out_is_refused_or_inside(box: Bundle, outside: Path, way: str) -> None:
    add_probe(box, lead(box, outside, way))
    before = os.listdir("/")
    assert probes_inside(box) in {None, 1}
    assert os.listdir(outside) == ["secret"]
    assert os.listdir("/") == before


@pytest.mark.parametrize("way", WAYS)
def test_a_file_bound_to_a_destination_that_leads_out_stays_inside(box: Bundle, outside: Path, way: str) -> None:
    source = outside.parent / "file"
    source.write_text("bound")
    destination = lead(box, outside, way)
    box.config["mounts"].append({"destination": destination, "source": str(source), "options": ["bind"]})
    done = box.shell(f"cat {destination}")
    assert done.returncode or done.stdout == "bound"
    assert os.listdir(outside) == ["secret"]


@pytest.mark.parametrize("destination", ["/proc/self/root/srv", "/proc/self/cwd/srv", "/dev/fd/0", "/proc/1/fd/3"])
def test_no_destination_is_found_by_a_magic_link(box: Bundle, outside: Path, destination: str) -> None:
    add_probe(box, destination)
    assert probes_inside(box) in {None, 1}
    assert os.listdir(outside) == ["secret"]


def outcomes_of_a_race(box: Bundle, outside: Path) -> tuple[dict[int | None, int], int]:
    """A component of the destination changes places with a link that leads out; who saw what, and the swaps."""
    (box.rootfs / "vol/a").mkdir(parents=True)
    (box.rootfs / "vol/b").symlink_to("../" * 20 + str(outside).lstrip("/"))
    add_probe(box, "/vol/a/new")
    seen: dict[int | None, int] = {}
    with Swapper(box.rootfs / "vol/a", box.rootfs / "vol/b") as swapper:
        for _ in range(ROUNDS):
            inside = probes_inside(box)
            seen[inside] = seen.get(inside, 0) + 1
            if inside == 0:
                break
    return seen, swapper.swaps


def test_a_component_exchanged_during_create_defeats_looking_first(box: Bundle, outside: Path, tmp_path: Path) -> None:
    box.config["annotations"] = {"naive.join": "checked"}
    with naive_runtime(tmp_path):
        seen, _ = outcomes_of_a_race(box, outside)
    assert seen.get(0, 0) > 0 or "new" in os.listdir(outside)


def test_a_component_exchanged_during_create_leads_nowhere(box: Bundle, outside: Path) -> None:
    seen, swaps = outcomes_of_a_race(box, outside)
    assert swaps > ROUNDS * 100
    assert 0 not in seen
    assert os.listdir(outside) == ["secret"]


def test_a_volume_shared_with_a_container_that_swaps_it_leads_nowhere(
    box: Bundle, outside: Path, tmp_path: Path, programs: Callable[[str], Path]
) -> None:
    volume = tmp_path / "volume"
    (volume / "a").mkdir(parents=True)
    (volume / "b").symlink_to("../" * 20 + str(outside).lstrip("/"))
    shared = {"destination": "/vol", "source": str(volume), "options": ["rbind", "rw"]}
    (tmp_path / "second").mkdir()
    with bundle(tmp_path / "second") as attacker:
        shutil.copy(programs("swap"), attacker.rootfs / "swap")
        attacker.config["process"]["capabilities"] = {}
        attacker.config["mounts"].append(shared)
        run_detached(attacker, "/swap")
        wait_until((volume / "swaps").exists)
        box.config["mounts"].append(shared)
        add_probe(box, "/vol/a/new")
        seen = {probes_inside(box) for _ in range(ROUNDS)}
    assert seen <= {None, 1}
    assert os.listdir(outside) == ["secret"]


# In an image, /proc is a directory of a volume which another container can change at any time.
def where_proc_is(box: Bundle, tmp_path: Path) -> str | None:
    """On what the container's procfs is mounted."""
    (tmp_path / "volume/proc").mkdir(parents=True, exist_ok=True)
    shutil.rmtree(box.rootfs / "proc", ignore_errors=True)
    (box.rootfs / "proc").symlink_to("vol/proc")
    (box.rootfs / "vol").mkdir(exist_ok=True)
    shared = {"destination": "/vol", "source": str(tmp_path / "volume"), "options": ["rbind", "rw"]}
    box.config["mounts"].insert(0, shared)
    box.config["linux"]["maskedPaths"] = box.config["linux"]["readonlyPaths"] = []
    done = box.shell("cat /proc/self/mountinfo")
    mounts = [line.split() for line in done.stdout.splitlines()]
    return next((fields[4] for fields in mounts if fields[3] == "/" and "proc" in fields), None)


def test_the_naive_runtime_mounts_proc_in_a_volume(box: Bundle, tmp_path: Path) -> None:
    with naive_runtime(tmp_path):
        assert where_proc_is(box, tmp_path) == "/vol/proc"


def test_proc_is_never_mounted_in_a_volume(box: Bundle, tmp_path: Path) -> None:
    assert where_proc_is(box, tmp_path) in {None, "/proc"}


@pytest.mark.parametrize("name", ["proc", "dev", "sys"])
@pytest.mark.parametrize("kind", ["absolute", "relative", "climbing", "self", "dangling", "file"])
def test_a_proc_dev_or_sys_that_is_no_directory_leads_nowhere(
    box: Bundle, outside: Path, name: str, kind: str
) -> None:
    shutil.rmtree(box.rootfs / name)
    (box.rootfs / "srv").mkdir()
    targets = {"absolute": str(outside), "relative": "srv", "climbing": "../" * 20 + str(outside).lstrip("/"),
               "self": name, "dangling": "/nowhere"}  # fmt: skip
    if kind == "file":
        (box.rootfs / name).write_text("")
    else:
        (box.rootfs / name).symlink_to(targets[kind])
    done = box.shell(f"stat -L -c %F /{name}")
    assert done.returncode or done.stdout == "directory\n"
    if is_ours() and name == "proc":
        assert done.returncode, "a container whose /proc is not where it belongs was started"
    assert os.listdir(outside) == ["secret"]


@pytest.mark.parametrize("name", ["proc", "dev", "sys"])
def test_the_naive_runtime_fills_a_directory_of_the_host_s(
    box: Bundle, outside: Path, tmp_path: Path, name: str
) -> None:
    shutil.rmtree(box.rootfs / name)
    (box.rootfs / name).symlink_to(outside / name)
    with naive_runtime(tmp_path):
        box.shell("true")
    assert name in os.listdir(outside)


def test_a_root_that_is_a_link_is_the_directory_it_leads_to(box: Bundle, tmp_path: Path) -> None:
    box.rootfs.rename(tmp_path / "elsewhere")
    box.rootfs.symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere/mark").write_text("here")
    done = box.shell("cat /mark; ls /..")
    assert done.returncode or (done.stdout.startswith("here") and "elsewhere" not in done.stdout)


@pytest.mark.parametrize("path", ["/proc/self/fd", "/proc/self/cwd", ""])
def test_a_root_that_is_no_directory_of_files_is_refused(box: Bundle, path: str) -> None:
    box.config["root"]["path"] = path
    assert box.shell("true").returncode != 0

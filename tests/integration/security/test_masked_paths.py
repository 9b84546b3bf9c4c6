"""CVE-2025-31133: a mask that the container brings along lets through what it should hide.

A masked file is covered by a bind mount of ``/dev/null``. Where that name is looked up in the container's root, an
image or a container that shares the volume replaces it by a link to, say, ``/proc/sys/kernel/core_pattern``: what was
to be hidden is then a writable mount of that file, made after the read-only paths were. Where the link leads nowhere,
runc took it for a path that is not there, and masked nothing. The target here is the domain name of the container's own
UTS namespace, which does no harm.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.attack import Swapper, naive_runtime

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.bundle import Bundle

pytestmark = pytest.mark.root

MASKED, TARGET = "/proc/timer_list", "/proc/sys/kernel/domainname"
ROUNDS = 20
# What was hidden is read, and written to; both are asked for by what the container sees afterwards.
ATTACK = f"echo hijacked > {MASKED}; wc -c < {MASKED}; cat {TARGET}"


def prepare(box: Bundle, dev: Path) -> None:
    """/dev is a volume, as it may be of an image that declares it."""
    dev.mkdir()
    for name in ("pts", "shm", "mqueue"):
        (dev / name).mkdir()
    mounts = [entry for entry in box.config["mounts"] if entry["destination"] != "/dev"]
    volume = {"destination": "/dev", "source": str(dev), "options": ["rbind", "rw"]}
    box.config["mounts"] = [mounts[0], volume, *mounts[1:]]
    box.config["linux"]["maskedPaths"] = [MASKED]
    box.config["linux"]["readonlyPaths"] = ["/proc/sys"]


def hijacked(box: Bundle) -> bool | None:
    """Whether the mask became a way in, or was left out; None if the container was refused."""
    done = box.shell(ATTACK)
    if "no such file" in done.stderr.lower() and not done.stdout:
        return None
    size, *rest = done.stdout.split() or ["refused"]
    return None if size == "refused" else size != "0" or "hijacked" in rest


@pytest.mark.parametrize("target", [TARGET, "../proc/sys/kernel/domainname", "/sentinel"])
def test_the_naive_runtime_opens_what_it_was_to_mask(box: Bundle, tmp_path: Path, target: str) -> None:
    prepare(box, tmp_path / "dev")
    (tmp_path / "dev/null").symlink_to(target)
    (box.rootfs / "sentinel").write_text("readable")
    with naive_runtime(tmp_path):
        assert hijacked(box)


@pytest.mark.parametrize("target", [TARGET, "../proc/sys/kernel/domainname", "/sentinel", "/nowhere", "null"])
def test_a_null_device_that_is_a_link_masks_or_is_refused(box: Bundle, tmp_path: Path, target: str) -> None:
    prepare(box, tmp_path / "dev")
    (tmp_path / "dev/null").symlink_to(target)
    (box.rootfs / "sentinel").write_text("readable")
    # An engine that has /dev from a volume adds no devices to it, so whoever reads the mask reads the image's file.
    assert not hijacked(box)
    assert (box.rootfs / "sentinel").read_text() == "readable"


def exchange_null(box: Bundle, tmp_path: Path) -> tuple[set[bool | None], int]:
    """Run containers while another exchanges the null device for the link; what was seen, and the swaps."""
    prepare(box, tmp_path / "dev")
    (tmp_path / "dev/null").write_text("")
    (tmp_path / "dev/link").symlink_to(TARGET)
    seen: set[bool | None] = set()
    with Swapper(tmp_path / "dev/null", tmp_path / "dev/link") as swapper:
        for _ in range(ROUNDS):
            seen.add(hijacked(box))
            if True in seen:
                break
    return seen, swapper.swaps


def test_a_null_device_exchanged_during_create_defeats_the_naive_runtime(box: Bundle, tmp_path: Path) -> None:
    with naive_runtime(tmp_path):
        assert True in exchange_null(box, tmp_path)[0]


def test_a_null_device_exchanged_during_create_masks_or_is_refused(box: Bundle, tmp_path: Path) -> None:
    seen, swaps = exchange_null(box, tmp_path)
    assert swaps > ROUNDS * 100
    assert True not in seen


def test_what_is_masked_cannot_be_read_and_what_is_read_only_cannot_be_written(box: Bundle) -> None:
    masked = ("/proc/keys", "/proc/interrupts", "/proc/bus/pci")
    protected = ("/proc/sys/kernel/hostname", "/proc/sys/net/ipv4/ip_forward", "/proc/sys/vm/drop_caches")
    box.config["linux"]["maskedPaths"] = list(masked)
    script = "; ".join([
        *(f"if [ -d {path} ]; then ls {path} | wc -l; else wc -c < {path}; fi" for path in masked),
        *(f"( : >> {path} ) 2>&1 | grep -o 'Read-only file system'" for path in protected),
    ])
    assert box.shell(script).stdout.splitlines() == ["0"] * 3 + ["Read-only file system"] * 3


def test_a_masked_path_that_is_a_link_of_the_image_hides_what_it_leads_to(box: Bundle) -> None:
    (box.rootfs / "etc/secret").write_text("readable")
    (box.rootfs / "link").symlink_to("etc/secret")
    box.config["linux"]["maskedPaths"] = ["/link"]
    done = box.shell("cat /link /etc/secret")
    assert "readable" not in done.stdout


def test_a_mask_outlives_unmounting_and_remounting_by_the_container(box: Bundle) -> None:
    box.config["process"]["capabilities"] = {}
    done = box.shell("umount /proc/keys; mount -o remount,rw /proc/sys; mount -t proc none /tmp; wc -c < /proc/keys; "
                     "ls /tmp | wc -l; (: >> /proc/sys/kernel/hostname) && echo written")  # fmt: skip
    assert done.stdout.split() == ["0", "0"]

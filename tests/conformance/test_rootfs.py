"""The root, what is masked and read-only in it, and how mounts propagate (config.md, "Root"; config-linux.md)."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.conformance.test_mounts import Seen, one
from tests.conformance.test_namespaces import holder
from tests.support.bundle import Bundle, make_rootfs
from tests.support.leftovers import mountinfo

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.mark.parametrize(("value", "expected"), [(True, "refused"), (False, "written"), (None, "written")])
def test_a_root_is_read_only_or_not(box: Bundle, value: bool | None, expected: str) -> None:
    del box.config["root"]["readonly"]
    if value is not None:
        box.config["root"]["readonly"] = value
    assert box.says("touch /new 2>/dev/null && echo written || echo refused") == expected
    assert (box.rootfs / "new").exists() is (expected == "written")


def test_a_root_is_read_only_in_all_but_what_is_mounted(box: Bundle) -> None:
    box.config["root"]["readonly"] = True
    box.mount("/data")
    assert box.says("touch /data/new && ls /data; touch /dev/shm/x && echo ok") == "new\nok"


def test_a_read_only_root_has_places_to_mount_that_were_not_there(box: Bundle) -> None:
    box.config["root"]["readonly"] = True
    box.mount("/not/there/yet")
    assert box.says("touch /not/there/yet/new && echo ok") == "ok"


@pytest.mark.parametrize("absolute", [True, False])
def test_the_path_is_absolute_or_relative_to_the_bundle(box: Bundle, ground: Path, absolute: bool) -> None:
    other = make_rootfs((ground if absolute else box.directory) / "other")
    (other / "etc/name").write_text("the other")
    box.config["root"]["path"] = str(other) if absolute else "other"
    assert box.says("cat /etc/name") == "the other"


@pytest.mark.parametrize("path", ["/no/such/root", "none", "config.json", ""])
def test_the_path_is_a_directory(box: Bundle, path: str) -> None:
    box.config["root"]["path"] = path
    name, code = box.try_create()
    assert code != 0
    assert box.status(name) == "gone"


def test_a_root_is_required(box: Bundle) -> None:
    del box.config["root"]
    assert box.try_create()[1] != 0


def test_the_root_is_the_bundles(box: Bundle) -> None:
    (box.rootfs / "etc/mine").write_text("mine")
    assert box.says("cat /etc/mine; ls -d /boot /work 2>/dev/null; true") == "mine"


@pytest.mark.parametrize("options", [(), ("--no-pivot",)])
def test_the_old_root_cannot_be_reached(box: Bundle, options: tuple[str, ...]) -> None:
    lines = box.says("cd ../../../..; ls -d boot 2>/dev/null; cat /proc/self/mountinfo", options=options).splitlines()
    assert [Seen(line).root.endswith("/bundle/rootfs") for line in lines if Seen(line).point == "/"] == [True]


def test_a_masked_file_is_empty(box: Bundle) -> None:
    (box.rootfs / "etc/secret").write_text("x")
    box.linux["maskedPaths"] = ["/etc/secret"]
    assert box.says("cat /etc/secret | wc -c") == "0"


def test_a_masked_directory_is_empty_and_read_only(box: Bundle) -> None:
    (box.rootfs / "opt").mkdir()
    (box.rootfs / "opt/secret").write_text("x")
    box.linux["maskedPaths"] = ["/opt"]
    assert box.says("ls /opt; touch /opt/x 2>/dev/null || echo refused") == "refused"


def test_masked_paths_of_proc_cannot_be_read(box: Bundle) -> None:
    assert (
        box.says("for f in kcore keys timer_list; do cat /proc/$f 2>/dev/null | head -c 1 | wc -c; done").split()
        == ["0"] * 3
    )


def test_a_masked_path_that_does_not_exist_is_none(box: Bundle) -> None:
    box.linux["maskedPaths"].append("/no/such/path")
    assert box.says("test -e /no || echo none") == "none"


def test_a_masked_path_is_that_of_the_container(box: Bundle, ground: Path) -> None:
    (ground / "outside").write_text("of the host")
    (box.rootfs / "link").symlink_to(ground)
    box.linux["maskedPaths"] = ["/link/outside"]
    box.says("true")
    assert (ground / "outside").read_text() == "of the host"


@pytest.mark.parametrize("path", ["/opt", "/opt/file"])
def test_a_read_only_path_can_be_read_and_not_written(box: Bundle, path: str) -> None:
    (box.rootfs / "opt").mkdir()
    (box.rootfs / "opt/file").write_text("text\n")
    box.linux["readonlyPaths"] = [path]
    assert box.says("cat /opt/file; (echo x > /opt/file) 2>/dev/null || echo refused") == "text\nrefused"


def test_a_read_only_path_keeps_the_options_of_its_mount(box: Bundle) -> None:
    box.mount("/data", "nosuid", "nodev", "noexec")
    box.linux["readonlyPaths"] = ["/data"]
    mounted = [Seen(line) for line in box.says("cat /proc/self/mountinfo").splitlines()]
    assert [mount for mount in mounted if mount.point == "/data"][-1].options >= {"ro", "nosuid", "nodev", "noexec"}


def test_a_read_only_path_that_does_not_exist_is_none(box: Bundle) -> None:
    box.linux["readonlyPaths"].append("/no/such/path")
    assert box.says("test -e /no || echo none") == "none"


@pytest.fixture
def shared_ground(box: Bundle) -> Iterator[Path]:
    """The bundle on a mount of the host that is shared with others."""
    subprocess.run(("mount", "--bind", box.directory, box.directory), check=True)
    subprocess.run(("mount", "--make-rshared", box.directory), check=True)
    yield box.directory
    subprocess.run(("umount", "--lazy", box.directory), check=True)


@pytest.mark.parametrize(
    ("propagation", "tags"),
    [("shared", ["shared"]), ("slave", ["master"]), ("private", []), ("unbindable", ["unbindable"])],
)
def test_the_root_has_its_propagation(box: Bundle, shared_ground: Path, propagation: str, tags: list[str]) -> None:
    assert (shared_ground / "config.json").parent == box.directory
    box.linux["rootfsPropagation"] = propagation
    assert one(box, "/").tags == tags


@pytest.mark.parametrize(("propagation", "expected"), [("slave", True), ("private", False), (None, None)])
def test_what_the_host_mounts_in_the_root_appears_or_not(
    box: Bundle, shared_ground: Path, propagation: str | None, expected: bool | None
) -> None:
    (box.rootfs / "later").mkdir()
    if propagation is not None:
        box.linux["rootfsPropagation"] = propagation
    pid = box.pid(box.started())
    subprocess.run(("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", shared_ground / "rootfs/later"), check=True)
    seen = any(Seen(line).point == "/later" for line in mountinfo(pid))
    assert seen is expected or expected is None


@pytest.mark.parametrize("propagation", [None, "shared", "slave", "private"])
def test_what_is_mounted_in_the_container_stays_there(
    box: Bundle, shared_ground: Path, propagation: str | None
) -> None:
    if propagation is not None:
        box.linux["rootfsPropagation"] = propagation
    for kind in ("bounding", "effective", "permitted"):
        box.process["capabilities"][kind].append("CAP_SYS_ADMIN")
    (box.rootfs / "inner").mkdir()
    before = mountinfo()
    name = box.create("sh", "-c", "mount -t tmpfs inner /inner && touch /tmp/done; sleep 1000")
    box.ask("start", name)
    after = [line for line in mountinfo() if line not in before]
    assert [line for line in after if str(shared_ground) in line and propagation != "shared"] == []


def test_a_propagation_that_does_not_exist_is_an_error(box: Bundle) -> None:
    box.linux["rootfsPropagation"] = "nonsense"
    assert box.try_create()[1] != 0


@pytest.mark.parametrize("propagation", [None, "shared", "rshared", "slave", "rslave", "private", "unbindable"])
@pytest.mark.parametrize("options", [(), ("--no-pivot",)])
def test_the_mounts_of_a_host_that_shares_them_are_left_alone(
    box: Bundle, propagation: str | None, options: tuple[str, ...]
) -> None:
    """As systemd has it: what is taken off in the container must not be taken off there."""
    if propagation is not None:
        box.linux["rootfsPropagation"] = propagation
    with holder("mount", "--propagation", "shared") as pid:
        # Others may make and end mounts of theirs below /tmp meanwhile.
        before = [line for line in mountinfo(pid) if " /tmp/" not in line]
        assert any("shared:" in line for line in before)
        box.under = ("nsenter", f"--mount=/proc/{pid}/ns/mnt")
        assert box.says("echo ran", options=options) == "ran"
        assert [line for line in mountinfo(pid) if " /tmp/" not in line] == before

"""Namespaces: new, joined, inherited (config-linux.md), and names and mappings that live in them."""

from __future__ import annotations

import contextlib
import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.bundle import Bundle, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

FILES = {
    "pid": "pid", "network": "net", "mount": "mnt", "ipc": "ipc", "uts": "uts", "user": "user", "cgroup": "cgroup",
    "time": "time",
}  # fmt: skip
FLAGS = {kind: f"--{'net' if kind == 'network' else kind}" for kind in FILES}
MAPPING = [{"containerID": 0, "hostID": 100000, "size": 65536}]


def link(pid: int | str, kind: str) -> str:
    return os.readlink(f"/proc/{pid}/ns/{FILES[kind]}")


def mapped(box: Bundle, mapping: list[dict[str, int]] | None = None) -> None:
    """A new user namespace; whoever is root in it can read the bundle, but owns nothing there."""
    box.namespace("user")
    box.linux["uidMappings"] = box.linux["gidMappings"] = mapping or MAPPING
    # A sysfs can be mounted only by an owner of the network namespace, which is the case, and mqueue by one of ipc.
    box.config["mounts"] = [entry for entry in box.config["mounts"] if entry["destination"] != "/dev/mqueue"]


@contextlib.contextmanager
def holder(kind: str, *options: str) -> Iterator[int]:
    """A process in a new namespace of a kind, alone in it but for its children; ``options`` are unshare(1)'s."""
    options = (FLAGS[kind], *options)
    if kind in {"pid", "time"}:
        options += ("--fork", "--kill-child")
    process = subprocess.Popen(("unshare", *options, "sleep", "1000"), stdin=subprocess.DEVNULL)
    try:
        pid = wait_until(lambda: _inside(process.pid, kind, forks="--fork" in options))
        for file in ("uid_map", "gid_map") if kind == "user" else ():
            Path(f"/proc/{pid}/{file}").write_text("0 100000 65536\n")
        yield pid
    finally:
        process.kill()
        process.wait()


def _inside(pid: int, kind: str, *, forks: bool) -> int | None:
    """Its pid once it has executed what it is to hold the namespace with."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split() if forks else [str(pid)]
    ready = [int(child) for child in children if Path(f"/proc/{child}/comm").read_text() == "sleep\n"]
    return next((child for child in ready if link(child, kind) != link("self", kind)), None)


@pytest.mark.parametrize("kind", FILES)
def test_a_namespace_without_a_path_is_new(box: Bundle, kind: str) -> None:
    if kind == "user":
        mapped(box)
    box.namespace(kind)
    assert link(box.pid(box.started()), kind) != link("self", kind)


@pytest.mark.parametrize("kind", [kind for kind in FILES if kind != "mount"])
def test_a_namespace_that_is_not_listed_is_the_runtimes(box: Bundle, kind: str) -> None:
    box.without_namespace(kind)
    if kind == "uts":
        del box.config["hostname"]
    if kind == "network":
        box.config["mounts"] = [entry for entry in box.config["mounts"] if entry["destination"] != "/sys"]
    assert link(box.pid(box.started()), kind) == link("self", kind)


def test_without_a_mount_namespace_the_container_has_the_runtimes(box: Bundle) -> None:
    box.without_namespace("mount")
    box.config["mounts"] = []
    box.linux.update(maskedPaths=[], readonlyPaths=[])
    with (box.directory / "out").open("w") as out:
        name = box.started("sh", "-c", "ls -d /boot; ls /bin/busybox; sleep 1000", stdout=out)
    assert link(box.pid(name), "mount") == link("self", "mount")
    wait_until(lambda: (box.directory / "out").read_text() == "/bin/busybox\n")


@pytest.mark.parametrize("kind", FILES)
def test_a_namespace_with_a_path_is_joined(box: Bundle, kind: str) -> None:
    if kind == "user":
        mapped(box)
        del box.linux["uidMappings"], box.linux["gidMappings"]
    with holder(kind) as pid:
        box.namespace(kind, f"/proc/{pid}/ns/{FILES[kind]}")
        name = box.started()
        assert link(box.pid(name), kind) == link(pid, kind)
        box.ask("delete", "--force", name)
        assert Path(f"/proc/{pid}").exists()


def test_a_namespace_is_joined_by_a_file_that_is_bound_to_it(box: Bundle, ground: Path) -> None:
    place = ground / "ns"
    place.touch()
    with holder("network") as pid:
        subprocess.run(("mount", "--bind", f"/proc/{pid}/ns/net", place), check=True)
        inode = link(pid, "network")
    try:
        box.namespace("network", str(place))
        name = box.started()
        assert link(box.pid(name), "network") == inode
        box.ask("delete", "--force", name)
        assert place.stat().st_ino == int(inode.split("[")[1][:-1])
    finally:
        subprocess.run(("umount", place), check=True)


def test_all_namespaces_of_another_container_can_be_joined(box: Bundle) -> None:
    first = box.pid(box.started())
    for kind in ("pid", "network", "ipc", "uts"):
        box.namespace(kind, f"/proc/{first}/ns/{FILES[kind]}")
    del box.config["hostname"]
    second = box.pid(box.started())
    assert [link(second, kind) for kind in ("pid", "network", "ipc", "uts")] == [
        link(first, kind) for kind in ("pid", "network", "ipc", "uts")
    ]


@pytest.mark.parametrize("kind", FILES)
def test_a_path_of_another_kind_of_namespace_is_an_error(box: Bundle, kind: str) -> None:
    other = "uts" if kind != "uts" else "ipc"
    if kind == "user":
        mapped(box)
        del box.linux["uidMappings"], box.linux["gidMappings"]
    with holder(other) as pid:
        box.namespace(kind, f"/proc/{pid}/ns/{FILES[other]}")
        name, code = box.try_create()
    assert code != 0
    assert box.status(name) == "gone"


@pytest.mark.parametrize("path", ["/no/such/file", "/etc/hostname", "/proc/self/ns"])
def test_a_path_of_no_namespace_is_an_error(box: Bundle, path: str) -> None:
    box.namespace("ipc", path)
    name, code = box.try_create()
    assert code != 0
    assert box.status(name) == "gone"


def test_a_pid_namespace_hides_all_others(box: Bundle) -> None:
    assert box.says("ls -d /proc/[0-9]*; echo $$").split()[-1] == "1"


def test_a_network_namespace_has_only_its_own_devices(box: Bundle) -> None:
    assert box.says("ls /sys/class/net") == "lo"


def test_the_hostname_is_the_containers(box: Bundle) -> None:
    host = os.uname().nodename
    box.config["hostname"] = "another.example"
    assert box.says("hostname") == "another.example"
    assert os.uname().nodename == host


def test_the_hostname_is_set_in_a_namespace_that_is_joined(box: Bundle) -> None:
    with holder("uts") as pid:
        box.namespace("uts", f"/proc/{pid}/ns/uts")
        assert box.says("hostname") == "bundle"


def test_the_domainname_is_the_containers(box: Bundle) -> None:
    box.config["domainname"] = "example.test"
    assert box.says("cat /proc/sys/kernel/domainname") == "example.test"


def test_ids_are_mapped_as_the_file_says(box: Bundle) -> None:
    mapping = [{"containerID": 0, "hostID": 100000, "size": 1000}, {"containerID": 2000, "hostID": 300000, "size": 10}]
    mapped(box, mapping)
    pid = box.pid(box.started())
    for file in ("uid_map", "gid_map"):
        lines = [line.split() for line in Path(f"/proc/{pid}/{file}").read_text().splitlines()]
        assert lines == [["0", "100000", "1000"], ["2000", "300000", "10"]]
    assert os.stat(f"/proc/{pid}").st_uid == 100000


def test_users_and_groups_can_be_mapped_unlike(box: Bundle) -> None:
    mapped(box)
    box.linux["gidMappings"] = [{"containerID": 0, "hostID": 200000, "size": 65536}]
    pid = box.pid(box.started())
    assert (os.stat(f"/proc/{pid}").st_uid, os.stat(f"/proc/{pid}").st_gid) == (100000, 200000)


def test_a_mapped_root_is_root_inside_and_owns_nothing_outside(box: Bundle, ground: Path) -> None:
    mapped(box)
    (ground / "secret").write_text("x")
    (ground / "secret").chmod(0o600)
    box.mount("/secret", "bind", kind="none", source=str(ground / "secret"))
    (box.rootfs / "secret").touch()
    assert box.says("id -u; cat /secret 2>/dev/null || echo refused").split() == ["0", "refused"]


def test_a_user_namespace_has_its_devices_and_mounts(box: Bundle) -> None:
    mapped(box)
    said = box.says("echo x > /dev/null && head -c 3 /dev/zero | wc -c && ls -d /dev/pts/ptmx /proc/1 && id -g")
    assert said.split() == ["3", "/dev/pts/ptmx", "/proc/1", "0"]


def test_ids_of_users_in_a_user_namespace_are_the_containers(box: Bundle) -> None:
    mapped(box)
    box.process["user"] = {"uid": 1000, "gid": 1001, "additionalGids": [5]}
    pid = box.pid(box.started())
    status = Path(f"/proc/{pid}/status").read_text()
    assert "Uid:\t101000\t101000\t101000\t101000\n" in status
    assert "Gid:\t101001\t101001\t101001\t101001\n" in status
    assert "Groups:\t100005 \n" in status


def test_the_mapping_changes_no_owner_of_a_file(box: Bundle) -> None:
    mapped(box)
    before = {path: path.lstat().st_uid for path in box.rootfs.rglob("*")}
    box.says("true")
    assert {path: path.lstat().st_uid for path in before} == before


def test_a_joined_user_namespace_may_come_with_the_namespaces_it_owns(box: Bundle) -> None:
    with holder("user") as pid:
        mapped(box)
        del box.linux["uidMappings"], box.linux["gidMappings"]
        box.namespace("user", f"/proc/{pid}/ns/user")
        assert box.says("cat /proc/self/uid_map").split() == ["0", "100000", "65536"]


@pytest.mark.parametrize(("clock", "line"), [("boottime", 1), ("monotonic", 0)])
def test_clocks_have_their_offsets(box: Bundle, clock: str, line: int) -> None:
    box.namespace("time")
    box.linux["timeOffsets"] = {clock: {"secs": 604800, "nanosecs": 5}}
    offsets = [entry.split() for entry in box.says("cat /proc/self/timens_offsets").splitlines()]
    assert offsets[line] == [clock, "604800", "5"]
    assert offsets[1 - line][1:] == ["0", "0"]


def test_an_offset_of_the_boot_time_is_seen_as_uptime(box: Bundle) -> None:
    box.namespace("time")
    box.linux["timeOffsets"] = {"boottime": {"secs": 604800}}
    host = float(Path("/proc/uptime").read_text().split()[0])
    assert 604800 - 60 < float(box.says("cut -d' ' -f1 /proc/uptime")) - host < 604800 + 60


def test_exec_joins_every_namespace(box: Bundle) -> None:
    name = box.started()
    pid = box.pid(name)
    kinds = [file for file in FILES.values() if file != "time"]
    said = box.execute(name, "; ".join(f"readlink /proc/self/ns/{kind}" for kind in kinds)).split()
    assert said == [os.readlink(f"/proc/{pid}/ns/{kind}") for kind in kinds]


def test_exec_joins_a_user_namespace(box: Bundle) -> None:
    mapped(box)
    name = box.started()
    assert box.execute(name, "readlink /proc/self/ns/user; id -u").split() == [link(box.pid(name), "user"), "0"]

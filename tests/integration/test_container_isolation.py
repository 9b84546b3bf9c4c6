"""What a container sees: namespaces, root, mounts, devices and descriptors of its own, and nothing of the host."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from runtime.spec.defaults import MASKED_PATHS, READONLY_PATHS
from tests.support.containers import link, make_ground, require_root

if TYPE_CHECKING:
    from tests.support.containers import Ground

pytestmark = pytest.mark.root

DEVICES = {"null": (1, 3), "zero": (1, 5), "full": (1, 7), "random": (1, 8), "urandom": (1, 9), "tty": (5, 0)}
MOUNTS = {
    "/": ("overlay", "rw,nodev"),
    "/proc": ("proc", "rw,nosuid,nodev,noexec"),
    "/dev": ("tmpfs", "ro,nosuid,noexec"),
    "/dev/pts": ("devpts", "rw,nosuid,noexec"),
    "/dev/shm": ("tmpfs", "rw,nosuid,nodev,noexec"),
    "/dev/mqueue": ("mqueue", "rw,nosuid,nodev,noexec"),
    "/sys": ("sysfs", "ro,nosuid,nodev,noexec"),
}


@pytest.mark.parametrize("kind", ["pid", "mnt", "uts", "ipc", "net", "cgroup"])
def test_every_namespace_is_its_own(ground: Ground, kind: str) -> None:
    seen = ground.run("readlink", f"/proc/self/ns/{kind}").output.strip()
    host, launcher = link(f"/proc/self/ns/{kind}"), link(f"/proc/{ground.launcher.pid}/ns/{kind}")
    assert seen.startswith(f"{kind}:[")
    assert host == launcher != seen


def test_the_control_group_is_the_root_of_its_namespace(ground: Ground) -> None:
    groups = {line.split(":", 2)[1]: line.split(":", 2)[2] for line in ground.run("cat", "/proc/self/cgroup").lines}
    ours = [path for names, path in groups.items() if {"memory", "cpu", "pids", ""} & set(names.split(","))]
    assert ours
    # On version 1 the hierarchies that we do not use stay where the launcher is, seen from there: also "/".
    assert set(ours) == {"/"}


def test_it_is_pid_1_and_sees_no_other_process(ground: Ground) -> None:
    outcome = ground.shell("echo $$; echo /proc/[0-9]*")
    assert outcome.lines == ["1", "/proc/1"]


def test_the_hostname_is_the_containers_own(ground: Ground) -> None:
    before = os.uname().nodename
    with ground.running(hostname="box-1") as (spec, _):
        status, out, _ = ground.execute(spec.id, "hostname")
    assert (status, out) == (0, b"box-1\n")
    assert os.uname().nodename == before


def test_a_write_lands_in_upper_and_nowhere_else(ground: Ground) -> None:
    with ground.running("sh", "-c", "echo changed > /etc/passwd; echo new > /srv/new; rm /etc/group; sleep 1000") as (
        spec,
        _,
    ):
        while ground.execute(spec.id, "test", "!", "-e", "/etc/group")[0] != 0:
            pass
        upper = Path(spec.rootfs.upper)
        assert (upper / "etc/passwd").read_text() == "changed\n"
        assert (upper / "srv/new").read_text() == "new\n"
        assert not (ground.layers[-1] / "srv/new").exists()
        assert (ground.layers[-1] / "etc/passwd").read_text().startswith("root:")
    assert ground.run("cat", "/etc/passwd").output.startswith("root:")


def test_the_top_layer_wins(ground: Ground, tmp_path: Path) -> None:
    top = tmp_path / "top"
    (top / "etc").mkdir(parents=True)
    (top / "etc/passwd").write_text("from the top\n")
    with make_ground(tmp_path / "ground", (*ground.layers, top)) as layered:
        assert layered.run("cat", "/etc/passwd", "/etc/group").output == "from the top\nroot:x:0:\nnogroup:x:65534:\n"


def mounts_of(text: str) -> dict[str, tuple[str, str]]:
    """Mount point to type and per-mount options, of mountinfo; the topmost where several are stacked."""
    rows = (line.split(" - ") for line in text.splitlines())
    found = {}
    for head, tail in rows:
        point, options = head.split(" ")[4:6]
        found[point] = (tail.split(" ")[0], options.replace(",relatime", ""))
    return found


def test_the_mounts_are_those_planned_and_no_others(ground: Ground) -> None:
    found = mounts_of(ground.run("cat", "/proc/self/mountinfo").output)
    assert {point: found[point] for point in MOUNTS} == MOUNTS
    # What this kernel has not, or only the initial network namespace has, cannot be mounted on.
    present = {path for path in (*MASKED_PATHS, *READONLY_PATHS) if Path(path).exists()}
    assert set(found) - set(MOUNTS) == present
    assert {path for path in READONLY_PATHS if found.get(path, ("", "ro"))[1][:2] != "ro"} == set()
    assert "/proc/sys" in present


def test_masked_paths_show_nothing(ground: Ground) -> None:
    with ground.running() as (spec, _):
        for path in filter(os.path.exists, MASKED_PATHS):
            command = "ls -A" if Path(path).is_dir() else "cat"
            status, out, err = ground.execute(spec.id, "sh", "-c", f"{command} {path}")
            assert (status, out, err) == (0, b"", b""), path
            assert ground.execute(spec.id, "sh", "-c", f"echo x > {path}/x || echo x >> {path}/y")[0] != 0


def test_readonly_paths_refuse_writing(ground: Ground) -> None:
    with ground.running() as (spec, _):
        candidates = ("/proc/sys/kernel/hostname", "/proc/sys/fs/file-max", "/proc/sysrq-trigger")
        for path in filter(os.path.exists, candidates):
            status, _, err = ground.execute(spec.id, "sh", "-c", f"echo 0 > {path}")
            assert status != 0
            assert b"Read-only file system" in err, path


@pytest.mark.parametrize("path", ["/sys/x", "/dev/x", "/dev/.empty/x"])
def test_nothing_can_be_made_in_read_only_mounts(ground: Ground, path: str) -> None:
    outcome = ground.run("mkdir", path)
    assert outcome.status == 1
    assert "Read-only file system" in outcome.output or "Operation not permitted" in outcome.output


def test_the_device_nodes_are_the_specifications_and_work(ground: Ground) -> None:
    outcome = ground.shell("for name in null zero full random urandom tty; do stat -c '%n %t %T %a' /dev/$name; done")
    expected = [f"/dev/{name} {major:x} {minor:x} 666" for name, (major, minor) in DEVICES.items()]
    assert outcome.lines == expected
    script = (
        "echo gone > /dev/null && head -c 3 /dev/zero | od -An -tx1 && head -c 8 /dev/urandom | wc -c"
        " && readlink /dev/fd && echo out >> /dev/stdout && ls /dev/pts && ! echo x > /dev/full"
    )
    assert ground.shell(script).lines[:5] == [" 00 00 00", "8", "/proc/self/fd", "out", "ptmx"]


@pytest.mark.parametrize("directory", ["/tmp", "/dev/shm", "/root"])
def test_a_device_node_made_inside_does_not_open(ground: Ground, directory: str) -> None:
    outcome = ground.shell(f"mknod {directory}/null c 1 3 && echo made; cat {directory}/null && echo opened")
    assert "made" in outcome.output
    assert "opened" not in outcome.output
    assert "Permission denied" in outcome.output


def test_a_device_node_of_the_image_does_not_open(ground: Ground, tmp_path: Path) -> None:
    top = tmp_path / "top"
    top.mkdir()
    os.mknod(top / "zero", 0o020666, os.makedev(1, 5))
    with make_ground(tmp_path / "ground", (*ground.layers, top)) as layered:
        assert "Permission denied" in layered.run("head", "-c", "1", "/zero").output


def test_only_the_standard_descriptors_are_open(ground: Ground) -> None:
    secret = os.open("/etc/hostname", os.O_RDONLY)
    os.set_inheritable(secret, True)
    try:
        with ground.running() as (spec, pid):
            assert sorted(entry.name for entry in Path(f"/proc/{pid}/fd").iterdir()) == ["0", "1", "2"]
            links = [link(f"/proc/{pid}/fd/{fd}") for fd in range(3)]
            assert links == ["/dev/null", spec.log_path, spec.log_path]
            status, out, _ = ground.execute(spec.id, "sh", "-c", "echo /proc/self/fd/*; exec sleep 0")
            assert set(out.split()) <= {b"/proc/self/fd/0", b"/proc/self/fd/1", b"/proc/self/fd/2", b"/proc/self/fd/3"}
            assert status == 0
    finally:
        os.close(secret)


def test_the_root_cannot_be_climbed_out_of(ground: Ground) -> None:
    outcome = ground.shell("cd ../../..; pwd; ls /../..; test -e /proc/1/root/../etc/shadow")
    assert outcome.status == 1
    assert outcome.lines == ["/", "bin", "dev", "etc", "proc", "root", "srv", "sys", "tmp"]


def test_the_host_sees_none_of_the_mounts(ground: Ground) -> None:
    before = Path("/proc/self/mountinfo").read_text()
    with ground.running() as (_, pid):
        assert Path("/proc/self/mountinfo").read_text() == before
        assert Path(f"/proc/{pid}/mountinfo").read_text() != before


def test_the_image_may_lack_every_directory_that_is_mounted_on(tmp_path: Path) -> None:
    require_root()
    busybox = Path("/bin/busybox").read_bytes()
    bare = tmp_path / "bare"
    bare.mkdir()
    (bare / "busybox").write_bytes(busybox)
    (bare / "busybox").chmod(0o755)
    with make_ground(tmp_path / "ground", (bare,)) as made:
        assert made.run("/busybox", "ls", "/").lines == ["busybox", "dev", "proc", "sys"]


def test_unpacked_layers_serve_several_containers_at_once(ground: Ground) -> None:
    with ground.running("sh", "-c", "echo a > /x; sleep 1000"), ground.running() as (second, _):
        assert ground.execute(second.id, "test", "-e", "/x")[0] == 1


@pytest.mark.parametrize("name", ["with space", "a:b", "a,b", "a\\b", "ä", "x=y,lowerdir=z"])
def test_any_directory_can_hold_layers_and_containers(
    tmp_path: Path, busybox_layers: tuple[Path, ...], name: str
) -> None:
    (tmp_path / name).mkdir()
    layer = tmp_path / name / "layer"
    (layer / "srv").mkdir(parents=True)
    (layer / "srv/found").write_text("here")
    with make_ground(tmp_path / name / "ground", (*busybox_layers, layer)) as made:
        assert made.shell("cat /srv/found && echo new > /srv/new && cat /srv/new").output == "herenew\n"

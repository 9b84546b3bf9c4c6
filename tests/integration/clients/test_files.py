"""What of a container's file system the command line sets: volumes, tmpfs, read-only, devices, cp, diff and commit."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.engine import Engine

pytestmark = [pytest.mark.root, pytest.mark.engines, pytest.mark.slow]


def test_bind_mount(engine: Engine, tmp_path: Path) -> None:
    (tmp_path / "in").write_text("from outside")
    assert engine.shell("cat /data/in; echo -n inside > /data/out", "--volume", f"{tmp_path}:/data") == "from outside"
    assert (tmp_path / "out").read_text() == "inside"


def test_bind_mount_read_only(engine: Engine, tmp_path: Path) -> None:
    done = engine.run("touch", "/data/out", options=("--volume", f"{tmp_path}:/data:ro"), code=1)
    assert "Read-only file system" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_bind_mount_of_a_file(engine: Engine, tmp_path: Path) -> None:
    (tmp_path / "one").write_text("one file")
    assert engine.shell("cat /etc/one", "--volume", f"{tmp_path}/one:/etc/one:ro") == "one file"


def test_bind_mount_by_mount(engine: Engine, tmp_path: Path) -> None:
    (tmp_path / "in").write_text("long form")
    option = f"type=bind,source={tmp_path},target=/deep/er,readonly"
    assert engine.shell("cat /deep/er/in", "--mount", option) == "long form"


def test_a_link_of_the_image_does_not_lead_a_mount_outside(engine: Engine, tmp_path: Path) -> None:
    """A mount's target is resolved in the container's root, whatever links are on the way."""
    (tmp_path / "in").write_text("inside")
    with engine.container("ln", "-s", str(tmp_path / "host"), "/way", verb="create") as container:
        engine("start", "--attach", container.name)
        image = f"localhost/linked:{container.name}"
        engine("commit", container.name, image)
    try:
        script = f"cat {tmp_path}/host/in"
        said = engine("run", "--rm", "--volume", f"{tmp_path}:/way", image, "sh", "-c", script).text
        assert said == "inside"
        assert not (tmp_path / "host").exists()
    finally:
        engine("rmi", "--force", image)


def test_named_volume(engine: Engine) -> None:
    volume = "tare-test-volume"
    engine("volume", "create", volume)
    try:
        engine.shell("echo kept > /data/file", "--volume", f"{volume}:/data")
        assert engine.shell("cat /data/file", "--volume", f"{volume}:/data") == "kept"
    finally:
        engine("volume", "rm", volume)


def test_volumes_from(engine: Engine, tmp_path: Path) -> None:
    (tmp_path / "in").write_text("shared")
    with engine.container(options=("--volume", f"{tmp_path}:/data")) as container:
        assert engine.shell("cat /data/in", "--volumes-from", container.name) == "shared"


@contextmanager
def mounted_later(engine: Engine, directory: Path) -> Iterator[Path]:
    """A directory of the host below which a file system can be mounted while containers run."""
    sandbox = engine.host.sandbox
    (directory / "point").mkdir()
    sandbox.output("mount", "--bind", str(directory), str(directory))
    sandbox.output("mount", "--make-shared", str(directory))
    try:
        yield directory
    finally:
        sandbox.output("umount", "--recursive", str(directory))


@pytest.mark.parametrize(("propagation", "seen"), [("rprivate", "0"), ("rslave", "1"), ("rshared", "1")])
def test_propagation_into_the_container(engine: Engine, tmp_path: Path, propagation: str, seen: str) -> None:
    with (
        mounted_later(engine, tmp_path) as shared,
        engine.container(options=("--volume", f"{shared}:/data:{propagation}")) as container,
    ):
        engine.host.sandbox.output("mount", "-t", "tmpfs", "later", f"{shared}/point")
        assert container.shell("grep -c /data/point /proc/self/mountinfo || true") == seen


@pytest.mark.parametrize(("propagation", "seen"), [("rslave", False), ("rshared", True)])
def test_propagation_out_of_the_container(engine: Engine, tmp_path: Path, propagation: str, seen: bool) -> None:
    security = ("seccomp=unconfined", "apparmor=unconfined")
    options = ("--cap-add", "SYS_ADMIN", *(word for option in security for word in ("--security-opt", option)))
    with (
        mounted_later(engine, tmp_path) as shared,
        engine.container(options=(*options, "--volume", f"{shared}:/data:{propagation}")) as container,
    ):
        container.shell("mount -t tmpfs inside /data/point")
        mounts = engine.host.read("/proc/1/mountinfo")
        assert (f" {shared}/point " in mounts) is seen


def test_read_only_root(engine: Engine) -> None:
    assert "Read-only file system" in engine.run("touch", "/file", options=("--read-only",), code=1).stderr


def test_read_only_root_with_places_to_write(engine: Engine, tmp_path: Path) -> None:
    options = ("--read-only", "--tmpfs", "/tmp", "--volume", f"{tmp_path}:/data")
    assert engine.shell("touch /tmp/a /data/b && ls /tmp /data", *options).split() == ["/data:", "b", "/tmp:", "a"]


def test_tmpfs(engine: Engine) -> None:
    said = engine.shell("grep ' /scratch ' /proc/mounts", "--tmpfs", "/scratch:size=1m,mode=1777,noexec")
    kind, options = said.split()[2:4]
    assert kind == "tmpfs"
    assert {"size=1024k", "noexec", "nosuid", "nodev"} <= set(options.split(","))


def test_tmpfs_is_full_at_its_size(engine: Engine) -> None:
    argv = ("dd", "if=/dev/zero", "of=/scratch/file", "bs=1M", "count=2")
    assert "No space left" in engine.run(*argv, options=("--tmpfs", "/scratch:size=1m"), code=1).stderr


def test_shm_size(engine: Engine) -> None:
    assert "size=2048k" in engine.shell("grep ' /dev/shm ' /proc/mounts", "--shm-size", "2m")


def test_device(engine: Engine) -> None:
    argv = ("sh", "-c", "echo > /dev/brimful")
    assert "No space left" in engine.run(*argv, options=("--device", "/dev/full:/dev/brimful"), code=1).stderr


def test_a_device_can_be_opened_only_if_given(engine: Engine) -> None:
    node = "mknod /tmp/fuse c 10 229"
    # docker's control group says the first, the mount of tare's root the other: that has no devices at all.
    denied = "Permission denied" if engine.name == "tare" else "Operation not permitted"
    assert denied in engine.run("sh", "-c", f"{node} && : < /tmp/fuse", code=1).stderr
    engine.shell(": < /dev/fuse", "--device", "/dev/fuse")
    if engine.name != "tare":
        engine.shell(f"{node} && : < /tmp/fuse", "--device", "/dev/fuse")


def test_device_cgroup_rule(engine: Engine) -> None:
    script = "mknod /tmp/fuse c 10 229 && : < /tmp/fuse; mknod /tmp/kmsg c 1 11; : < /tmp/kmsg"
    done = engine.run("sh", "-c", script, options=("--device-cgroup-rule", "c 10:229 rw"), code=1)
    assert done.stderr == "sh: can't open /tmp/kmsg: Operation not permitted\n"


def test_device_read_only(engine: Engine) -> None:
    options = ("--device", "/dev/fuse:/dev/renamed:r")
    engine.shell(": < /dev/renamed", *options)
    assert "Operation not permitted" in engine.run("sh", "-c", ": > /dev/renamed", options=options, code=1).stderr


def test_the_usual_devices(engine: Engine) -> None:
    script = "cd /dev; ls -d null zero full random urandom tty fd stdin stdout stderr ptmx pts shm mqueue"
    assert len(engine.shell(f"{script}; head -c 3 zero | wc -c; echo x > null").splitlines()) == 15


def test_cp(engine: Engine, tmp_path: Path) -> None:
    (tmp_path / "in").write_text("carried")
    with engine.container() as container:
        engine("cp", str(tmp_path / "in"), f"{container.name}:/tmp/in")
        assert container.shell("cat /tmp/in; echo -n back > /tmp/out") == "carried"
        engine("cp", f"{container.name}:/tmp/out", str(tmp_path / "out"))
    assert (tmp_path / "out").read_text() == "back"


def test_diff(engine: Engine) -> None:
    with engine.container("sh", "-c", "echo > /etc/added; rm /etc/group; echo >> /etc/passwd") as container:
        container.wait()
        changes = set(engine("diff", container.name).stdout.splitlines())
        assert {"A /etc/added", "D /etc/group", "C /etc/passwd"} <= changes


def test_commit(engine: Engine) -> None:
    with engine.container("sh", "-c", "echo committed > /file") as container:
        container.wait()
        image = f"localhost/committed:{container.name}"
        engine("commit", container.name, image)
        try:
            assert engine("run", "--rm", image, "cat", "/file").text == "committed"
        finally:
            engine("rmi", image)


def test_export(engine: Engine, tmp_path: Path) -> None:
    with engine.container(verb="create") as container:
        engine("export", "--output", str(tmp_path / "root.tar"), container.name)
    assert (tmp_path / "root.tar").stat().st_size > 1 << 20


def test_masked_files_are_empty(engine: Engine) -> None:
    assert engine.shell("cat /proc/timer_list /proc/keys | wc -c") == "0"


def test_kernel_settings_are_read_only(engine: Engine) -> None:
    script = "echo 1 > /proc/sys/kernel/panic"
    assert "Read-only file system" in engine.run("sh", "-c", script, code=1).stderr

"""Further processes in a running container: what they say, how they end, where they are and what they may."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from runtime.process.client import LauncherError
from tests.support.containers import NOBODY, link

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runtime.spec.container import ContainerSpec
    from tests.support.containers import Ground

pytestmark = pytest.mark.root

KINDS = ("pid", "mnt", "uts", "ipc", "net", "cgroup")


@pytest.fixture
def box(ground: Ground) -> Iterator[tuple[ContainerSpec, int]]:
    with ground.running() as running:
        yield running


def test_status_and_both_outputs_come_back(ground: Ground, box: tuple[ContainerSpec, int]) -> None:
    answer = ground.execute(box[0].id, "sh", "-c", "echo out; echo err >&2; exit 7")
    assert answer == (7, b"out\n", b"err\n")
    assert Path(box[0].log_path).read_bytes() == b""


def test_it_is_in_all_namespaces_of_the_first_process(ground: Ground, box: tuple[ContainerSpec, int]) -> None:
    script = "".join(f"readlink /proc/self/ns/{kind};" for kind in KINDS)
    _, out, _ = ground.execute(box[0].id, "sh", "-c", script)
    assert out.decode().split() == [link(f"/proc/{box[1]}/ns/{kind}") for kind in KINDS]


def test_it_is_in_the_control_group(ground: Ground, box: tuple[ContainerSpec, int]) -> None:
    (out, out_write) = os.pipe()
    pid = ground.launcher.execute(box[0].id, "counted", ground.process("sleep", "1000"), out_write, out_write)
    os.close(out_write)
    os.close(out)
    assert set(ground.cgroup(box[0]).pids()) == {box[1], pid}
    ground.launcher.remove("counted")
    assert ground.cgroup(box[0]).pids() == (box[1],)


@pytest.mark.parametrize("uid", [0, NOBODY])
def test_it_has_the_rights_of_a_first_process(ground: Ground, uid: int) -> None:
    script = "grep -E '^(Uid|Gid|Groups|Cap|NoNewPrivs|Seccomp:)' /proc/self/status; umask; pwd"
    first = ground.shell(script, uid=uid, gid=uid, groups=(7,), cwd="/srv")
    with ground.running() as (spec, _):
        _, out, _ = ground.execute(spec.id, "sh", "-c", script, uid=uid, gid=uid, groups=(7,), cwd="/srv")
    assert out.decode() == first.output
    assert "NoNewPrivs:\t1\nSeccomp:\t2\n" in first.output


def test_it_sees_the_containers_processes_and_is_seen(ground: Ground, box: tuple[ContainerSpec, int]) -> None:
    _, out, _ = ground.execute(box[0].id, "sh", "-c", "cat /proc/1/cmdline | tr '\\0' ' '; echo $(ls -d /proc/[0-9]*)")
    first, *others = out.decode().removeprefix("sleep 1000 ").split()
    assert first == "/proc/1"
    assert len(others) == 2  # the shell and ls


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_signal_ends_it_with_128_and_its_number(
    ground: Ground, box: tuple[ContainerSpec, int], number: signal.Signals
) -> None:
    assert ground.execute(box[0].id, "sh", "-c", f"kill -{number} $$")[0] == 128 + number


def test_a_missing_program_is_one_sentence(ground: Ground, box: tuple[ContainerSpec, int]) -> None:
    with pytest.raises(LauncherError, match=r"^execute nothing: (not found in PATH|no such file or directory)$"):
        ground.execute(box[0].id, "nothing")
    assert ground.execute(box[0].id, "true")[0] == 0


def test_the_launcher_comes_back_from_the_containers_pid_namespace(
    ground: Ground, box: tuple[ContainerSpec, int]
) -> None:
    ground.execute(box[0].id, "true")
    launcher = ground.launcher.pid
    assert link(f"/proc/{launcher}/ns/pid_for_children") == link(f"/proc/{launcher}/ns/pid")


@pytest.mark.parametrize("name", ["unknown", "stopped"])
def test_there_is_none_where_nothing_runs(ground: Ground, name: str) -> None:
    spec = ground.spec(ground.process("true"), id="stopped")
    ground.launcher.launch(spec)
    assert ground.launcher.wait("stopped", 10) == 0
    try:
        with pytest.raises(LauncherError, match=f"{name}: (no process of this name|not a running container)"):
            ground.execute(name, "true")
    finally:
        ground.launcher.remove("stopped")


def test_the_first_process_takes_it_along(ground: Ground) -> None:
    (out, out_write) = os.pipe()
    with ground.running() as (spec, pid):
        ground.launcher.execute(spec.id, "along", ground.process("sleep", "1000"), out_write, out_write)
        os.close(out_write)
        os.kill(pid, signal.SIGKILL)
        assert ground.launcher.wait("along", 10) == 137
        assert ground.launcher.wait(spec.id, 10) == 137
        ground.launcher.remove("along")
    assert os.read(out, 1) == b""
    os.close(out)


def test_a_container_is_removed_while_it_runs_there(ground: Ground) -> None:
    (out, out_write) = os.pipe()
    spec = ground.spec(ground.process("sleep", "1000"))
    ground.launcher.launch(spec)
    ground.launcher.execute(spec.id, "lasting", ground.process("sleep", "1000"), out_write, out_write)
    os.close(out_write)
    ground.launcher.remove(spec.id)
    assert ground.launcher.wait("lasting", 10) == 137
    ground.launcher.remove("lasting")
    assert os.read(out, 1) == b""
    os.close(out)
    assert ground.leftovers() == []

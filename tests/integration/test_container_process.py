"""A container's first process: what it is given, how it ends, and what it is held to."""

from __future__ import annotations

import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from runtime.process.client import Launcher
from runtime.spec.container import Process, Resources
from tests.support.containers import NOBODY
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from tests.support.containers import Ground

pytestmark = pytest.mark.root

MIB = 1 << 20


@pytest.mark.parametrize("status", [0, 1, 3, 127, 255])
def test_the_exit_status_is_the_processes_own(ground: Ground, status: int) -> None:
    assert ground.shell(f"exit {status}").status == status


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV])
def test_a_process_that_is_killed_ends_with_128_and_the_signal(ground: Ground, number: signal.Signals) -> None:
    # As pid 1 it takes no signal from inside that it has no handler for: so from outside, or in a child.
    assert ground.shell(f"sh -c 'kill -{number} $$'; exit $?").status == 128 + number
    if number is signal.SIGKILL:
        with ground.running() as (spec, _):
            ground.launcher.signal(spec.id, number)
            assert ground.launcher.wait(spec.id, 10) == 128 + number


def test_a_signal_reaches_the_first_process(ground: Ground) -> None:
    with ground.running("sh", "-c", "trap 'exit 5' TERM; echo ready; while :; do sleep 0.05; done") as (spec, _):
        assert eventually(lambda: Path(spec.log_path).read_text() == "ready\n")
        ground.launcher.signal(spec.id, signal.SIGTERM)
        assert ground.launcher.wait(spec.id, 10) == 5
        ground.launcher.signal(spec.id, signal.SIGTERM)  # it has ended: no error


def test_waiting_ends_when_the_time_is_up(ground: Ground) -> None:
    with ground.running() as (spec, _):
        assert ground.launcher.wait(spec.id, 0.05) is None
        assert ground.launcher.exit_status(spec.id) is None


def test_removing_is_idempotent(ground: Ground) -> None:
    with ground.running() as (spec, _):
        ground.launcher.remove(spec.id)
        ground.launcher.remove(spec.id)
    ground.launcher.remove("never was")
    assert ground.leftovers() == []


def test_the_log_has_both_outputs_and_standard_input_is_empty(ground: Ground) -> None:
    assert ground.shell("echo out; echo err >&2; cat; echo end").lines == ["out", "err", "end"]


@pytest.mark.parametrize("uid", [0, NOBODY])
def test_the_outputs_can_be_opened_by_name(ground: Ground, uid: int) -> None:
    script = "echo out >> /dev/stdout; echo err >> /dev/stderr; echo fd >> /proc/self/fd/1"
    assert ground.shell(script, uid=uid, gid=uid).lines == ["out", "err", "fd"]


def test_the_log_is_nobody_elses(ground: Ground) -> None:
    with ground.running() as (spec, _):
        assert Path(spec.log_path).stat().st_mode & 0o777 == 0o600
        assert Path(spec.directory).stat().st_mode & 0o777 == 0o700


def test_environment_and_arguments_are_exactly_those_given(ground: Ground) -> None:
    env = ("PATH=/bin", "EMPTY=", "A=b=c", "SPACE=a b", "UTF8=ä")
    assert ground.run("env", env=env).lines == list(env)
    assert ground.run("sh", "-c", 'echo "$#:$1:$2"', "sh", "", "a b").output == "2::a b\n"


def test_a_program_is_looked_up_along_its_own_path(ground: Ground) -> None:
    assert ground.run("true", env=("PATH=/nowhere:/etc:/bin",)).status == 0
    assert ground.run("true", env=()).status == 0  # the usual directories
    assert ground.run("/bin/true", env=("PATH=/nowhere",)).status == 0


@pytest.mark.parametrize("first", ["/etc/passwd", "/srv/not-executable", "/srv/directory"])
def test_what_cannot_be_executed_is_passed_over_along_the_path(ground: Ground, first: str, tmp_path: Path) -> None:
    # A file where a directory should be, a file without the right, a directory of the program's name.
    from tests.support.containers import make_ground

    top = tmp_path / "top"
    (top / "srv/not-executable").mkdir(parents=True)
    (top / "srv/not-executable/true").write_text("no")
    (top / "srv/directory/true").mkdir(parents=True)
    with make_ground(tmp_path / "ground", (*ground.layers, top)) as layered:
        assert layered.run("true", env=(f"PATH={first}:/bin",)).status == 0


def test_the_working_directory_is_entered_and_made(ground: Ground) -> None:
    assert ground.run("pwd", cwd="/srv").output == "/srv\n"
    assert ground.run("pwd").output == "/\n"
    assert ground.shell("pwd; stat -c '%u %a' /new /new/deep", cwd="/new/deep", uid=NOBODY, gid=NOBODY).lines == [
        "/new/deep", "0 755", "0 755",
    ]  # fmt: skip


def test_user_group_and_groups(ground: Ground) -> None:
    assert ground.run("id", uid=NOBODY, gid=NOBODY, groups=(7, 9)).output.startswith(
        "uid=65534(nobody) gid=65534(nogroup) groups=7"
    )
    assert ground.shell("touch /root/x", uid=NOBODY, gid=NOBODY).status == 1
    assert ground.shell("touch /tmp/x && stat -c '%u %g %a' /tmp/x", uid=5, gid=6).output == "5 6 644\n"


def test_no_signal_is_ignored_or_blocked_whatever_the_caller_has(tmp_path: Path, ground: Ground) -> None:
    from tests.support.containers import make_ground

    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGUSR1})
    hangup = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with make_ground(tmp_path / "ground", ground.layers) as other:
            found = other.run("grep", "-E", "^Sig(Blk|Ign)", "/proc/self/status").output
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        signal.signal(signal.SIGHUP, hangup)
    assert [int(line.split()[1], 16) for line in found.splitlines()] == [0, 0]


def test_too_much_memory_kills_and_the_host_survives(ground: Ground) -> None:
    limit = Resources(memory_bytes=16 * MIB)
    # Its buffer is touched as it is read into.
    assert ground.run("dd", "if=/dev/zero", "of=/dev/null", "bs=64M", "count=1", resources=limit).status == 137
    assert ground.run("dd", "if=/dev/zero", "of=/dev/null", "bs=4M", "count=1", resources=limit).status == 0
    assert ground.run("dd", "if=/dev/zero", "of=/dev/null", "bs=64M", "count=1").status == 0


def test_files_in_shared_memory_count_as_memory(ground: Ground) -> None:
    script = "dd if=/dev/zero of=/dev/shm/x bs=1M count=32 2>/dev/null || exit 9; exit 1"
    assert ground.shell(script, resources=Resources(memory_bytes=16 * MIB)).status in {9, 137}


@pytest.mark.slow
def test_a_fork_bomb_stays_below_the_limit_of_processes(ground: Ground) -> None:
    bomb = "b() { b & b & wait; }; (b) 2>/dev/null; sleep 1000"
    with ground.running("sh", "-c", bomb, resources=Resources(pids=20)) as (spec, _):
        group = f"{ground.hierarchy.mount('pids')}/{spec.cgroup}"
        refused = Path(group) / "pids.events"
        assert eventually(lambda: refused.read_text() != "max 0\n")
        until = time.monotonic() + 0.5
        while time.monotonic() < until:
            assert len(ground.cgroup(spec).pids()) <= 20
    assert ground.leftovers() == []


def test_limits_are_in_the_control_groups_and_processes_are_within(ground: Ground) -> None:
    limits = Resources(memory_bytes=32 * MIB, cpus=0.25, pids=7)
    with ground.running(resources=limits) as (spec, pid):
        mount = ground.hierarchy.mount
        names = {
            1: ("memory.limit_in_bytes", "cpu.cfs_quota_us", "pids.max"),
            2: ("memory.max", "cpu.max", "pids.max"),
        }[ground.hierarchy.version]
        found = [
            (Path(mount(controller)) / spec.cgroup / name).read_text().split()[0]
            for controller, name in zip(("memory", "cpu", "pids"), names, strict=True)
        ]
        assert found == [str(32 * MIB), "25000", "7"]
        assert ground.cgroup(spec).pids() == (pid,)
        assert ground.cgroup(spec).memory_bytes() > 0
        groups = Path(f"/proc/{pid}/cgroup").read_text()
        assert groups.count(f"/{spec.cgroup}\n") == len(ground.cgroup(spec).directories)


def test_a_quota_slows_down_what_computes(ground: Ground) -> None:
    with ground.running("sh", "-c", "while :; do :; done", resources=Resources(cpus=0.1)) as (spec, _):
        stat = Path(ground.hierarchy.mount("cpu")) / spec.cgroup / "cpu.stat"
        assert eventually(lambda: dict(line.split() for line in stat.read_text().splitlines())["nr_throttled"] != "0")


def test_plain_processes_have_a_root_of_their_own_and_no_box(ground: Ground, tmp_path: Path) -> None:
    process = Process(("sh", "-c", "readlink /proc/self/ns/mnt; pwd; ls /"), ("PATH=/bin",), uid=NOBODY, gid=NOBODY)
    with Launcher("test", None) as launcher:
        launcher.spawn("plain", ground.layers[0], process, tmp_path / "log")
        assert launcher.wait("plain", 10) == 0
        lines = (tmp_path / "log").read_text().splitlines()
        assert lines[-9:] == ["/", "bin", "dev", "etc", "proc", "root", "srv", "sys", "tmp"]
        assert not any(line.startswith("mnt:") for line in lines)  # the host's /proc is not in there


def test_what_a_plain_process_leaves_behind_ends_with_the_launcher(tmp_path: Path) -> None:
    script = "sh -c 'sleep 1000 & sleep 1000 & echo $!' & wait; exec true"
    process = Process(("/bin/sh", "-c", script), ("PATH=/usr/bin:/bin",))
    with Launcher("test", None) as launcher:
        launcher.spawn("parent", Path("/"), process, tmp_path / "log")
        assert launcher.wait("parent", 10) == 0
        launcher.remove("parent")
        children = Path(f"/proc/{launcher.pid}/task/{launcher.pid}/children")
        orphans = children.read_text().split()
        assert (tmp_path / "log").read_text().strip() in orphans
        assert len(orphans) == 2
    assert not any(Path(f"/proc/{pid}").exists() for pid in orphans)

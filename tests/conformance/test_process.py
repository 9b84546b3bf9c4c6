"""``process``: who it is, what it may, what it is given (config.md, "Process")."""

from __future__ import annotations

import ctypes
import os
import resource
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.conformance.terminal import Console
from tests.support.bundle import MARK

if TYPE_CHECKING:
    from tests.support.bundle import Bundle

SETS = {
    "bounding": "CapBnd",
    "effective": "CapEff",
    "inheritable": "CapInh",
    "permitted": "CapPrm",
    "ambient": "CapAmb",
}
BITS = {"CAP_CHOWN": 0, "CAP_KILL": 5, "CAP_NET_BIND_SERVICE": 10, "CAP_AUDIT_WRITE": 29}
LIMITS = {
    "RLIMIT_AS": "Max address space", "RLIMIT_CORE": "Max core file size", "RLIMIT_CPU": "Max cpu time",
    "RLIMIT_DATA": "Max data size", "RLIMIT_FSIZE": "Max file size", "RLIMIT_LOCKS": "Max file locks",
    "RLIMIT_MEMLOCK": "Max locked memory", "RLIMIT_MSGQUEUE": "Max msgqueue size", "RLIMIT_NICE": "Max nice priority",
    "RLIMIT_NOFILE": "Max open files", "RLIMIT_NPROC": "Max processes", "RLIMIT_RSS": "Max resident set",
    "RLIMIT_RTPRIO": "Max realtime priority", "RLIMIT_RTTIME": "Max realtime timeout",
    "RLIMIT_SIGPENDING": "Max pending signals", "RLIMIT_STACK": "Max stack size",
}  # fmt: skip
_KEYCTL, _JOIN_SESSION_KEYRING, _SETPERM, _POSSESSOR_ALL = 250, 1, 5, 0x3F000000


def status(box: Bundle, field: str, before: str = "") -> str:
    """A line of /proc/self/status of the container's process (proc_pid_status(5))."""
    return box.says(f"{before} grep ^{field}: /proc/self/status").partition(":")[2].strip()


def test_the_program_is_run_with_its_arguments(box: Bundle) -> None:
    done = box.run("printf", "%s|", "a b", "", "*", "$x", "é")
    assert done.stdout == "a b||*|$x|é|"


def test_a_name_without_a_slash_is_looked_up_in_the_path_of_the_environment(box: Bundle) -> None:
    (box.rootfs / "opt").mkdir()
    (box.rootfs / "opt/mine").write_text("#!/bin/sh\necho mine $0\n")
    (box.rootfs / "opt/mine").chmod(0o755)
    box.process["env"] = ["PATH=/nowhere:/opt:/bin"]
    assert box.run("mine").stdout == "mine /opt/mine\n"


def test_a_relative_name_with_a_slash_starts_at_the_working_directory(box: Bundle) -> None:
    box.process["cwd"] = "/bin"
    assert box.run("./echo", "ran").stdout == "ran\n"


@pytest.mark.parametrize("program", ["/no/such/program", "no-such-program", "/etc", "/etc/passwd", "/bin/sh/x", ""])
def test_a_program_that_cannot_be_executed_is_an_error(box: Bundle, program: str) -> None:
    done = box.run(program)
    assert done.returncode != 0
    assert done.stderr
    assert box.status(box.ids[-1]) == "gone"


@pytest.mark.parametrize("args", [[], None])
def test_something_has_to_be_executed(box: Bundle, args: list[str] | None) -> None:
    box.process["args"] = args
    name, code = box.try_create()
    assert code != 0
    assert box.status(name) == "gone"


def test_the_environment_is_that_of_the_file(box: Bundle) -> None:
    box.process["env"] = ["PATH=/bin", "A=1", "B=two words", "EMPTY=", "C=a=b"]
    lines = box.says(
        "cat /proc/self/environ | tr '\\0' '\\n'", env={**os.environ, "SECRET": "of the engine"}
    ).splitlines()
    assert set(lines) >= {"PATH=/bin", "A=1", "B=two words", "EMPTY=", "C=a=b"}
    assert not any(line.startswith("SECRET") for line in lines)


def test_the_working_directory_is_that_of_the_file(box: Bundle) -> None:
    box.process["cwd"] = "/var"
    assert box.says("pwd; readlink /proc/self/cwd").split() == ["/var", "/var"]


def test_a_working_directory_that_does_not_exist_is_made(box: Bundle) -> None:
    box.process["cwd"] = "/srv/deep/new"
    assert box.says("pwd") == "/srv/deep/new"


@pytest.mark.parametrize("cwd", ["relative", "", "./x"])
def test_a_working_directory_is_absolute(box: Bundle, cwd: str) -> None:
    box.process["cwd"] = cwd
    name, code = box.try_create()
    assert code != 0
    assert box.status(name) == "gone"


@pytest.mark.parametrize("cwd", ["/etc/passwd", "/proc/self/fd/7/../../../../.."])
def test_a_working_directory_is_a_directory_of_the_container(box: Bundle, cwd: str) -> None:
    box.process["cwd"] = cwd
    done = box.shell("pwd; ls /boot")
    assert done.returncode != 0


def test_the_user_and_groups_are_those_of_the_file(box: Bundle) -> None:
    box.process["user"] = {"uid": 1000, "gid": 1001, "additionalGids": [5, 70000]}
    assert status(box, "Uid") == "\t".join(["1000"] * 4)
    assert status(box, "Gid") == "\t".join(["1001"] * 4)
    assert status(box, "Groups") == "5 70000"


def test_a_process_has_no_groups_but_its_own(box: Bundle) -> None:
    assert status(box, "Groups") == ""


def test_a_user_can_enter_only_what_it_may(box: Bundle) -> None:
    box.process["user"] = {"uid": 1000, "gid": 1000}
    (box.rootfs / "root").chmod(0o700)
    assert box.says("ls /root 2>/dev/null || echo refused; touch /x 2>/dev/null || echo refused") == "refused\nrefused"


@pytest.mark.parametrize("umask", [0o077, 0, 0o777])
def test_the_umask_is_that_of_the_file(box: Bundle, umask: int) -> None:
    box.process["user"]["umask"] = umask
    assert int(box.says("umask"), 8) == umask


def test_the_umask_is_the_runtimes_when_it_is_not_given(box: Bundle) -> None:
    assert box.says("umask", preexec_fn=lambda: os.umask(0o027) and None) == "0027"


@pytest.mark.parametrize("kind", LIMITS)
def test_a_limit_is_set(box: Bundle, kind: str) -> None:
    hard = resource.getrlimit(getattr(resource, kind, resource.RLIMIT_CORE))[1]
    ceiling = (1 << 40) if hard == resource.RLIM_INFINITY else hard
    ceiling = 0 if kind in {"RLIMIT_NICE", "RLIMIT_RTPRIO"} else ceiling
    soft = ceiling - 1 if ceiling else 0
    box.process["rlimits"] = [{"type": kind, "soft": soft, "hard": ceiling}]
    line = box.says(f"grep '^{LIMITS[kind]} ' /proc/self/limits")
    assert line[len(LIMITS[kind]) :].split()[:2] == [str(soft), str(ceiling)]


def test_a_limit_may_be_infinite(box: Bundle) -> None:
    infinite = (1 << 64) - 1
    box.process["rlimits"] = [{"type": "RLIMIT_FSIZE", "soft": infinite, "hard": infinite}]
    assert box.says("grep 'Max file size' /proc/self/limits").split()[3:5] == ["unlimited", "unlimited"]


def test_a_limit_that_is_given_twice_is_an_error(box: Bundle) -> None:
    box.process["rlimits"] = [{"type": "RLIMIT_NOFILE", "soft": 10, "hard": 20}] * 2
    assert box.try_create()[1] != 0


@pytest.mark.parametrize("kind", ["RLIMIT_NONSENSE", "NOFILE", "", "rlimit_nofile"])
def test_a_limit_that_does_not_exist_is_an_error(box: Bundle, kind: str) -> None:
    box.process["rlimits"] = [{"type": kind, "soft": 10, "hard": 20}]
    assert box.try_create()[1] != 0


def bits(*names: str) -> str:
    return f"{sum(1 << BITS[name] for name in names):016x}"


def test_every_set_of_capabilities_is_that_of_the_file(box: Bundle) -> None:
    box.process["user"] = {"uid": 1000, "gid": 1000}
    box.process["capabilities"] = {
        "bounding": ["CAP_CHOWN", "CAP_KILL", "CAP_NET_BIND_SERVICE"],
        "permitted": ["CAP_KILL", "CAP_NET_BIND_SERVICE"],
        "inheritable": ["CAP_KILL", "CAP_NET_BIND_SERVICE"],
        "effective": ["CAP_KILL", "CAP_NET_BIND_SERVICE"],
        "ambient": ["CAP_KILL"],
    }
    got = {kind: status(box, field) for kind, field in SETS.items()}
    assert got == {
        "bounding": bits("CAP_CHOWN", "CAP_KILL", "CAP_NET_BIND_SERVICE"),
        # Whatever is not ambient is lost at execve(2) to who is not root.
        "permitted": bits("CAP_KILL"),
        "effective": bits("CAP_KILL"),
        "inheritable": bits("CAP_KILL", "CAP_NET_BIND_SERVICE"),
        "ambient": bits("CAP_KILL"),
    }


def test_root_has_the_capabilities_of_the_file(box: Bundle) -> None:
    kept = ["CAP_CHOWN", "CAP_AUDIT_WRITE"]
    box.process["capabilities"] = dict.fromkeys(("bounding", "permitted", "effective"), kept)
    got = [status(box, SETS[kind]) for kind in ("bounding", "permitted", "effective", "inheritable", "ambient")]
    assert got == [bits(*kept)] * 3 + [bits()] * 2


def test_no_capabilities_are_none(box: Bundle) -> None:
    box.process["capabilities"] = {}
    assert {status(box, field) for field in SETS.values()} == {bits()}


def test_capabilities_that_nobody_knows_are_warned_about(box: Bundle) -> None:
    for kind in ("bounding", "permitted", "effective"):
        box.process["capabilities"][kind] = ["CAP_CHOWN", "CAP_NONSENSE"]
    box.create()
    assert "CAP_NONSENSE" in box.complaints()
    assert "warning" in box.complaints()


def test_capabilities_that_cannot_be_granted_are_warned_about(box: Bundle) -> None:
    box.under = ("setpriv", "--bounding-set=-wake_alarm")
    for kind in ("bounding", "permitted", "effective"):
        box.process["capabilities"][kind] = ["CAP_CHOWN", "CAP_WAKE_ALARM"]
    box.create()
    assert "CAP_WAKE_ALARM" in box.complaints()
    assert "warning" in box.complaints()


@pytest.mark.parametrize("wanted", [True, False])
def test_new_privileges_are_refused_or_not(box: Bundle, wanted: bool) -> None:
    box.process["noNewPrivileges"] = wanted
    assert status(box, "NoNewPrivs") == str(int(wanted))


def test_the_oom_score_is_adjusted(box: Bundle) -> None:
    box.process["oomScoreAdj"] = 123
    assert box.says("cat /proc/self/oom_score_adj") == "123"


def test_the_oom_score_is_left_alone_when_it_is_not_given(box: Bundle) -> None:
    def adjust() -> None:
        Path("/proc/self/oom_score_adj").write_text("77")

    assert box.says("cat /proc/self/oom_score_adj", preexec_fn=adjust) == "77"


@pytest.mark.parametrize("score", [-1001, 1001])
def test_an_oom_score_that_is_none_is_an_error(box: Bundle, score: int) -> None:
    box.process["oomScoreAdj"] = score
    assert box.try_create()[1] != 0


# By number, in /proc/PID/stat: nice is the 19th field, the real-time priority the 40th, the policy the 41st.
@pytest.mark.parametrize(
    ("scheduler", "policy", "nice", "priority"),
    [
        ({"policy": "SCHED_OTHER", "nice": 7}, 0, 7, 0),
        ({"policy": "SCHED_BATCH", "nice": 5}, 3, 5, 0),
        ({"policy": "SCHED_IDLE"}, 5, 0, 0),
        ({"policy": "SCHED_FIFO", "priority": 3}, 1, 0, 3),
        ({"policy": "SCHED_RR", "priority": 4}, 2, 0, 4),
        ({"policy": "SCHED_FIFO", "priority": 3, "flags": ["SCHED_FLAG_RESET_ON_FORK"]}, 1, 0, 3),
        ({"policy": "SCHED_DEADLINE", "runtime": 1000000, "deadline": 100000000, "period": 100000000}, 6, 0, 0),
    ],
)
def test_the_scheduler_is_that_of_the_file(
    box: Bundle, scheduler: dict[str, object], policy: int, nice: int, priority: int
) -> None:
    box.process["scheduler"] = scheduler
    if policy in {1, 2} and Path("/sys/fs/cgroup/cpu/cpu.rt_runtime_us").exists():
        # A new group has no time for it where the kernel shares it out (CONFIG_RT_GROUP_SCHED).
        box.linux["cgroupsPath"] = f"/{MARK}realtime"
        box.linux["resources"]["cpu"] = {"realtimePeriod": 1000000, "realtimeRuntime": 1000}
    fields = box.run("cat", "/proc/self/stat").stdout.rpartition(")")[2].split()
    assert [int(fields[number - 3]) for number in (41, 19, 40)] == [policy, nice, priority]


def test_a_scheduler_that_the_kernel_refuses_is_an_error(box: Bundle) -> None:
    box.process["scheduler"] = {"policy": "SCHED_FIFO", "priority": 1000}
    assert box.shell("true").returncode != 0
    assert box.status(box.ids[-1]) == "gone"


@pytest.mark.parametrize(
    ("kind", "priority", "shown"),
    [
        ("IOPRIO_CLASS_BE", 6, "best-effort: prio 6"),
        ("IOPRIO_CLASS_IDLE", 7, "idle"),
        ("IOPRIO_CLASS_RT", 0, "realtime: prio 0"),
    ],
)
def test_the_priority_of_input_and_output_is_that_of_the_file(
    box: Bundle, kind: str, priority: int, shown: str
) -> None:
    box.process["ioPriority"] = {"class": kind, "priority": priority}
    assert box.says("ionice -p $$").startswith(shown)


def test_the_cpu_affinity_is_for_exec_alone(box: Bundle) -> None:
    box.process["execCPUAffinity"] = {"initial": "0", "final": "1"}
    name = box.started()
    assert Path(f"/proc/{box.pid(name)}/status").read_text().split("Cpus_allowed_list:")[1].split()[0] == "0-1"
    assert box.execute(name, "grep Cpus_allowed_list /proc/self/status").split()[1] == "1"


@pytest.mark.parametrize(
    ("domain", "machine"), [("LINUX32", {"i686", "i386", "armv8l"}), ("LINUX", {os.uname().machine})]
)
def test_the_personality_is_that_of_the_file(box: Bundle, domain: str, machine: set[str]) -> None:
    box.linux["personality"] = {"domain": domain}
    assert box.says("uname -m") in machine


@pytest.mark.needs("memory policies")
@pytest.mark.parametrize(
    ("policy", "shown"),
    [
        ({"mode": "MPOL_BIND", "nodes": "0"}, "bind:0"),
        ({"mode": "MPOL_INTERLEAVE", "nodes": "0"}, "interleave:0"),
        ({"mode": "MPOL_PREFERRED", "nodes": "0"}, "prefer:0"),
        ({"mode": "MPOL_LOCAL"}, "local"),
        ({"mode": "MPOL_BIND", "nodes": "0", "flags": ["MPOL_F_STATIC_NODES"]}, "bind=static:0"),
        ({"mode": "MPOL_DEFAULT"}, "default"),
    ],
    ids=str,
)
def test_the_memory_policy_is_that_of_the_file(box: Bundle, policy: dict[str, object], shown: str) -> None:
    box.linux["memoryPolicy"] = policy
    assert box.says("grep stack /proc/self/numa_maps").split()[1] == shown


@pytest.mark.parametrize(
    ("name", "value"), [("apparmorProfile", "no-such-profile"), ("selinuxLabel", "u:r:no_such_t:s0")]
)
def test_a_label_that_cannot_be_applied_is_an_error(box: Bundle, name: str, value: str) -> None:
    box.process[name] = value
    assert box.run("true").returncode != 0
    assert box.status(box.ids[-1]) == "gone"


def test_only_the_standard_streams_are_open(box: Bundle) -> None:
    reader, writer = os.pipe()
    assert box.says("ls /proc/self/fd", pass_fds=(reader, writer)).split() == ["0", "1", "2", "3"]  # 3 is ls's own
    os.close(reader)
    os.close(writer)


def _join_keyring() -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    ring = libc.syscall(_KEYCTL, _JOIN_SESSION_KEYRING, b"tare-test-session")
    assert libc.syscall(_KEYCTL, _SETPERM, ring, _POSSESSOR_ALL) == 0  # nobody else sees that it is there


@pytest.mark.parametrize(("options", "seen"), [((), False), (("--no-new-keyring",), True)])
def test_a_container_has_a_session_keyring_of_its_own(box: Bundle, options: tuple[str, ...], seen: bool) -> None:
    box.linux["maskedPaths"] = []
    said = box.says("cat /proc/keys", options=options, preexec_fn=_join_keyring)
    assert ("tare-test-session" in said) is seen


def test_a_terminal_comes_over_the_console_socket(box: Bundle) -> None:
    box.process["terminal"] = True
    with Console(box.directory) as console:
        box.started("sh", "-c", "tty; test -t 0 && test -t 1 && test -t 2 && echo all; read x; echo got $x",
                    options=console.options)  # fmt: skip
        said = console.read_until("all")
        assert said.replace("\r", "").split("\n")[:2] == ["/dev/pts/0", "all"]
        console.write("input\n")
        console.read_until("got input")


def test_a_terminal_has_its_size(box: Bundle) -> None:
    box.process.update(terminal=True, consoleSize={"height": 33, "width": 111})
    with Console(box.directory) as console:
        box.started("sh", "-c", "stty size; echo done", options=console.options)
        assert "33 111" in console.read_until("done")


def test_a_terminal_is_the_console(box: Bundle) -> None:
    box.process["terminal"] = True
    with Console(box.directory) as console:
        box.started(
            "sh", "-c", "test -c /dev/console && echo written > /dev/console; echo done", options=console.options
        )
        assert "written" in console.read_until("done")


def test_a_terminal_controls_the_session(box: Bundle) -> None:
    box.process["terminal"] = True
    with Console(box.directory) as console:
        box.started("sh", "-c", "trap 'echo interrupted; exit' INT; echo ready; while :; do sleep 0.05; done",
                    options=console.options)  # fmt: skip
        console.read_until("ready")
        console.write("\x03")
        console.read_until("interrupted")


def test_a_terminal_belongs_to_the_user(box: Bundle) -> None:
    box.process.update(terminal=True, user={"uid": 1000, "gid": 1000})
    with Console(box.directory) as console:
        box.started("sh", "-c", "stat -c %u $(tty); echo done", options=console.options)
        assert console.read_until("done").split()[0] == "1000"


def test_a_size_without_a_terminal_is_ignored(box: Bundle) -> None:
    box.process["consoleSize"] = {"height": 33, "width": 111}
    assert box.says("echo ran; test -t 0 || echo none") == "ran\nnone"


def test_a_terminal_needs_somewhere_to_go(box: Bundle) -> None:
    box.process["terminal"] = True
    name, code = box.try_create()
    assert code != 0
    assert box.status(name) == "gone"


def test_a_console_socket_without_a_terminal_is_an_error(box: Bundle) -> None:
    with Console(box.directory) as console:
        name, code = box.try_create(options=console.options)
    assert code != 0
    assert box.status(name) == "gone"


@pytest.mark.parametrize("socket", ["/no/such/socket", "/etc/passwd"])
def test_a_console_socket_that_is_none_is_an_error(box: Bundle, socket: str) -> None:
    box.process["terminal"] = True
    name, code = box.try_create(options=("--console-socket", socket))
    assert code != 0
    assert box.status(name) == "gone"

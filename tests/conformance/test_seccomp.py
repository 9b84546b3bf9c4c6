"""Seccomp: actions, comparisons, architectures, flags and the listener (config-linux.md, "Seccomp")."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import signal
import socket
import struct
import threading
import tomllib
from typing import TYPE_CHECKING, Any

import pytest

from tests.conformance.terminal import receive_descriptors
from tests.conftest import ROOT
from tests.support.elf import interrupt_program, syscall_program

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.bundle import Bundle, Json

_DUP, _GETPID, _GETPRIORITY = 32, 39, 140
_I386_GETPRIORITY = 96
_NO_FILE = errno.EBADF
REFUSED = 77  # an errno that none of these calls has otherwise


def program(box: Bundle, name: str, content: bytes) -> str:
    """Put an executable into the root."""
    path = box.rootfs / "bin" / name
    path.write_bytes(content)
    path.chmod(0o755)
    return f"/bin/{name}"


def getpriority(box: Bundle) -> str:
    """A program that makes a call of no effect, with 0 as its exit status when it is let through."""
    return program(box, "getpriority", syscall_program(_GETPRIORITY, 0, 0))


def dup(box: Bundle, number: int) -> str:
    """A program that fails with EBADF when it is let through."""
    return program(box, f"dup{number}", syscall_program(_DUP, number))


def profile(box: Bundle, *rules: Json, default: str = "SCMP_ACT_ALLOW", **more: Any) -> None:
    architectures = ["SCMP_ARCH_X86_64"]
    box.linux["seccomp"] = {"defaultAction": default, "architectures": architectures, "syscalls": list(rules)} | more


def rule(name: str, action: str = "SCMP_ACT_ERRNO", **more: Any) -> Json:
    return {"names": [name], "action": action, **more}


def compare(operator: str, value: int, *, index: int = 0, **more: int) -> Json:
    return {"index": index, "value": value, "op": f"SCMP_CMP_{operator}", **more}


def code(box: Bundle, program: str) -> int:
    """The program's exit status; the negative number of the signal that ended it."""
    status = box.says(f"{program}; echo $?").split()[-1]
    return int(status) if int(status) <= 128 else 128 - int(status)


def test_no_profile_is_no_filter(box: Bundle) -> None:
    assert box.says("grep ^Seccomp: /proc/self/status").split()[1] == "0"


def test_a_profile_is_a_filter(box: Bundle) -> None:
    profile(box, rule("getpriority"))
    assert box.says("grep ^Seccomp: /proc/self/status").split()[1] == "2"


@pytest.mark.parametrize(
    ("action", "expected"),
    [
        ("SCMP_ACT_ALLOW", 0),
        ("SCMP_ACT_LOG", 0),
        ("SCMP_ACT_ERRNO", errno.EPERM),
        ("SCMP_ACT_TRACE", errno.ENOSYS),  # by whom nobody traces (seccomp(2))
        ("SCMP_ACT_TRAP", -signal.SIGSYS),
        ("SCMP_ACT_KILL", -signal.SIGSYS),
        ("SCMP_ACT_KILL_THREAD", -signal.SIGSYS),
        ("SCMP_ACT_KILL_PROCESS", -signal.SIGSYS),
    ],
)
def test_an_action_is_taken(box: Bundle, action: str, expected: int) -> None:
    profile(box, rule("getpriority", action))
    assert code(box, getpriority(box)) == expected


def test_an_error_has_its_number(box: Bundle) -> None:
    profile(box, rule("getpriority", errnoRet=REFUSED))
    assert code(box, getpriority(box)) == REFUSED


def test_the_default_action_is_for_all_other_calls(box: Bundle) -> None:
    names = tomllib.loads((ROOT / "runtime/spec/seccomp.toml").read_text())["allow"].values()
    allowed = [name for group in names for name in group.split() if name not in {"getpriority", "setpriority"}]
    allowed += [
        "mount",
        "umount2",
        "setns",
        "unshare",
        "clone",
        "seccomp",
        "prctl",
        "capset",
        "ioctl",
        "clone3",
        "kill",
    ]
    profile(box, {"names": allowed, "action": "SCMP_ACT_ALLOW"}, default="SCMP_ACT_ERRNO", defaultErrnoRet=REFUSED)
    assert code(box, getpriority(box)) == REFUSED


def test_without_calls_all_are_as_by_default(box: Bundle) -> None:
    box.linux["seccomp"] = {"defaultAction": "SCMP_ACT_ALLOW"}
    assert code(box, getpriority(box)) == 0


@pytest.mark.parametrize(
    ("operator", "refused"),
    [("NE", {5, 15}), ("LT", {5}), ("LE", {5, 10}), ("EQ", {10}), ("GE", {10, 15}), ("GT", {15})],
)
def test_an_argument_is_compared(box: Bundle, operator: str, refused: set[int]) -> None:
    profile(box, rule("dup", errnoRet=REFUSED, args=[compare(operator, 10)]))
    script = "; ".join(f"{dup(box, number)}; echo $?" for number in (5, 10, 15))
    expected = [REFUSED if number in refused else _NO_FILE for number in (5, 10, 15)]
    assert list(map(int, box.says(script).split())) == expected


@pytest.mark.parametrize(("number", "expected"), [(0b1010, REFUSED), (0b1110, REFUSED), (0b1100, _NO_FILE)])
def test_an_argument_is_compared_under_a_mask(box: Bundle, number: int, expected: int) -> None:
    profile(box, rule("dup", errnoRet=REFUSED, args=[compare("MASKED_EQ", 0b1010, valueTwo=0b1010)]))
    assert code(box, dup(box, number)) == expected


@pytest.mark.parametrize(("operator", "expected"), [("EQ", {1 << 32: REFUSED, 0: 0}), ("GT", {1 << 33: REFUSED, 1: 0})])
def test_all_64_bits_of_an_argument_are_compared(box: Bundle, operator: str, expected: dict[int, int]) -> None:
    profile(box, rule("getpriority", errnoRet=REFUSED, args=[compare(operator, 1 << 32, index=5)]))
    for argument, wanted in expected.items():
        assert code(box, program(box, "big", syscall_program(_GETPRIORITY, 0, 0, 0, 0, 0, argument))) == wanted


@pytest.mark.parametrize(("arguments", "expected"), [((7, 8), REFUSED), ((7, 9), 0), ((6, 8), 0)])
def test_every_argument_of_a_rule_must_match(box: Bundle, arguments: tuple[int, int], expected: int) -> None:
    wanted = [compare("EQ", 7, index=3), compare("EQ", 8, index=4)]
    profile(box, rule("getpriority", errnoRet=REFUSED, args=wanted))
    assert code(box, program(box, "two", syscall_program(_GETPRIORITY, 0, 0, 0, *arguments))) == expected


@pytest.mark.parametrize(("number", "expected"), [(5, REFUSED), (15, REFUSED), (10, _NO_FILE)])
def test_any_of_several_rules_is_enough(box: Bundle, number: int, expected: int) -> None:
    rules = [rule("dup", errnoRet=REFUSED, args=[compare("EQ", value)]) for value in (5, 15)]
    profile(box, *rules)
    assert code(box, dup(box, number)) == expected


def test_a_call_that_nobody_knows_is_ignored(box: Bundle) -> None:
    profile(box, {"names": ["no_such_call", "getpriority"], "action": "SCMP_ACT_ERRNO"})
    assert code(box, getpriority(box)) == errno.EPERM


@pytest.mark.parametrize(("architectures", "expected"), [(["X86_64"], None), (["X86_64", "X86", "X32"], REFUSED)])
def test_a_filter_is_for_the_architectures_of_the_file(
    box: Bundle, architectures: list[str], expected: int | None
) -> None:
    profile(box, rule("getpriority", errnoRet=REFUSED), architectures=[f"SCMP_ARCH_{name}" for name in architectures])
    call = program(box, "getpriority32", interrupt_program(_I386_GETPRIORITY, 0, 0))
    got = code(box, call)
    # What comes by another architecture than those is killed.
    assert got == expected if expected is not None else got < 0
    assert code(box, getpriority(box)) == REFUSED


@pytest.mark.parametrize("flag", ["LOG", "SPEC_ALLOW", "TSYNC"])
def test_a_flag_is_accepted(box: Bundle, flag: str) -> None:
    profile(box, rule("getpriority"), flags=[f"SECCOMP_FILTER_FLAG_{flag}"])
    assert code(box, getpriority(box)) == errno.EPERM


def test_exec_is_filtered_too(box: Bundle) -> None:
    profile(box, rule("getpriority", errnoRet=REFUSED))
    path = getpriority(box)
    assert box.call("exec", box.started(), path).returncode == REFUSED


@pytest.mark.parametrize("no_new_privileges", [True, False])
def test_a_user_without_rights_is_filtered_too(box: Bundle, no_new_privileges: bool) -> None:
    box.process["user"] = {"uid": 1000, "gid": 1000}
    box.process["noNewPrivileges"] = no_new_privileges
    profile(box, rule("getpriority", errnoRet=REFUSED))
    assert code(box, getpriority(box)) == REFUSED


@pytest.mark.parametrize(
    "seccomp",
    [
        {"defaultAction": "SCMP_ACT_NONSENSE"},
        {"defaultAction": ""},
        {"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_NONSENSE"]},
        {"defaultAction": "SCMP_ACT_ALLOW", "flags": ["SECCOMP_FILTER_FLAG_NONSENSE"]},
        {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [rule("dup", "SCMP_ACT_NONSENSE")]},
        {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": [], "action": "SCMP_ACT_ERRNO"}]},
        {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [rule("dup", args=[compare("NONSENSE", 1)])]},
        {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [rule("dup", args=[compare("EQ", 1, index=6)])]},
        {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [rule("dup", "SCMP_ACT_KILL", errnoRet=5)]},
        {"defaultAction": "SCMP_ACT_KILL", "defaultErrnoRet": 5, "syscalls": [rule("dup", "SCMP_ACT_ALLOW")]},
        {"defaultAction": "SCMP_ACT_ALLOW", "listenerMetadata": "x"},
        {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [rule("dup", "SCMP_ACT_NOTIFY")]},
    ],
    ids=str,
)
def test_a_profile_that_makes_no_sense_is_an_error(box: Bundle, seccomp: Json) -> None:
    box.linux["seccomp"] = seccomp
    name, code = box.try_create()
    assert code != 0
    assert box.status(name) == "gone"


def test_a_listener_that_is_not_there_is_an_error_before_the_program_runs(box: Bundle) -> None:
    profile(box, rule("dup", "SCMP_ACT_NOTIFY"), listenerPath="/no/such/socket")
    name, code = box.try_create("touch", "/ran")
    assert code != 0 or box.call("start", name).returncode != 0
    assert not (box.rootfs / "ran").exists()
    assert box.status(name) in {"gone", "stopped"}


class Agent:
    """Whoever listens for notifications: takes one state, and answers one call with an errno."""

    _RECEIVE, _SEND = 0xC0502100, 0xC0182101  # seccomp_unotify(2), linux/seccomp.h

    def __init__(self, directory: Path) -> None:
        self.path = directory / "listener.sock"
        self.message = b""
        self.descriptors: list[int] = []
        self.was_closed = False
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(str(self.path))
        self._listener.listen()
        self._listener.settimeout(20)
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Returns when the runtime has closed its side, or has not for long."""
        self._listener.close() if self.message else self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join(40)
        self._listener.close()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            connection, _ = self._listener.accept()
            with connection:
                connection.settimeout(10)
                self.message, self.descriptors = receive_descriptors(connection)
                self._answer(self.descriptors[0])
                while more := connection.recv(65536):
                    self.message += more
                self.was_closed = True

    def _answer(self, descriptor: int) -> None:
        request = bytearray(80)
        fcntl.ioctl(descriptor, self._RECEIVE, request)
        (identifier,) = struct.unpack_from("=Q", request)
        fcntl.ioctl(descriptor, self._SEND, bytearray(struct.pack("=QqiI", identifier, 0, -REFUSED, 0)))
        os.close(descriptor)


@pytest.fixture
def agent(ground: Path) -> Iterator[Agent]:
    made = Agent(ground)
    yield made
    made.close()


def notified(box: Bundle, agent: Agent, **more: Any) -> None:
    profile(box, rule("getpriority", "SCMP_ACT_NOTIFY"), listenerPath=str(agent.path), **more)


def test_a_listener_decides_about_the_call(box: Bundle, agent: Agent) -> None:
    notified(box, agent)
    assert code(box, getpriority(box)) == REFUSED


def test_a_listener_gets_the_state_of_the_process_once(box: Bundle, agent: Agent) -> None:
    box.config["annotations"] = {"org.example.key": "value"}
    notified(box, agent, listenerMetadata="metadata of the agent")
    name = box.create(getpriority(box))
    pid = box.pid(name)
    box.ask("start", name)
    box.wait_for(name, "stopped")
    agent.close()
    assert agent.was_closed
    assert len(agent.descriptors) == 1
    state = json.loads(agent.message)
    assert state["fds"] == ["seccompFd"]
    assert state["metadata"] == "metadata of the agent"
    assert state["pid"] == pid
    assert state["ociVersion"]
    inner = state["state"]
    assert (inner["id"], inner["bundle"], inner["pid"]) == (name, str(box.directory), pid)
    assert inner["status"] in {"creating", "created", "running"}
    assert inner["annotations"]["org.example.key"] == "value"


def test_a_flag_of_the_listener_is_accepted(box: Bundle, agent: Agent) -> None:
    notified(box, agent, flags=["SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"])
    assert code(box, getpriority(box)) == REFUSED


def test_a_listener_that_is_not_used_is_ignored(box: Bundle) -> None:
    profile(box, rule("getpriority", errnoRet=REFUSED), listenerPath="/no/such/socket")
    assert code(box, getpriority(box)) == REFUSED

"""The kernel does what our filters say: natively, by the gate of 32-bit x86, with the x32 bit, and by a listener."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import json
import os
import signal
import socket
import struct
from typing import TYPE_CHECKING

import pytest

from runtime.linux import capabilities, seccomp
from runtime.linux.filter import compile_filter
from runtime.linux.program import Call, Vector
from runtime.linux.seccomp import CompiledFilter, Rule, Seccomp
from runtime.process import attributes, clone
from runtime.process.listener import ListenerError, send_listener
from runtime.spec.profile import default_profile
from tests.support.elf import compat_program, syscall_program

if TYPE_CHECKING:
    from pathlib import Path

if os.uname().machine != "x86_64":
    pytest.skip("cannot run here: the programs of these tests are x86-64", allow_module_level=True)

X32 = 0x40000000
NEWER = 900
AF_VSOCK, STREAM, SYS_SOCKET = 40, 1, 1
# Numbers of asm/unistd_64.h and asm/unistd_32.h.
NATIVE = {"getpid": 39, "unshare": 272, "clone3": 435, "socket": 41, "keyctl": 250}
COMPAT = {"getpid": 20, "unshare": 310, "clone3": 435, "socket": 359, "keyctl": 288, "socketcall": 102}


def run(program: bytes, compiled: CompiledFilter, directory: Path) -> int:
    """What becomes of the program behind the filter: its status, or the negative signal."""
    path = directory / "program"
    path.write_bytes(program)
    path.chmod(0o755)
    argument = os.fsencode(path)
    child = clone.spawn((
        *attributes.deny_new_privileges(wanted=True),
        *attributes.install_filter(compiled.program, compiled.flags),
        Call("execute the program", "execve", (argument, Vector((argument,)), Vector(()))),
    ))  # fmt: skip
    os.close(child.pidfd)
    return os.waitstatus_to_exitcode(os.waitpid(child.pid, 0)[1])


@pytest.fixture(scope="module")
def default() -> CompiledFilter:
    return compile_filter(default_profile(capabilities.DEFAULT))


@pytest.mark.parametrize(
    ("program", "status"),
    [
        (syscall_program(NATIVE["getpid"]), 0),
        (syscall_program(NATIVE["unshare"], 0x10000000), errno.EPERM),
        (syscall_program(NATIVE["keyctl"]), errno.EPERM),
        (syscall_program(NATIVE["clone3"]), errno.ENOSYS),
        (syscall_program(NATIVE["socket"], AF_VSOCK, STREAM), errno.EPERM),
        (syscall_program(NATIVE["socket"], AF_VSOCK | 1 << 32, STREAM), errno.EPERM),
        (syscall_program(NATIVE["socket"], socket.AF_UNIX, STREAM), 0),
        (syscall_program(NEWER), errno.ENOSYS),
        (compat_program(COMPAT["getpid"]), 0),
        (compat_program(COMPAT["unshare"], 0x10000000), errno.EPERM),
        (compat_program(COMPAT["keyctl"]), errno.EPERM),
        (compat_program(COMPAT["clone3"]), errno.ENOSYS),
        (compat_program(COMPAT["socket"], AF_VSOCK, STREAM), errno.EPERM),
        (compat_program(COMPAT["socket"], socket.AF_UNIX, STREAM), 0),
        (compat_program(COMPAT["socketcall"], SYS_SOCKET), errno.EPERM),
        (compat_program(NEWER), errno.ENOSYS),
        (syscall_program(X32 | NATIVE["unshare"], 0x10000000), errno.EPERM),
        (syscall_program(X32 | NEWER), errno.ENOSYS),
    ],
)
def test_the_default_profile(default: CompiledFilter, tmp_path: Path, program: bytes, status: int) -> None:
    assert run(program, default, tmp_path) == status


@pytest.mark.parametrize("program", [compat_program(COMPAT["getpid"]), syscall_program(X32 | NATIVE["getpid"])])
def test_an_architecture_that_is_not_listed_kills(tmp_path: Path, program: bytes) -> None:
    """With a rule that forbids nothing but what is done natively, the other gates must not stay open."""
    profile = Seccomp(seccomp.RET_ALLOW, (Rule(("unshare",), seccomp.RET_ERRNO | errno.EPERM),))
    assert run(syscall_program(NATIVE["getpid"]), compile_filter(profile), tmp_path) == 0
    assert run(program, compile_filter(profile), tmp_path) == -signal.SIGSYS


@pytest.mark.parametrize(
    ("action", "status"),
    [
        (seccomp.RET_KILL_PROCESS, -signal.SIGSYS),
        (seccomp.RET_KILL_THREAD, -signal.SIGSYS),
        (seccomp.RET_TRAP, -signal.SIGSYS),
        (seccomp.RET_ERRNO | 77, 77),
        (seccomp.RET_ERRNO, 0),
        (seccomp.RET_TRACE | 1, errno.ENOSYS),  # nobody traces
        (seccomp.RET_LOG, 0),
        (seccomp.RET_ALLOW, 0),
    ],
)
def test_every_action(tmp_path: Path, action: int, status: int) -> None:
    profile = Seccomp(seccomp.RET_ALLOW, (Rule(("getpid",), action),), flags=seccomp.FLAG_SPEC_ALLOW | seccomp.FLAG_LOG)
    assert run(syscall_program(NATIVE["getpid"]), compile_filter(profile), tmp_path) == status


NOTIF_RECV, NOTIF_SEND = 0xC0502100, 0xC0182101  # linux/seccomp.h
ANSWER = 4242


def test_a_listener_gets_the_descriptor_and_the_state(tmp_path: Path) -> None:
    path = str(tmp_path / "agent")
    profile = Seccomp(
        seccomp.RET_ALLOW,
        (Rule(("getppid",), seccomp.RET_USER_NOTIF),),
        flags=seccomp.FLAG_TSYNC | seccomp.FLAG_WAIT_KILLABLE_RECV,
        listener_path=path,
        listener_metadata="opaque",
    )
    state = {"ociVersion": "1.3.0", "id": "box", "status": "creating", "pid": 7, "bundle": "/b" * 4000}
    with socket.socket(socket.AF_UNIX) as agent:
        agent.bind(path)
        agent.listen()
        agent.settimeout(20)
        child = os.fork()
        if child == 0:
            os._exit(notified(profile, state))
        try:
            connection, _ = agent.accept()
            with connection:
                document, fd = received(connection)
            answer(fd)
            os.close(fd)
        finally:
            status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert status == 0
    assert document == {"ociVersion": "1.3.0", "fds": ["seccompFd"], "pid": 7, "metadata": "opaque", "state": state}


def notified(profile: Seccomp, state: dict[str, object]) -> int:
    """In a child: install the filter, hand on its listener, and make the call. 0 if the answer is the agent's."""
    compiled = compile_filter(profile)
    code = ctypes.create_string_buffer(compiled.program, len(compiled.program))
    fprog = ctypes.create_string_buffer(struct.pack("=H6xQ", len(compiled.program) // 8, ctypes.addressof(code)))
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(38, 1, 0, 0, 0)  # PR_SET_NO_NEW_PRIVS
    fd = libc.syscall(317, 1, compiled.flags, fprog)
    if fd < 0 or not compiled.listener:
        return ctypes.get_errno() or 1
    send_listener(profile, fd, 7, state)
    os.close(fd)
    return 0 if libc.syscall(110) == ANSWER else 2


def received(connection: socket.socket) -> tuple[object, int]:
    content, fds, _, _ = socket.recv_fds(connection, 1 << 16, 2)
    while more := connection.recv(1 << 16):
        content += more
    (fd,) = fds
    return json.loads(content), fd


def answer(fd: int) -> None:
    notification = bytearray(80)
    fcntl.ioctl(fd, NOTIF_RECV, notification)
    identity, _, _, number = struct.unpack_from("=QIIi", notification)
    assert number == 110
    fcntl.ioctl(fd, NOTIF_SEND, struct.pack("=QqiI", identity, ANSWER, 0, 0))


def test_nobody_to_listen_is_an_error(tmp_path: Path) -> None:
    path = str(tmp_path / "nobody")
    profile = Seccomp(seccomp.RET_ALLOW, (Rule(("getppid",), seccomp.RET_USER_NOTIF),), listener_path=path)
    with pytest.raises(ListenerError, match=f"^send the seccomp listener to {path}: no such file or directory$"):
        send_listener(profile, 0, 1, {})
    send_listener(Seccomp(seccomp.RET_ALLOW, listener_path=path), 0, 1, {})  # nothing notifies: the path is ignored

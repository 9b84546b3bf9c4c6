"""What a container's first process does between clone and execve: a table of small steps, in order.

It runs in a forked child of the launcher, in part after the root has changed to a hostile image. So everything that it
needs is imported before, and nothing here may import, open a library, or look up a name that is not already loaded.
"""

from __future__ import annotations

import os
import signal
import socket
import stat
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from runtime.linux import capabilities, constants, seccomp, syscalls

if TYPE_CHECKING:
    from collections.abc import Callable

    from runtime.process.messages import Spawn
    from runtime.rootfs.operations import Operation
    from runtime.spec.container import Network, Process

# linux/netlink.h: nlmsghdr is {u32 len, u16 type, u16 flags, u32 seq, u32 pid}; NLMSG_ERROR carries an int after it.
_NLMSG_ERROR = 2
# In ifinfomsg, ifaddrmsg and ndmsg alike the interface's index stands 4 bytes behind the header.
_INDEX_AT = 20
_DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True, slots=True)
class InitContext:
    """What the steps work on: made by the launcher before the clone."""

    process: Process
    hostname: str
    tasks_fds: tuple[int, ...]
    log_fd: int
    null_fd: int
    host_netlink: socket.socket | None
    network: Network | None
    rootfs: tuple[Operation, ...]
    bounding_set: int


def init(context: InitContext, at: Callable[[str], None]) -> None:
    """Take every step, then execute the container's process."""
    for name, step in INIT_STEPS:
        at(name)
        step(context, at)
    at(f"execute {context.process.argv[0]}")
    execute(context.process)


def _join_cgroup(context: InitContext, _at: Callable[[str], None]) -> None:
    for fd in context.tasks_fds:
        os.write(fd, b"0")
    # Only now, so that the namespace's root is the container's own group (cgroup_namespaces(7)).
    syscalls.unshare(constants.CLONE_NEWCGROUP)


def _configure_network(context: InitContext, _at: Callable[[str], None]) -> None:
    if context.network is None or context.host_netlink is None:
        return
    transact(context.host_netlink, context.network.host)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as netlink:
        index = struct.pack("=I", socket.if_nametoindex(context.network.link))
        transact(netlink, tuple(_with_index(request, index) for request in context.network.guest))


def _with_index(request: bytes, index: bytes) -> bytes:
    """The request with the link's index filled in, unless it already names one (lo is always 1)."""
    if request[_INDEX_AT : _INDEX_AT + 4] != b"\xff\xff\xff\xff":
        return request
    return request[:_INDEX_AT] + index + request[_INDEX_AT + 4 :]


def transact(netlink: socket.socket, requests: tuple[bytes, ...]) -> None:
    """Send requests that each ask for an acknowledgement; raises `OSError` at the first that is refused."""
    for request in requests:
        netlink.send(request)
        kind, error = struct.unpack_from("=4xH10xi", netlink.recv(65536))
        if kind == _NLMSG_ERROR and error:
            raise OSError(-error, os.strerror(-error))


def _set_hostname(context: InitContext, _at: Callable[[str], None]) -> None:
    socket.sethostname(context.hostname)


def _mount_rootfs(context: InitContext, at: Callable[[str], None]) -> None:
    for operation in context.rootfs:
        at(operation.describe())
        operation.execute()


def _connect_stdio(context: InitContext, _at: Callable[[str], None]) -> None:
    redirect(context.null_fd, context.log_fd, context.log_fd)


INIT_STEPS = (
    ("join the control group", _join_cgroup),
    ("configure the network", _configure_network),
    ("set the hostname", _set_hostname),
    ("mount the root", _mount_rootfs),
    ("connect standard input and output", _connect_stdio),
    ("drop privileges", lambda context, _at: confine(context.process, context.bounding_set)),
)


def chroot_and_execute(request: Spawn, null_fd: int, log_fd: int, bounding_set: int, at: Callable[[str], None]) -> None:
    """The same end without the box: a process of the host that only sees another root directory."""
    at(f"change the root to {request.root}")
    os.chroot(request.root)
    at("connect standard input and output")
    redirect(null_fd, log_fd, log_fd)
    at("drop privileges")
    confine(request.process, bounding_set)
    at(f"execute {request.process.argv[0]}")
    execute(request.process)


def redirect(stdin: int, stdout: int, stderr: int) -> None:
    """Make these the standard descriptors, of a new session; every other one closes at execve."""
    os.setsid()
    for number, fd in enumerate((stdin, stdout, stderr)):
        os.dup2(fd, number, inheritable=True)


def confine(process: Process, bounding_set: int) -> None:
    """Give up, for ever, all that the process is not meant to have."""
    os.umask(0o022)
    os.makedirs(process.cwd, exist_ok=True)
    os.chdir(process.cwd)
    keep = process.capabilities
    capabilities.limit_bounding_set(keep, bounding_set)
    os.setgroups(process.groups)
    os.setresgid(process.gid, process.gid, process.gid)
    os.setresuid(process.uid, process.uid, process.uid)
    if process.uid == 0:
        capabilities.set_caps(keep, keep, 0)
    if process.no_new_privs:
        syscalls.prctl(constants.PR_SET_NO_NEW_PRIVS, 1)
    if process.seccomp is not None:
        seccomp.install(process.seccomp)


def execute(process: Process) -> None:
    """execve(2), looking the program up along the process's own PATH; dispositions that Python changed are put back."""
    for number in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)
    # Every descriptor of ours is close-on-exec already; this holds also for one that somebody forgets.
    syscalls.close_range(3, syscalls.LAST_FD, constants.CLOSE_RANGE_CLOEXEC)
    environment = dict(entry.split("=", 1) for entry in process.env)
    program = _find(process.argv[0], environment.get("PATH", _DEFAULT_PATH))
    os.execve(program, process.argv, environment)  # noqa: S606 - to execute without a shell is the point


def _find(name: str, path: str) -> str:
    if "/" in name:
        return name
    for directory in path.split(":"):
        candidate = f"{directory}/{name}"
        if _is_program(candidate):
            return candidate
    raise FileNotFoundError(2, "not found in PATH")


def _is_program(path: str) -> bool:
    try:
        return stat.S_ISREG(os.stat(path).st_mode) and os.access(path, os.X_OK)
    except OSError:
        return False

"""What a container's first process does between clone and execve, planned as system calls in order.

The root changes to a hostile image half-way. That is why this is a plan and not a program: nothing is imported,
loaded, looked up or even interpreted in the child, so no file of the image can stand in for one of ours.
"""

from __future__ import annotations

import os
import signal
import socket
import struct
from functools import lru_cache

from runtime.linux import capabilities, constants, seccomp
from runtime.linux.program import ANY_ERRNO, At, Call, LengthOf, Memory, Slot, Vector
from runtime.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runtime.process.messages import Spawn
    from runtime.rootfs.operations import Operation
    from runtime.spec.container import Process

_EEXIST = 17
_AT_FDCWD = -100
_LAST_FD = 0xFFFFFFFF
_RLIMIT_NOFILE = 7  # asm-generic/resource.h
_DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

# linux/netlink.h: the error of a reply stands behind its header of 16 bytes. In ifinfomsg, ifaddrmsg and ndmsg alike
# the interface's index stands 4 bytes behind the header.
_REPLY_BYTES = 4096
_REPLY_ERROR_AT = 16
_INDEX_AT = 20
_UNKNOWN_INDEX = b"\xff\xff\xff\xff"

# linux/sockios.h and linux/if.h: struct ifreq is a name of 16 bytes and, for this request, an int.
_SIOCGIFINDEX = 0x8933
_IFREQ_BYTES = 40
_IFREQ_INDEX_AT = 16

# struct sigaction of the kernel, all zero: SIG_DFL, no flags, no restorer, an empty mask of 8 bytes.
_SIGACTION_DEFAULT = bytes(32)
_SIGSET_BYTES = 8


class Bounds(Value):
    """What no process of a launcher exceeds: a bit set of capabilities; the soft and the hard limit of open files.

    The launcher itself needs a descriptor for each container, and raises the soft one for that.
    """

    capabilities: int
    files: tuple[int, int]


class NetworkSlots(Value):
    """Where the requests for a container's network are; of each inside, whether it wants the index of ``link``.

    ``host_netlink`` is a route socket of the host's namespace, for the child to take along into its own.
    """

    link: str
    host_netlink: Call
    host: tuple[Slot, ...]
    guest: tuple[tuple[Slot, bool], ...]


class ReadyNetwork(Value):
    """A network namespace that was configured before; ``fd`` is its descriptor."""

    fd: int


class InitContext(Value):
    """What is made before the clone, and what the child is to be."""

    process: Process
    hostname: Slot
    tasks_fds: tuple[Call, ...]
    log_fd: Call
    null_fd: int
    network: NetworkSlots | ReadyNetwork | None
    rootfs: tuple[Operation, ...]
    bounds: Bounds


class EnterContext(Value):
    """A running container, by its first process, and what is to run beside that."""

    pidfd: int
    namespaces: int
    tasks_fds: tuple[int, ...]
    process: Process
    stdio: tuple[int, int, int]
    bounds: Bounds


def plan_init(context: InitContext) -> tuple[Call, ...]:
    """From the clone to the execve of the container's process."""
    return (
        *join_cgroup(context.tasks_fds),
        # Only now, so that the namespace's root is the container's own group (cgroup_namespaces(7)).
        Call("leave the control group namespace", "unshare", (constants.CLONE_NEWCGROUP,)),
        *plan_network(context.network),
        Call("set the hostname", "sethostname", (context.hostname, LengthOf(context.hostname))),
        Call("set the umask", "umask", (0,)),
        *(call for operation in context.rootfs for call in operation.calls()),
        *redirect(context.null_fd, context.log_fd, context.log_fd),
        *confine(context.process, context.bounds),
        *execute(context.process),
    )


def plan_chroot(request: Spawn, null_fd: int, log_fd: int, bounds: Bounds) -> tuple[Call, ...]:
    """The same end without the box: a process of the host that only sees another root directory."""
    return (
        Call(f"change the root to {request.root}", "chroot", (os.fsencode(request.root),)),
        Call("enter the root", "chdir", (b"/",)),
        *redirect(null_fd, log_fd, log_fd),
        *confine(request.process, bounds),
        *execute(request.process),
    )


def plan_enter(context: EnterContext) -> tuple[Call, ...]:
    """Join a running container and execute a further process there."""
    return (
        *join_cgroup(context.tasks_fds),
        Call("join the namespaces", "setns", (context.pidfd, context.namespaces)),
        *redirect(*context.stdio),
        *confine(context.process, context.bounds),
        *execute(context.process),
    )


def join_cgroup(tasks_fds: tuple[int, ...] | tuple[Call, ...]) -> tuple[Call, ...]:
    """Write 0, which is whoever writes."""
    return tuple(Call("join the control group", "write", (fd, b"0", 1)) for fd in tasks_fds)


def plan_network(network: NetworkSlots | ReadyNetwork | None) -> tuple[Call, ...]:
    """Enter the namespace that is ready, or configure the caller's own, which is new."""
    if network is None:
        return ()
    if isinstance(network, ReadyNetwork):
        return (Call("enter the network namespace", "setns", (network.fd, constants.CLONE_NEWNET)),)
    reply = Memory(bytes(_REPLY_BYTES))
    host = network.host_netlink
    calls = [call for slot in network.host for call in _request("configure the link", host, slot, reply)]
    netlink = open_socket()
    ifreq = Memory(network.link.encode().ljust(_IFREQ_BYTES, b"\0"))
    calls += [netlink, Call(f"find link {network.link}", "ioctl", (netlink, _SIOCGIFINDEX, ifreq))]
    for slot, wanted in network.guest:
        if wanted:
            calls.append(Call("name the link", "copy", (At(slot, _INDEX_AT), At(ifreq, _IFREQ_INDEX_AT), 4)))
        calls += _request("configure the network", netlink, slot, reply)
    # It would keep the namespace alive in whoever shares our descriptors.
    return (*calls, Call("close", "close", (netlink,)))


def wants_index(request: bytes) -> bool:
    """Whether the interface's index has still to be put into a request."""
    return request[_INDEX_AT : _INDEX_AT + len(_UNKNOWN_INDEX)] == _UNKNOWN_INDEX


def open_socket() -> Call:
    """A route socket of the caller's network namespace."""
    return Call("open a socket", "socket", (socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 0))


def _request(what: str, netlink: Call, request: Slot, reply: Memory) -> tuple[Call, ...]:
    """Send one request that asks for an acknowledgement, and fail with its error."""
    return (
        Call(what, "sendto", (netlink, request, LengthOf(request))),
        Call(what, "recvfrom", (netlink, reply, _REPLY_BYTES)),
        Call(what, "check", (At(reply, _REPLY_ERROR_AT),)),
    )


def redirect(stdin: int | Call, stdout: int | Call, stderr: int | Call) -> tuple[Call, ...]:
    """Make these the standard descriptors, of a new session, and close every other one.

    At once, not at execve: a working directory of the image's choice must not lead through /proc/self/fd to one that is
    the host's (CVE-2024-21626), such as the control group that a child is born in.
    """
    what = "connect standard input and output"
    return (
        Call(what, "setsid"),
        *(Call(what, "dup3", (fd, number, 0)) for number, fd in enumerate((stdin, stdout, stderr))),
        Call(what, "close_range", (3, _LAST_FD, 0)),
    )


@lru_cache(maxsize=64)
def confine(process: Process, bounds: Bounds) -> tuple[Call, ...]:
    """Give up, for ever, all that the process is not meant to have."""
    keep = process.capabilities
    what = "drop privileges"
    return (
        Call(what, "umask", (0o022,)),
        Call(what, "prlimit64", (0, _RLIMIT_NOFILE, struct.pack("=2Q", *bounds.files), 0)),
        *_enter_directory(process.cwd),
        *(
            Call(what, "prctl", (constants.PR_CAPBSET_DROP, cap))
            for cap in capabilities.members(bounds.capabilities & ~keep)
        ),
        Call(what, "setgroups", (len(process.groups), struct.pack(f"={len(process.groups)}I", *process.groups))),
        Call(what, "setresgid", (process.gid,) * 3),
        Call(what, "setresuid", (process.uid,) * 3),
        *_set_capabilities(keep & bounds.capabilities if process.uid == 0 else 0),
        *((Call(what, "prctl", (constants.PR_SET_NO_NEW_PRIVS, 1)),) if process.no_new_privs else ()),
        *_filter(process.seccomp),
    )


def _enter_directory(path: str) -> tuple[Call, ...]:
    """A working directory that the image lacks is made, as Docker does."""
    parts = path.strip("/").split("/")
    parents = ["/" + "/".join(parts[: depth + 1]) for depth in range(len(parts))]
    return (
        *(Call(f"make {path}", "mkdirat", (_AT_FDCWD, os.fsencode(parent), 0o755), (_EEXIST,)) for parent in parents),
        Call(f"enter {path}", "chdir", (os.fsencode(path),)),
    )


def _set_capabilities(keep: int) -> tuple[Call, ...]:
    header, data = capabilities.capset_arguments(keep, keep, 0)
    return (
        Call("set capabilities", "capset", (header, data)),
        Call("clear ambient capabilities", "prctl", (constants.PR_CAP_AMBIENT, constants.PR_CAP_AMBIENT_CLEAR_ALL)),
    )


def _filter(program: bytes | None) -> tuple[Call, ...]:
    if program is None:
        return ()
    arguments = (constants.PR_SET_SECCOMP, constants.SECCOMP_MODE_FILTER, seccomp.sock_fprog(program))
    return (Call("install the seccomp filter", "prctl", arguments),)


@lru_cache(maxsize=64)
def execute(process: Process) -> tuple[Call, ...]:
    """execve(2), tried along the process's own PATH; the signals that Python ignores are given back."""
    environment = tuple(os.fsencode(entry) for entry in process.env)
    argv = Vector(tuple(os.fsencode(argument) for argument in process.argv))
    envp = Vector(environment)
    programs = _candidates(process.argv[0], process.env)
    what = f"execute {process.argv[0]}"
    return (
        *(
            Call(what, "rt_sigaction", (number, _SIGACTION_DEFAULT, 0, _SIGSET_BYTES))
            for number in (signal.SIGPIPE, signal.SIGXFSZ)
        ),
        *(Call(what, "execve", (program, argv, envp), ANY_ERRNO) for program in programs[:-1]),
        Call(what, "execve", (programs[-1], argv, envp)),
    )


def _candidates(name: str, env: tuple[str, ...]) -> tuple[bytes, ...]:
    if "/" in name:
        return (os.fsencode(name),)
    path = next((entry[5:] for entry in env if entry.startswith("PATH=")), _DEFAULT_PATH)
    return tuple(os.fsencode(f"{directory}/{name}") for directory in path.split(":"))

"""What the first and every further process of a container have in common: how they begin, wait, and execute at last."""

from __future__ import annotations

import os

from runtime.linux import constants
from runtime.linux.program import ANY_ERRNO, Call, Memory
from runtime.process import attributes
from runtime.process.program import plan_execute
from runtime.process.standalone import close_all_but, event
from runtime.process.terminal import plan_terminal
from runtime.rootfs.attach import new_filesystem
from runtime.rootfs.inside import close, open_inside
from runtime.spec.execution import Capabilities
from runtime.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runtime.linux.program import Argument
    from runtime.linux.seccomp import CompiledFilter
    from runtime.spec.execution import OciProcess

HOOKS, CREATED = 1, 2
"""What such a process reports, and then waits to be told to go on."""

WAIT = "wait to be started"

_FIRST_FREE = 3
_F_SETFD, _FD_CLOEXEC = 2, 1


class Label(Value):
    """What is written to a file of /proc/self/attr for the next execve: a security module's label."""

    file: str
    content: str


class Payload(Value):
    """The process, and the descriptors by which it is spoken to: inheritable, with the same numbers in the child.

    Of ``owned_streams``, which are none of the host's devices, the process becomes the owner.
    """

    process: OciProcess
    status_fd: int
    start_fd: int
    bounding_set: int
    console_fd: int | None = None
    filter: CompiledFilter | None = None
    labels: tuple[Label, ...] = ()
    preserved_fds: int = 0
    owned_streams: tuple[int, ...] = ()

    @property
    def umask(self) -> int:
        """The process's own, or else that of whoever called the runtime ("User" in config.md)."""
        if self.process.user.umask is not None:
            return self.process.user.umask
        mask = os.umask(0)
        os.umask(mask)
        return mask

    @property
    def listener_fd(self) -> int:
        """The number that the kernel gives the descriptor of seccomp notifications: the lowest that is free."""
        taken = {self.status_fd, self.start_fd}
        return next(fd for fd in range(_FIRST_FREE + self.preserved_fds, max(taken) + 2) if fd not in taken)


def plan_begin(payload: Payload) -> tuple[Call, ...]:
    """The two descriptors go at execve at the latest; until then nobody of the same rights may look or trace.

    Such as whoever is in the container already, between the loss of rights and the filter (prctl(2), PR_SET_DUMPABLE).
    """
    own = (payload.status_fd, payload.start_fd)
    return (
        *(Call("close on exec", "fcntl", (fd, _F_SETFD, _FD_CLOEXEC)) for fd in own),
        Call("be traced by nobody", "prctl", (constants.PR_SET_DUMPABLE, 0)),
    )


def start_session() -> tuple[Call, ...]:
    """setsid(2): a terminal can be made its own only by the leader."""
    return (Call("start a session", "setsid"),)


def plan_streams(payload: Payload, root: Argument, *, console: bool) -> tuple[Call, ...]:
    """A terminal where one was asked for; or else the runtime's own streams, given to the user."""
    process = payload.process
    if payload.console_fd is None:
        return attributes.own_streams(process.user, payload.owned_streams)
    return plan_terminal(root, payload.console_fd, process.user.uid, process.console_size, console=console)


def close_others(payload: Payload) -> tuple[Call, ...]:
    """From here on no descriptor leads anywhere (CVE-2024-21626), nor holds open what the caller waits for."""
    keep = (payload.status_fd, payload.start_fd)
    return close_all_but(keep, _FIRST_FREE + payload.preserved_fds)


def plan_priorities(process: OciProcess) -> tuple[Call, ...]:
    """For the processor and for disks."""
    return (*attributes.schedule(process.scheduler), *attributes.prioritize_io(process.io_priority))


def rendezvous(payload: Payload, number: int) -> tuple[Call, ...]:
    """Say how far it is, and go on when told."""
    return (event(number, payload.status_fd), Call(WAIT, "read", (payload.start_fd, Memory(bytes(8)), 1)))


def label_files(labels: tuple[Label, ...]) -> tuple[tuple[str, str, str], ...]:
    """What is written, where, for `write_to_procfs`."""
    return tuple((f"process: label it {label.content}", f"self/attr/{label.file}", label.content) for label in labels)


def write_to_procfs(files: tuple[tuple[str, str, str], ...]) -> tuple[Call, ...]:
    """Each (what for, path, content), by a procfs attached nowhere: no mount leads it astray (CVE-2025-52881)."""
    if not files:
        return ()
    proc = new_filesystem("open a procfs", "proc", "proc", (), 0)
    written = (call for what, path, text in files for call in _write(what, proc[-1], path, text))
    return (*proc, *written, close(proc[-1]))


def _write(what: str, proc: Call, path: str, text: str) -> tuple[Call, ...]:
    opened = open_inside(what, proc, path, flags=os.O_WRONLY | os.O_CLOEXEC)
    content = Memory(os.fsencode(text))
    return (opened, Call(what, "write", (opened, content, len(content.content))), close(opened))


def plan_end(payload: Payload) -> tuple[Call, ...]:
    """Give up what the process is not meant to have, and execute it; without new privileges the filter may be last."""
    process = payload.process
    late = process.no_new_privileges
    return (
        *_enter_directory(process.cwd),
        *(() if late else _filter(payload)),
        *attributes.become(process.user, process.capabilities or Capabilities(), payload.bounding_set),
        *attributes.deny_new_privileges(wanted=late),
        Call("process.user.umask: set it", "umask", (payload.umask,)),
        *(_filter(payload) if late else ()),
        *plan_execute(process.args, process.env),
    )


def _enter_directory(path: str) -> tuple[Call, ...]:
    """Not through a link of procfs: one of a process of the host's leads out of the root (CVE-2024-21626)."""
    what = f"process.cwd: enter {path}"
    root = Call(what, "openat", (constants.AT_FDCWD, b"/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC, 0))
    target = open_inside(what, root, path)
    return (root, target, Call(what, "fchdir", (target,)), close(target), close(root))


def _filter(payload: Payload) -> tuple[Call, ...]:
    if payload.filter is None:
        return ()
    installed = attributes.install_filter(payload.filter.program, payload.filter.flags)
    # The filter may refuse to wait; whoever listens fetches the descriptor in any case.
    wait = Call("wait for the listener", "read", (payload.start_fd, Memory(bytes(8)), 1), ANY_ERRNO)
    return (*installed, wait) if payload.filter.listener else installed

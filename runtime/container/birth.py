"""Where the first process is born: new namespaces, and namespaces that are joined by path.

A user namespace has to be there, with its mappings, before anything that it is to own; and who joins a time namespace
moves only children yet to be born. Then a midwife, a child of ours, goes there and has the process as our child
(CLONE_PARENT). Into a pid namespace that is joined the process goes without any of ours (`runtime.process.delivery`).
"""

from __future__ import annotations

import fcntl
import os
import struct

from runtime.container.errors import ContainerError
from runtime.linux import constants as c
from runtime.linux import syscalls
from runtime.process.standalone import bear
from runtime.process.user_namespace import write_mappings
from runtime.spec.reader import SpecError, show
from runtime.unwinding import ExitStack, suppress
from runtime.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

    from runtime.cgroups.entrance import Entrance
    from runtime.process.delivery import Delivery
    from runtime.process.standalone import Prepared
    from runtime.spec.linux import Linux

FLAGS = {
    "pid": c.CLONE_NEWPID, "network": c.CLONE_NEWNET, "mount": c.CLONE_NEWNS, "ipc": c.CLONE_NEWIPC,
    "uts": c.CLONE_NEWUTS, "user": c.CLONE_NEWUSER, "cgroup": c.CLONE_NEWCGROUP, "time": c.CLONE_NEWTIME,
}  # fmt: skip
_BORN_INTO = ("pid", "network", "mount", "ipc", "uts")
_MIDWIFE_JOINS = ("user", "time")
_REPLY = struct.Struct("=i")


class Namespaces(Value):
    """What is new, and descriptors of what is joined, by type."""

    linux: Linux
    joined: dict[str, int]

    def is_new(self, kind: str) -> bool:
        """Whether one of this type is to be made."""
        return self.linux.namespace(kind) is not None and kind not in self.joined

    @property
    def flags(self) -> int:
        """Of clone(2)."""
        return sum(FLAGS[kind] for kind in _BORN_INTO if self.is_new(kind))

    @property
    def needs_midwife(self) -> bool:
        """Whether somebody has to go ahead."""
        return any(self.linux.namespace(kind) for kind in _MIDWIFE_JOINS)

    @property
    def joined_by_process(self) -> tuple[tuple[str, int], ...]:
        """What the first process joins itself."""
        return tuple((kind, fd) for kind, fd in self.joined.items() if kind not in {*_MIDWIFE_JOINS, "pid"})


def open_namespaces(stack: ExitStack, linux: Linux) -> Namespaces:
    """Open those that are given by path; raises `SpecError` for a path that is none of that type."""
    joined = {}
    for index, namespace in enumerate(linux.namespaces):
        if namespace.path is not None:
            where = f"linux.namespaces[{index}].path"
            joined[namespace.type] = _open(stack, where, namespace.path, FLAGS[namespace.type])
    if "user" in joined or linux.namespace("user") is None:
        return Namespaces(linux, joined)
    for name, mappings in (("uidMappings", linux.uid_mappings), ("gidMappings", linux.gid_mappings)):
        if not any(mapping.container_id == 0 for mapping in mappings):
            raise SpecError(f"linux.{name}", "has no entry for the container's root, id 0")
    return Namespaces(linux, joined)


def _open(stack: ExitStack, where: str, path: str, flag: int) -> int:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise SpecError(where, f"open {show(path)}: {os.strerror(error.errno or 0).lower()}") from error
    stack.callback(os.close, fd)
    try:
        kind = fcntl.ioctl(fd, c.NS_GET_NSTYPE)
    except OSError:
        kind = 0
    if kind != flag:
        raise SpecError(where, f"{show(path)} is no namespace of this type")
    os.set_inheritable(fd, True)  # noqa: FBT003 - the standard library's own
    return fd


def give_birth(
    prepared: Prepared, namespaces: Namespaces, entrance: Entrance, delivery: Delivery | None
) -> tuple[int, int]:
    """The first process: its pid, and a pidfd. ``delivery`` is among its calls. Raises `ContainerError`."""
    try:
        if namespaces.needs_midwife:
            return _by_midwife(prepared, namespaces, entrance, delivery)
        return bear(prepared, namespaces.flags, entrance.directory, delivery)
    except OSError as error:
        raise ContainerError(f"start the first process: {os.strerror(error.errno or 0).lower()}") from error


def _by_midwife(
    prepared: Prepared, namespaces: Namespaces, entrance: Entrance, delivery: Delivery | None
) -> tuple[int, int]:
    (ours_in, theirs_out), (theirs_in, ours_out) = os.pipe(), os.pipe()
    midwife = os.fork()
    if midwife == 0:
        os.close(ours_in)
        os.close(ours_out)
        _assist(prepared, namespaces, entrance, (theirs_in, theirs_out), delivery)
    try:
        os.close(theirs_in)
        os.close(theirs_out)
        if namespaces.is_new("user"):
            _hear(ours_in)
            write_mappings(midwife, namespaces.linux.uid_mappings, namespaces.linux.gid_mappings)
            os.write(ours_out, b"\0")
        pid = _hear(ours_in)
        return pid, os.pidfd_open(pid)
    finally:
        os.close(ours_in)
        os.close(ours_out)
        os.waitpid(midwife, 0)


def _hear(fd: int) -> int:
    """A number that is not negative; a negative one is an errno."""
    (number,) = _REPLY.unpack(os.read(fd, _REPLY.size).ljust(_REPLY.size, b"\xff"))
    if number < 0:
        raise OSError(-number, os.strerror(-number))
    return int(number)


def _assist(
    prepared: Prepared, namespaces: Namespaces, entrance: Entrance, pipes: tuple[int, int], delivery: Delivery | None
) -> NoReturn:
    """The midwife's life. She enters the group too, because from within a user namespace nobody is moved into it."""
    with suppress(BaseException):
        try:
            _enter_group(entrance)
            _go_there(namespaces, pipes)
            pid, _ = bear(prepared, namespaces.flags | c.CLONE_PARENT, None, delivery)
            os.write(pipes[1], _REPLY.pack(pid))
        except OSError as error:
            os.write(pipes[1], _REPLY.pack(-(error.errno or 1)))
    os._exit(0)


def _enter_group(entrance: Entrance) -> None:
    """On both versions: to be born in one (CLONE_INTO_CGROUP) asks for the right to write to it too."""
    for fd in entrance.tasks:
        os.write(fd, b"0")
    if entrance.directory is not None:
        procs = os.open("cgroup.procs", os.O_WRONLY | os.O_CLOEXEC, dir_fd=entrance.directory)
        try:
            os.write(procs, b"0")
        finally:
            os.close(procs)


def _go_there(namespaces: Namespaces, pipes: tuple[int, int]) -> None:
    """The user namespace first: it gives the rights to join and make the others."""
    if namespaces.is_new("user"):
        syscalls.unshare(c.CLONE_NEWUSER)
        os.write(pipes[1], _REPLY.pack(0))
        os.read(pipes[0], 1)
    for kind in _MIDWIFE_JOINS:
        if kind in namespaces.joined:
            syscalls.setns(namespaces.joined[kind], FLAGS[kind])
    if namespaces.linux.namespace("user") is not None:
        _become_root()
    if namespaces.is_new("time"):
        syscalls.unshare(c.CLONE_NEWTIME)
        offsets = "".join(f"{o.clock} {o.secs} {o.nanosecs}\n" for o in namespaces.linux.time_offsets)
        if offsets:
            with open("/proc/self/timens_offsets", "w", encoding="ascii") as file:
                file.write(offsets)


def _become_root() -> None:
    """Of the namespace: only root keeps its capabilities through an execve (capabilities(7))."""
    with suppress(PermissionError):  # where an unprivileged user made it (user_namespaces(7))
        os.setgroups(())
    os.setresgid(0, 0, 0)
    os.setresuid(0, 0, 0)


def pid_inside(pid: int) -> int:
    """Of the same process, in its own pid namespace (proc_pid_status(5), NSpid)."""
    with open(f"/proc/{pid}/status", encoding="utf-8") as file:
        (line,) = (line for line in file if line.startswith("NSpid:"))
    return int(line.split()[-1])

"""User namespaces: writing their mappings, and making one that only mounts are mapped by (user_namespaces(7))."""

from __future__ import annotations

import os

from runtime.linux import constants, signals, syscalls
from runtime.unwinding import suppress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runtime.spec.namespaces import IdMapping


def write_mappings(pid: int, uids: tuple[IdMapping, ...], gids: tuple[IdMapping, ...]) -> None:
    """Map the ids of the namespace that a process has just made; raises `OSError`.

    Who is not root may map his own ids only, or asks newuidmap(1), which looks them up in /etc/subuid.
    """
    if os.geteuid() != 0 and (_is_more_than_own(uids) or _is_more_than_own(gids)):
        _ask_for(pid, "newuidmap", uids)
        _ask_for(pid, "newgidmap", gids)
        return
    if os.geteuid() != 0:
        _write(f"/proc/{pid}/setgroups", "deny")
    _write(f"/proc/{pid}/uid_map", _lines(uids))
    _write(f"/proc/{pid}/gid_map", _lines(gids))


def _is_more_than_own(mappings: tuple[IdMapping, ...]) -> bool:
    return len(mappings) > 1 or any(mapping.size > 1 for mapping in mappings)


def _lines(mappings: tuple[IdMapping, ...]) -> str:
    return "".join(f"{mapping.container_id} {mapping.host_id} {mapping.size}\n" for mapping in mappings)


def _write(path: str, content: str) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(fd, content.encode())  # the kernel wants it in one piece
    finally:
        os.close(fd)


def _ask_for(pid: int, program: str, mappings: tuple[IdMapping, ...]) -> None:
    import subprocess

    numbers = [str(number) for m in mappings for number in (m.container_id, m.host_id, m.size)]
    done = subprocess.run((program, str(pid), *numbers), capture_output=True, text=True, check=False)
    if done.returncode:
        raise OSError(1, " ".join(done.stderr.split()) or f"{program} failed")


def mapped_user_namespace(uids: tuple[IdMapping, ...], gids: tuple[IdMapping, ...]) -> int:
    """A descriptor of a new namespace with these mappings, in which no process is; raises `OSError`."""
    here, there = os.pipe()
    pid = os.fork()
    if pid == 0:
        _hold_namespace(there)
    os.close(there)
    try:
        failed = os.read(here, 1)
        if failed != b"\0":
            raise OSError(failed[0] if failed else 1, "make a user namespace")
        write_mappings(pid, uids, gids)
        return os.open(f"/proc/{pid}/ns/user", os.O_RDONLY | os.O_CLOEXEC)
    finally:
        os.close(here)
        os.kill(pid, signals.SIGKILL)
        os.waitpid(pid, 0)


def _hold_namespace(status: int) -> None:
    """What the child does, until it is killed: be in the namespace."""
    number = 0
    try:
        syscalls.unshare(constants.CLONE_NEWUSER)
    except OSError as error:
        number = error.errno or 1
    with suppress(OSError):
        os.write(status, bytes((number,)))
    while True:
        signals.pause()

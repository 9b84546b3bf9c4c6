"""Reach a path inside a root that may be hostile: every name is looked up by openat2(2) with RESOLVE_IN_ROOT.

The root is a descriptor. Symlinks, absolute ones too, lead nowhere but into it, and so does "..". What was looked up
once is used by descriptor and never by its name again: nobody can swap it in between (CVE-2021-30465).
"""

from __future__ import annotations

import os
import stat
import struct

from runtime.linux import constants as c
from runtime.linux.openat2 import RESOLVE_IN_ROOT, RESOLVE_NO_MAGICLINKS, RESOLVE_NO_SYMLINKS
from runtime.linux.program import Call, Memory

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runtime.linux.program import AnyErrno, Argument

_OPEN_HOW = struct.Struct("=3Q")
_HERE = os.O_PATH | os.O_CLOEXEC


def parts_of(path: str) -> tuple[str, ...]:
    """The names in an absolute path, ".." resolved as text: it must not lead above the root."""
    names: list[str] = []
    for name in path.split("/"):
        if name == "..":
            del names[-1:]
        elif name not in {"", "."}:
            names.append(name)
    return tuple(names)


def open_inside(  # noqa: PLR0913 - as openat2(2) has it
    what: str, root: Argument, path: str, *, flags: int = _HERE, resolve: int = 0,
    allowed: tuple[int, ...] | AnyErrno = (), otherwise: int = 0,
) -> Call:  # fmt: skip
    """openat2(2) of an absolute path, which begins at ``root``; ``otherwise`` calls are left out after ``allowed``."""
    how = Memory(_OPEN_HOW.pack(flags | os.O_CLOEXEC, 0, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS | resolve))
    name = "/".join(parts_of(path)) or "."
    arguments = (root, os.fsencode(name), how, _OPEN_HOW.size)
    return Call(what, "openat2", arguments, allowed, otherwise=otherwise)


def make_inside(
    what: str, root: Argument, path: str, *, directory: bool = True, strict: bool = False
) -> tuple[Call, ...]:
    """Make what is missing of a path, and open it: the last call is the descriptor.

    The last part is a directory or an empty file. ``strict`` refuses a symlink anywhere on the way.
    """
    parts = parts_of(path)
    resolve = RESOLVE_NO_SYMLINKS if strict else 0
    calls: list[Call] = []
    parent: Argument = root
    for depth, name in enumerate(parts):
        last = depth == len(parts) - 1
        calls.append(_make(what, parent, name, directory=directory or not last))
        if depth:
            calls.append(close(parent))
        reached = open_inside(what, root, "/".join(parts[: depth + 1]), resolve=resolve)
        calls.append(reached)
        parent = reached
    return tuple(calls) if parts else (open_inside(what, root, "/"),)


def make_parent(what: str, root: Argument, path: str) -> tuple[tuple[Call, ...], str]:
    """The same for the directory that ``path`` is in, and the name that it has there."""
    *parents, name = parts_of(path)
    return make_inside(what, root, "/".join(parents)), name


def close(fd: Argument) -> Call:
    """close(2): a plan of many mounts must not run out of descriptors."""
    return Call("close a descriptor", "close", (fd,))


def _make(what: str, parent: Argument, name: str, *, directory: bool) -> Call:
    """What is there already stays, and may be on a filesystem that is read-only."""
    there = (c.EEXIST, c.EROFS)
    if directory:
        return Call(what, "mkdirat", (parent, os.fsencode(name), 0o755), there)
    return Call(what, "mknodat", (parent, os.fsencode(name), stat.S_IFREG | 0o644, 0), there)

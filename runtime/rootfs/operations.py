"""The steps that turn an empty mount namespace into a container's root: data that says what it does, and how.

Each is a few system calls (`runtime.linux.program`), made inside the container's namespaces by a child in which
nothing of ours is executed.
"""

from __future__ import annotations

import os
import stat
from typing import Protocol

from runtime.linux import constants
from runtime.linux.program import Call, Slot
from runtime.values import Value

_AT_FDCWD = -100
_EEXIST, _ENOENT = 17, 2
_FLAG_NAMES = {
    constants.MS_RDONLY: "ro",
    constants.MS_NOSUID: "nosuid",
    constants.MS_NODEV: "nodev",
    constants.MS_NOEXEC: "noexec",
    constants.MS_REMOUNT: "remount",
    constants.MS_BIND: "bind",
    constants.MS_REC: "rec",
    constants.MS_PRIVATE: "private",
}


class Operation(Protocol):
    """One step."""

    def describe(self) -> str:
        """The step in words, for an error or a plan."""

    def calls(self) -> tuple[Call, ...]:
        """The system calls that it takes."""


class Mount(Value):
    """mount(2). With ``make_target`` a missing directory is made; the target is never followed through a symlink."""

    source: str | None
    target: str
    fstype: str | None = None
    flags: int = 0
    data: str | Slot | None = None
    make_target: bool = False
    optional: bool = False

    def describe(self) -> str:
        """``mount proc on /proc (nosuid,noexec)``."""
        flags = ",".join(name for bit, name in _FLAG_NAMES.items() if self.flags & bit)
        return f"mount {self.fstype or self.source or 'nothing'} on {self.target}" + (f" ({flags})" if flags else "")

    def calls(self) -> tuple[Call, ...]:
        """An ``optional`` mount whose target does not exist is left out."""
        arguments = (_text(self.source), os.fsencode(self.target), _text(self.fstype), self.flags, _data(self.data))
        mount = Call(self.describe(), "mount", arguments, (_ENOENT,) if self.optional else ())
        return (*make_directory(self.target), mount) if self.make_target else (mount,)


class Device(Value):
    """A character device node, mknod(2), of mode 0666: the umask must be 0."""

    path: str
    major: int
    minor: int

    def describe(self) -> str:
        """``make device /dev/null 1:3``."""
        return f"make device {self.path} {self.major}:{self.minor}"

    def calls(self) -> tuple[Call, ...]:
        """One."""
        number = os.makedev(self.major, self.minor)
        arguments = (_AT_FDCWD, os.fsencode(self.path), stat.S_IFCHR | 0o666, number)
        return (Call(self.describe(), "mknodat", arguments),)


class Directory(Value):
    """mkdir(2), where nobody else could have put anything."""

    path: str

    def describe(self) -> str:
        """``make directory /dev/.empty``."""
        return f"make directory {self.path}"

    def calls(self) -> tuple[Call, ...]:
        """One."""
        return (Call(self.describe(), "mkdirat", (_AT_FDCWD, os.fsencode(self.path), 0o555)),)


class Symlink(Value):
    """symlink(2)."""

    target: str
    path: str

    def describe(self) -> str:
        """``link /dev/fd to /proc/self/fd``."""
        return f"link {self.path} to {self.target}"

    def calls(self) -> tuple[Call, ...]:
        """One."""
        return (Call(self.describe(), "symlinkat", (os.fsencode(self.target), _AT_FDCWD, os.fsencode(self.path))),)


class PivotRoot(Value):
    """Make ``new_root``, a mount, the root, and let go of the old one (pivot_root(2), "." over ".")."""

    new_root: str

    def describe(self) -> str:
        """``make DIRECTORY the root``."""
        return f"make {self.new_root} the root"

    def calls(self) -> tuple[Call, ...]:
        """Afterwards nothing of the host is reachable by a path."""
        what = self.describe()
        return (
            Call(what, "chdir", (os.fsencode(self.new_root),)),
            Call(what, "pivot_root", (b".", b".")),
            Call(what, "umount2", (b".", constants.MNT_DETACH)),
            Call(what, "chdir", (b"/",)),
        )


def make_directory(path: str) -> tuple[Call, ...]:
    """A directory of this very name: an image could have put a symlink there to lead a mount elsewhere."""
    flags = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    return (
        Call(f"make directory {path}", "mkdirat", (_AT_FDCWD, os.fsencode(path), 0o755), (_EEXIST,)),
        Call(f"open directory {path} of the image", "openat", (_AT_FDCWD, os.fsencode(path), flags, 0)),
    )


def _text(text: str | None) -> bytes | int:
    return 0 if text is None else os.fsencode(text)


def _data(data: str | Slot | None) -> bytes | Slot | int:
    return data if isinstance(data, Slot) else _text(data)

"""The steps that turn an empty mount namespace into a container's root: data that describes itself, then executes."""

from __future__ import annotations

import contextlib
import os
import stat
from dataclasses import dataclass
from typing import Protocol

from runtime.linux import constants, syscalls

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
    """One step; executed inside the container's namespaces, where nothing may be imported or looked up."""

    def describe(self) -> str:
        """The step in words, for an error or a plan."""

    def execute(self) -> None:
        """Do it; raises `OSError`."""


@dataclass(frozen=True, slots=True)
class Mount:
    """mount(2). With ``make_target`` a missing directory is made; the target is never followed through a symlink."""

    source: str | None
    target: str
    fstype: str | None = None
    flags: int = 0
    data: str | None = None
    make_target: bool = False
    optional: bool = False

    def describe(self) -> str:
        """``mount proc on /proc (nosuid,noexec)``."""
        flags = ",".join(name for bit, name in _FLAG_NAMES.items() if self.flags & bit)
        return f"mount {self.fstype or self.source or 'nothing'} on {self.target}" + (f" ({flags})" if flags else "")

    def execute(self) -> None:
        """Mount; an ``optional`` mount whose target does not exist is left out."""
        if self.make_target:
            _make_directory(self.target)
        try:
            syscalls.mount(self.source, self.target, self.fstype, self.flags, self.data)
        except FileNotFoundError:
            if not self.optional:
                raise


@dataclass(frozen=True, slots=True)
class Device:
    """A character device node, mknod(2)."""

    path: str
    major: int
    minor: int

    def describe(self) -> str:
        """``make device /dev/null 1:3``."""
        return f"make device {self.path} {self.major}:{self.minor}"

    def execute(self) -> None:
        """Make the node, with mode 0666 whatever the umask."""
        os.mknod(self.path, stat.S_IFCHR | 0o666, os.makedev(self.major, self.minor))
        os.chmod(self.path, 0o666)  # noqa: S103 - what the specification asks of these nodes


@dataclass(frozen=True, slots=True)
class Symlink:
    """symlink(2)."""

    target: str
    path: str

    def describe(self) -> str:
        """``link /dev/fd to /proc/self/fd``."""
        return f"link {self.path} to {self.target}"

    def execute(self) -> None:
        """Link."""
        os.symlink(self.target, self.path)


@dataclass(frozen=True, slots=True)
class Mask:
    """Hide a path: a file behind /dev/null, a directory behind the empty one at ``empty``."""

    path: str
    empty: str

    def describe(self) -> str:
        """``mask /proc/kcore``."""
        return f"mask {self.path}"

    def execute(self) -> None:
        """Mask; a path that this kernel does not have is left out."""
        with contextlib.suppress(FileNotFoundError):
            source = self.empty if stat.S_ISDIR(os.lstat(self.path).st_mode) else "/dev/null"
            syscalls.mount(source, self.path, None, constants.MS_BIND, None)


@dataclass(frozen=True, slots=True)
class PivotRoot:
    """Make ``new_root``, a mount, the root, and let go of the old one (pivot_root(2), "." over ".")."""

    new_root: str

    def describe(self) -> str:
        """``make DIRECTORY the root``."""
        return f"make {self.new_root} the root"

    def execute(self) -> None:
        """Pivot; afterwards nothing of the host is reachable by a path."""
        os.chdir(self.new_root)
        syscalls.pivot_root(".", ".")
        syscalls.umount2(".", constants.MNT_DETACH)
        os.chdir("/")


def _make_directory(path: str) -> None:
    """A directory of this very name: an image could have put a symlink there to lead the mount elsewhere."""
    with contextlib.suppress(FileExistsError):
        os.mkdir(path, 0o755)
    if not stat.S_ISDIR(os.lstat(path).st_mode):
        raise NotADirectoryError(20, "the image has something other than a directory there")

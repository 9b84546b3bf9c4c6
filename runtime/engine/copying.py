"""Trees copied by descriptors: owners, modes, times, attributes, links and holes kept, and nothing followed."""

from __future__ import annotations

import errno
import os
import stat

from runtime.engine.descent import Descent, status_of
from runtime.unwinding import suppress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Self

_STAGING, _NEW = ".tare-staging", "new"
_CHUNK_BYTES = 1 << 20
_OVERLAY = "trusted.overlay."


class Staging:
    """Where files are made before they get their names, so that nobody ever sees half of one. A context manager.

    Those of several names are kept under a number until all names are made.
    """

    def __init__(self, parent: str) -> None:
        self._parent_fd = os.open(parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._known: dict[tuple[int, int], str] = {}
        self._remove()  # what one who was killed has left
        os.mkdir(_STAGING, 0o700, dir_fd=self._parent_fd)
        self.fd = os.open(_STAGING, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=self._parent_fd)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Take it away again. Idempotent."""
        if self.fd != -1:
            os.close(self.fd)
            self.fd = -1
            self._remove()
            os.close(self._parent_fd)

    def _remove(self) -> None:
        from runtime.image.tree import remove

        remove(self._parent_fd, _STAGING.encode())

    def known(self, status: os.stat_result) -> str | None:
        """What a file of several names that was copied before is called here."""
        return self._known.get((status.st_dev, status.st_ino)) if status.st_nlink > 1 else None

    def settle(self, status: os.stat_result) -> str:
        """The name here of what has just been made as `_NEW`."""
        if status.st_nlink == 1:
            return _NEW
        name = self._known[status.st_dev, status.st_ino] = str(len(self._known))
        os.rename(_NEW, name, src_dir_fd=self.fd, dst_dir_fd=self.fd)
        return name


def copy_tree(source: int, into: Descent, staging: Staging) -> None:
    """Copy all that is below the source's descriptor, but not how the directory itself is; raises `OSError`.

    Down into each directory, and on the way up its own attributes, of which the times would not last before.
    """
    with Descent(source) as origin:
        pending = [os.listdir(origin.fd)]
        while True:
            if not pending[-1]:
                pending.pop()
                if not pending:
                    return
                adorn(origin.fd, into.fd)
                origin.leave()
                into.leave()
                continue
            name = pending[-1].pop()
            status = status_of(name, origin.fd)
            if status is not None and stat.S_ISDIR(status.st_mode):
                if _enter(origin, into, name):
                    pending.append(os.listdir(origin.fd))
            elif status is not None and not stat.S_ISSOCK(status.st_mode):  # nobody listens behind a copy
                _copy(origin.fd, into.fd, name, status, staging)


def _enter(origin: Descent, into: Descent, name: str) -> bool:
    """Whether there is such a directory in both now; what somebody else has there stays."""
    with suppress(FileExistsError):
        os.mkdir(name, 0o700, dir_fd=into.fd)
    try:
        into.enter(name)
    except (NotADirectoryError, FileNotFoundError):
        return False
    except OSError as error:
        if error.errno == errno.ELOOP:
            return False
        raise
    try:
        origin.enter(name)
    except BaseException:
        into.leave()
        raise
    return True


def _copy(origin: int, into: int, name: str, status: os.stat_result, staging: Staging) -> None:
    """Whatever is no directory: made apart, and then given its name unless somebody has that."""
    made = staging.known(status)
    if made is None:
        _make(origin, staging.fd, name, status)
        made = staging.settle(status)
    with suppress(FileExistsError):
        os.link(made, name, src_dir_fd=staging.fd, dst_dir_fd=into, follow_symlinks=False)
    if made == _NEW:
        os.unlink(_NEW, dir_fd=staging.fd)


def _make(origin: int, staging: int, name: str, status: os.stat_result) -> None:
    if stat.S_ISREG(status.st_mode):
        _copy_file(origin, staging, name)
    elif stat.S_ISLNK(status.st_mode):
        os.symlink(os.readlink(name, dir_fd=origin), _NEW, dir_fd=staging)
        _adorn_link(origin, staging, name, status)
    else:
        os.mknod(_NEW, stat.S_IFMT(status.st_mode) | 0o600, status.st_rdev, dir_fd=staging)
        os.chown(_NEW, status.st_uid, status.st_gid, dir_fd=staging, follow_symlinks=False)
        os.chmod(_NEW, stat.S_IMODE(status.st_mode), dir_fd=staging)
        os.utime(_NEW, ns=(status.st_atime_ns, status.st_mtime_ns), dir_fd=staging, follow_symlinks=False)


def _copy_file(origin: int, staging: int, name: str) -> None:
    flags = os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK  # it may have become a FIFO
    source = os.open(name, os.O_RDONLY | flags, dir_fd=origin)
    try:
        if not stat.S_ISREG(os.fstat(source).st_mode):
            raise OSError(errno.ESTALE, "a file became something else while it was read", name)
        target = os.open(_NEW, os.O_WRONLY | os.O_CREAT | os.O_EXCL | flags, 0o600, dir_fd=staging)
        try:
            _copy_content(source, target)
            adorn(source, target)
        finally:
            os.close(target)
    finally:
        os.close(source)


def _copy_content(source: int, target: int) -> None:
    """Only where there are data: holes stay holes (lseek(2), SEEK_DATA)."""
    size = os.fstat(source).st_size
    position = 0
    while position < size:
        try:
            start = os.lseek(source, position, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:
                break
            raise
        position = os.lseek(source, start, os.SEEK_HOLE)
        os.lseek(source, start, os.SEEK_SET)
        os.lseek(target, start, os.SEEK_SET)
        _copy_range(source, target, position - start)
    os.ftruncate(target, size)


def _copy_range(source: int, target: int, count: int) -> None:
    while count > 0:
        sent = os.sendfile(target, source, None, min(count, _CHUNK_BYTES))
        if sent == 0:
            return
        count -= sent


def adorn(source: int, target: int) -> None:
    """Make the target's file like the source's.

    Owner, then mode (chown clears setuid), then attributes (chown clears capabilities), then times.
    """
    status = os.fstat(source)
    os.fchown(target, status.st_uid, status.st_gid)
    os.fchmod(target, stat.S_IMODE(status.st_mode))
    for name in os.listxattr(source):
        if not name.startswith(_OVERLAY):
            with suppress(OSError):
                os.setxattr(target, name, os.getxattr(source, name))
    os.utime(target, ns=(status.st_atime_ns, status.st_mtime_ns))


def _adorn_link(origin: int, staging: int, name: str, status: os.stat_result) -> None:
    os.chown(_NEW, status.st_uid, status.st_gid, dir_fd=staging, follow_symlinks=False)
    where, there = f"/proc/self/fd/{origin}/{name}", f"/proc/self/fd/{staging}/{_NEW}"
    for attribute in os.listxattr(where, follow_symlinks=False):
        if not attribute.startswith(_OVERLAY):
            with suppress(OSError):
                content = os.getxattr(where, attribute, follow_symlinks=False)
                os.setxattr(there, attribute, content, follow_symlinks=False)
    os.utime(_NEW, ns=(status.st_atime_ns, status.st_mtime_ns), dir_fd=staging, follow_symlinks=False)

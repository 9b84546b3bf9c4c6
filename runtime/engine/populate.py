"""A new volume filled with what the image has at its place: owners, modes, times, attributes, links and holes kept.

Everything is reached by descriptors below two roots, the image's resolved as if it were ``/`` (openat2(2),
RESOLVE_IN_ROOT): an image whose path leads out by a link leads to itself.
"""

from __future__ import annotations

import errno
import os
import stat

from runtime.engine.descent import Descent, status_of
from runtime.engine.directories import locked
from runtime.linux.openat2 import RESOLVE_IN_ROOT, RESOLVE_NO_MAGICLINKS, RESOLVE_NO_XDEV, openat2
from runtime.unwinding import suppress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runtime.engine.volumes import Volume

_CONFINED = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV
_MARK = "filling"
_CHUNK_BYTES = 1 << 20
_ATTEMPTS = 1000
_OVERLAY = "trusted.overlay."


def populate(volume: Volume, root: str, path: str) -> bool:
    """Copy what is at ``path`` below ``root`` into the volume if that is empty; whether it did. Raises `OSError`.

    A copy that was killed is made again: `filling` beside the content says so.
    """
    directory = os.path.dirname(volume.mountpoint)
    mark = f"{directory}/{_MARK}"
    with locked(directory):
        source = _open_source(root, path)
        if source is None:
            return False
        try:
            return _fill(source, volume.mountpoint, mark)
        finally:
            os.close(source)


def _fill(source: int, target: str, mark: str) -> bool:
    begun = os.path.exists(mark)
    if os.listdir(target) and not begun:
        return False
    os.close(os.open(mark, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
    with Descent(target) as into:
        if begun:
            _empty(into.fd)
        copy_tree(source, into)
    os.unlink(mark)
    return True


def _empty(target_fd: int) -> None:
    from runtime.image.tree import remove

    for name in os.listdir(target_fd):
        remove(target_fd, os.fsencode(name))


def _open_source(root: str, path: str) -> int | None:
    """The directory in the image; None if there is none."""
    root_fd = os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for _ in range(_ATTEMPTS):
            try:
                return openat2(root_fd, os.fsencode(path), os.O_RDONLY | os.O_DIRECTORY, resolve=_CONFINED)
            except BlockingIOError:
                continue  # a rename elsewhere coincided with ".." (openat2(2), EAGAIN)
            except OSError as error:
                if error.errno in {errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.EXDEV}:
                    return None
                raise
        return None
    finally:
        os.close(root_fd)


class _Links:
    """Files that have further names, each kept under a number beside the copy until all names are made."""

    def __init__(self, root_fd: int) -> None:
        self._root_fd = root_fd
        self._name = f".links-{os.urandom(8).hex()}"
        self._fd: int | None = None
        self._known: dict[tuple[int, int], str] = {}

    def make(self, status: os.stat_result, into: int, name: str) -> bool:
        """Whether the file was copied before, and has this name now, too."""
        number = self._known.get((status.st_dev, status.st_ino))
        if number is None or self._fd is None:
            return False
        os.link(number, name, src_dir_fd=self._fd, dst_dir_fd=into, follow_symlinks=False)
        return True

    def keep(self, status: os.stat_result, into: int, name: str) -> None:
        """Remember what was just copied if it has further names."""
        if status.st_nlink == 1:
            return
        if self._fd is None:
            os.mkdir(self._name, 0o700, dir_fd=self._root_fd)
            self._fd = os.open(self._name, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=self._root_fd)
        number = str(len(self._known))
        os.link(name, number, src_dir_fd=into, dst_dir_fd=self._fd, follow_symlinks=False)
        self._known[status.st_dev, status.st_ino] = number

    def close(self) -> None:
        """Take the numbers away again. Idempotent."""
        from runtime.image.tree import remove

        if self._fd is not None:
            os.close(self._fd)
            self._fd = None
            remove(self._root_fd, self._name.encode())


def copy_tree(source: int, into: Descent) -> None:
    """Copy all that is below the source's descriptor, and how the directory itself is; raises `OSError`."""
    root_fd = os.dup(into.fd)
    links = _Links(root_fd)
    try:
        with Descent(source) as origin:
            _descend(origin, into, links)
    finally:
        links.close()
        os.close(root_fd)
    _adorn(source, into.fd)


def _descend(origin: Descent, into: Descent, links: _Links) -> None:
    """Down into each directory, and on the way up its own attributes, of which the times would not last before."""
    pending = [os.listdir(origin.fd)]
    while True:
        if not pending[-1]:
            pending.pop()
            if not pending:
                return
            _adorn(origin.fd, into.fd)
            origin.leave()
            into.leave()
            continue
        name = pending[-1].pop()
        status = status_of(name, origin.fd)
        if status is None:
            continue
        if stat.S_ISDIR(status.st_mode):
            os.mkdir(name, 0o700, dir_fd=into.fd)
            origin.enter(name)
            into.enter(name)
            pending.append(os.listdir(origin.fd))
        else:
            _copy(origin.fd, into.fd, name, status, links)


def _copy(origin: int, into: int, name: str, status: os.stat_result, links: _Links) -> None:
    """Whatever is no directory; further names of a file become further names of its copy."""
    if links.make(status, into, name):
        return
    if stat.S_ISREG(status.st_mode):
        _copy_file(origin, into, name)
    elif stat.S_ISLNK(status.st_mode):
        os.symlink(os.readlink(name, dir_fd=origin), name, dir_fd=into)
        _adorn_link(origin, into, name, status)
    elif stat.S_ISSOCK(status.st_mode):
        return  # nobody listens behind a copy
    else:
        os.mknod(name, stat.S_IFMT(status.st_mode) | 0o600, status.st_rdev, dir_fd=into)
        _adorn_node(into, name, status)
    links.keep(status, into, name)


def _copy_file(origin: int, into: int, name: str) -> None:
    flags = os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK  # it may have become a FIFO
    source = os.open(name, os.O_RDONLY | flags, dir_fd=origin)
    try:
        if not stat.S_ISREG(os.fstat(source).st_mode):
            raise OSError(errno.ESTALE, "a file became something else while it was read", name)
        target = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | flags, 0o600, dir_fd=into)
        try:
            _copy_content(source, target)
            _adorn(source, target)
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


def _adorn(source: int, target: int) -> None:
    """Owner, then mode (chown clears setuid), then attributes (chown clears capabilities), then times."""
    status = os.fstat(source)
    os.fchown(target, status.st_uid, status.st_gid)
    os.fchmod(target, stat.S_IMODE(status.st_mode))
    for name in os.listxattr(source):
        if not name.startswith(_OVERLAY):
            with suppress(OSError):
                os.setxattr(target, name, os.getxattr(source, name))
    os.utime(target, ns=(status.st_atime_ns, status.st_mtime_ns))


def _adorn_link(origin: int, into: int, name: str, status: os.stat_result) -> None:
    os.chown(name, status.st_uid, status.st_gid, dir_fd=into, follow_symlinks=False)
    where, there = f"/proc/self/fd/{origin}/{name}", f"/proc/self/fd/{into}/{name}"
    for attribute in os.listxattr(where, follow_symlinks=False):
        if not attribute.startswith(_OVERLAY):
            with suppress(OSError):
                os.setxattr(there, attribute, os.getxattr(where, attribute, follow_symlinks=False),
                            follow_symlinks=False)  # fmt: skip
    os.utime(name, ns=(status.st_atime_ns, status.st_mtime_ns), dir_fd=into, follow_symlinks=False)


def _adorn_node(into: int, name: str, status: os.stat_result) -> None:
    """Of a FIFO or device, by a descriptor of it: nobody else is in the volume's name for it yet, but may be soon."""
    fd = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=into)
    try:
        os.chown(f"/proc/self/fd/{fd}", status.st_uid, status.st_gid)
        os.chmod(f"/proc/self/fd/{fd}", stat.S_IMODE(status.st_mode))
        os.utime(f"/proc/self/fd/{fd}", ns=(status.st_atime_ns, status.st_mtime_ns))
    finally:
        os.close(fd)

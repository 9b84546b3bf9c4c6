"""A new volume filled with what the image has at its place.

The place is resolved as if the image were ``/`` (openat2(2), RESOLVE_IN_ROOT): one that leads out leads back in.
"""

from __future__ import annotations

import errno
import os

from runtime.engine.copying import Staging, adorn, copy_tree
from runtime.engine.descent import Descent
from runtime.engine.directories import locked
from runtime.linux.openat2 import RESOLVE_IN_ROOT, RESOLVE_NO_MAGICLINKS, RESOLVE_NO_XDEV, openat2

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runtime.engine.volumes import Volume

_CONFINED = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV
_MARK = "filling"
_ATTEMPTS = 1000


def populate(volume: Volume, root: str, path: str) -> bool:
    """Copy what is at ``path`` below ``root`` into the volume if that is empty; whether it did. Raises `OSError`.

    A copy that was killed is gone on with: `filling` beside the content says so. What somebody else has put there
    meanwhile stays as it is.
    """
    directory = os.path.dirname(volume.mountpoint)
    with locked(directory):
        source = _open_source(root, path)
        if source is None:
            return False
        try:
            return _fill(source, volume, f"{directory}/{_MARK}")
        finally:
            os.close(source)


def _fill(source: int, volume: Volume, mark: str) -> bool:
    if os.listdir(volume.mountpoint) and not os.path.exists(mark):
        return False
    os.close(os.open(mark, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
    # On the filesystem of the content, which may be mounted there.
    parent = volume.mountpoint if volume.options else os.path.dirname(volume.mountpoint)
    with Descent(volume.mountpoint) as into, Staging(parent) as staging:
        copy_tree(source, into, staging)
        staging.close()
        adorn(source, into.fd)
    os.unlink(mark)
    return True


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

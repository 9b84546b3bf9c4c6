"""Where mounts go whose way leads over a symlink to what is not there: an image's ``/etc/resolv.conf``, often.

Whoever makes what is missing has to follow the symlink first. That can be done ahead, by the parent, because what comes
of it is only a path: it is looked up again, inside the root, by the process that mounts (`runtime.rootfs.inside`).
"""

from __future__ import annotations

import errno
import os

from runtime.linux.openat2 import RESOLVE_IN_ROOT, RESOLVE_NO_MAGICLINKS, openat2
from runtime.rootfs.inside import parts_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

_MOST_LINKS = 40  # MAXSYMLINKS, as the kernel


def followed_targets(rootfs: str, destinations: Sequence[str]) -> list[str | None]:
    """For each destination its path with symlinks followed; ``None`` where that is not needed to get there.

    A symlink that an earlier mount will hide is not followed.
    """
    root = os.open(rootfs, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        hidden: list[tuple[str, ...]] = []
        paths: list[str | None] = []
        for destination in destinations:
            parts = parts_of(destination)
            path = None if _is_hidden(parts, hidden) or _is_there(root, parts) else _follow(root, parts, hidden)
            hidden.append(parts if path is None else parts_of(path))
            paths.append(path)
        return paths
    finally:
        os.close(root)


def _follow(root: int, parts: tuple[str, ...], hidden: Sequence[tuple[str, ...]]) -> str | None:
    """The path, if there is a symlink on the way."""
    wanted = list(reversed(parts))
    reached: list[str] = []
    links = 0
    while wanted and not _is_hidden(tuple(reached), hidden):
        name = wanted.pop()
        link = None if name in {"", ".", ".."} else _link(root, (*reached, name))
        if link is None:
            reached = list(parts_of("/".join((*reached, name))))
            continue
        links += 1
        if links > _MOST_LINKS:
            return None  # the kernel will say so
        if link.startswith("/"):
            reached = []
        wanted.extend(reversed(link.split("/")))
    path = "/".join((*reached, *reversed(wanted)))
    return f"/{path}" if links else None


def _is_hidden(parts: tuple[str, ...], hidden: Sequence[tuple[str, ...]]) -> bool:
    """Whether a path is in what an earlier mount covers."""
    return any(parts[: len(top)] == top for top in hidden)


def _is_there(root: int, parts: tuple[str, ...]) -> bool:
    fd = _open(root, parts, 0)
    if fd is not None:
        os.close(fd)
    return fd is not None


def _link(root: int, parts: tuple[str, ...]) -> str | None:
    """What the symlink at a path says; ``None`` if there is none."""
    fd = _open(root, parts, os.O_NOFOLLOW)
    if fd is None:
        return None
    try:
        return os.readlink("", dir_fd=fd)
    except OSError as error:
        if error.errno in {errno.EINVAL, errno.ENOENT}:  # readlinkat(2) of what is no symlink
            return None
        raise
    finally:
        os.close(fd)


def _open(root: int, parts: tuple[str, ...], flags: int) -> int | None:
    name = os.fsencode("/".join(parts) or ".")
    try:
        return openat2(root, name, os.O_PATH | flags, resolve=RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS)
    except OSError:
        return None  # what it is matters to whoever mounts there

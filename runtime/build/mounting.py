"""An overlay mounted and unmounted in this mount namespace (mount(2), umount2(2))."""

from __future__ import annotations

import os

from runtime.build.errors import BuildError
from runtime.linux import foreign
from runtime.unwinding import ExitStack

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

_MS_NODEV = 4
_MNT_DETACH = 2
_UMOUNT_NOFOLLOW = 8
# mount(2) takes a page of options, and in silence the beginning of more.
_OPTIONS_BYTES = 4096
_EXACT = b"redirect_dir=off,metacopy=off,volatile"

_libc = foreign.CDLL(None, use_errno=True)
_mount = _libc.mount
_mount.argtypes = (foreign.c_char_p, foreign.c_char_p, foreign.c_char_p, foreign.c_ulong, foreign.c_char_p)
_umount2 = _libc.umount2
_umount2.argtypes = (foreign.c_char_p, foreign.c_int)


def mount_overlay(lowers: Sequence[str], upper: str, work: str, target: str) -> None:
    """Mount the layers, bottom first, with ``upper`` on top; raises `BuildError`."""
    with ExitStack() as held:
        options = _options(tuple(map(_escaped, reversed(lowers))), _escaped(upper), _escaped(work))
        if len(options) >= _OPTIONS_BYTES:
            # By descriptor each is a few letters long, and the kernel looks it up at once.
            names = tuple(_by_descriptor(held, path) for path in (*reversed(lowers), upper, work))
            options = _options(names[:-2], names[-2], names[-1])
        if len(options) >= _OPTIONS_BYTES:
            raise BuildError(f"mount {len(lowers)} layers: that is more than an overlay can have")
        if _mount(b"overlay", os.fsencode(target), b"overlay", _MS_NODEV, options) < 0:
            raise BuildError(f"mount overlay on {target}: {os.strerror(foreign.get_errno()).lower()}")


def unmount(target: str) -> None:
    """Unmount whatever is mounted there; nothing is no error."""
    while _umount2(os.fsencode(target), _MNT_DETACH | _UMOUNT_NOFOLLOW) == 0:
        pass


def _options(lowers: tuple[bytes, ...], upper: bytes, work: bytes) -> bytes:
    # The first two may be on by default, but a layer has to be complete. Nobody needs the file system written out at
    # the unmount, which waits for the disk: what is kept is synced where it is kept (overlayfs.rst, "Volatile mount").
    return b"lowerdir=%s,upperdir=%s,workdir=%s,%s" % (b":".join(lowers), upper, work, _EXACT)


def _escaped(path: str) -> bytes:
    return os.fsencode("".join(f"\\{character}" if character in "\\:," else character for character in path))


def _by_descriptor(held: ExitStack, path: str) -> bytes:
    fd = os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    held.callback(os.close, fd)
    return b"/proc/self/fd/%d" % fd

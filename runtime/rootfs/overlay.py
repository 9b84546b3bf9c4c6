"""A container's root as a mount of the host: the image's layers, and above them what the container changes.

Where the kernel takes layers one by one (``lowerdir+``, Linux 6.8), each is a string of its own. Before, all of them
have to fit one page (mount(2)), so each is said by a descriptor, and there is room for two hundred.
"""

from __future__ import annotations

import errno
import os

from runtime.linux import constants as c
from runtime.linux.interpreter import perform
from runtime.linux.program import Call, Failure
from runtime.rootfs.attach import attach, new_filesystem
from runtime.unwinding import ExitStack
from runtime.values import Value

_LONGEST_STRING = 255  # of fsconfig(2), without the end
_PATH = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC
# As the upper directory is read by others as what has changed: nothing in it may stand for what is elsewhere
# (Documentation/filesystems/overlayfs.rst, "redirect_dir", "Metadata only copy up").
_PLAIN = ("redirect_dir=off", "metacopy=off", "index=off")
_UMOUNT_NOFOLLOW = 0x8


class Overlay(Value):
    """``lower`` from the bottom up; ``upper``, ``work`` and ``target`` are there. ``devices`` leaves them usable."""

    lower: tuple[str, ...]
    upper: str
    work: str
    target: str
    devices: bool = False

    @property
    def what(self) -> str:
        """For an error message."""
        return f"mount overlay on {self.target}"


def mount_overlay(overlay: Overlay) -> None:
    """Mount it, as the kernel at hand can; raises `Failure`."""
    try:
        mount_by_layer(overlay)
    except Failure as failure:
        if failure.errno != errno.EINVAL:
            raise
        mount_at_once(overlay)


def mount_by_layer(overlay: Overlay) -> None:
    """Each layer is told by itself; raises `Failure`, of EINVAL on a kernel that cannot."""
    with ExitStack() as held:
        layers = tuple(f"lowerdir+={_short(held, path)}" for path in reversed(overlay.lower))
        upper = (f"upperdir={_short(held, overlay.upper)}", f"workdir={_short(held, overlay.work)}")
        attributes = 0 if overlay.devices else c.MOUNT_ATTR_NODEV
        data = (*layers, *upper, *_PLAIN)
        opened, *_, mount = perform(new_filesystem(overlay.what, "overlay", "overlay", data, attributes))
        for fd in (opened, mount):
            held.callback(os.close, fd)
        perform((attach(overlay.what, mount, _open(held, overlay.target)),))


def mount_at_once(overlay: Overlay) -> None:
    """All layers in the one page of mount(2); raises `Failure`."""
    with ExitStack() as held:
        lower = ":".join(_by_descriptor(held, path) for path in reversed(overlay.lower))
        upper, work = (_by_descriptor(held, path) for path in (overlay.upper, overlay.work))
        data = ",".join((f"lowerdir={lower},upperdir={upper},workdir={work}", *_PLAIN)).encode()
        flags = 0 if overlay.devices else c.MS_NODEV
        target = os.fsencode(overlay.target)
        perform((Call(overlay.what, "mount", (b"overlay", target, b"overlay", flags, data)),))


def _short(held: ExitStack, path: str) -> str:
    return path if len(os.fsencode(path)) <= _LONGEST_STRING else _by_descriptor(held, path)


def _by_descriptor(held: ExitStack, path: str) -> str:
    return f"/proc/self/fd/{_open(held, path)}"


def _open(held: ExitStack, path: str) -> int:
    fd = os.open(path, _PATH)
    held.callback(os.close, fd)
    return fd


def unmount(target: str) -> None:
    """Take off everything that is mounted at a path. Idempotent; raises `Failure`."""
    call = Call(
        f"unmount {target}", "umount2", (os.fsencode(target), c.MNT_DETACH | _UMOUNT_NOFOLLOW),
        (errno.EINVAL, errno.ENOENT),
    )  # fmt: skip
    while perform((call,))[0] >= 0:
        pass


def is_mounted(target: str) -> bool:
    """Whether something is mounted on a directory: it is of another device than what it is in."""
    try:
        return os.stat(target).st_dev != os.stat(f"{target}/..").st_dev
    except FileNotFoundError:
        return False


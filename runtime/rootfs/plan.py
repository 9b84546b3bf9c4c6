"""The default root of a container, as data: what is mounted, made, masked and made read-only, in order."""

from __future__ import annotations

import os

from runtime.linux.constants import (
    MS_BIND,
    MS_NODEV,
    MS_NOEXEC,
    MS_NOSUID,
    MS_PRIVATE,
    MS_RDONLY,
    MS_REC,
    MS_REMOUNT,
)
from runtime.rootfs.operations import Device, Directory, Mount, Operation, PivotRoot, Symlink
from runtime.spec.defaults import MASKED_PATHS, READONLY_PATHS
from runtime.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runtime.linux.program import Slot
    from runtime.spec.container import Rootfs

_QUIET = MS_NOSUID | MS_NODEV | MS_NOEXEC

# OCI runtime-spec, config-linux.md, "Default Devices".
_DEVICES = (("null", 1, 3), ("zero", 1, 5), ("full", 1, 7), ("random", 1, 8), ("urandom", 1, 9), ("tty", 5, 0))
_LINKS = (
    ("/proc/self/fd", "/dev/fd"),
    ("/proc/self/fd/0", "/dev/stdin"),
    ("/proc/self/fd/1", "/dev/stdout"),
    ("/proc/self/fd/2", "/dev/stderr"),
    ("pts/ptmx", "/dev/ptmx"),
)

_DEVPTS = "newinstance,ptmxmode=0666,mode=0620,gid=5"

_OPTIONS_BYTES = 4096

# Read-only, empty, and already there once /dev is: what masked directories show. A directory, not a file system of its
# own: every superblock costs each memory control group of the host a little memory for good (mm/shrinker.c).
_EMPTY = "/dev/.empty"


class Masked(Value):
    """A path, and what is put over it: /dev/null over a file, the empty directory over a directory."""

    path: str
    cover: str


def masked_paths() -> tuple[Masked, ...]:
    """Those of `MASKED_PATHS` that this kernel has; containers see the same kernel's /proc and /sys."""
    return tuple(
        Masked(path, _EMPTY if os.path.isdir(path) else "/dev/null")
        for path in MASKED_PATHS
        if os.path.lexists(path)
    )


def plan_rootfs(overlay: str | Slot, mountpoint: str, masks: tuple[Masked, ...]) -> tuple[Operation, ...]:
    """Everything from a fresh copy of the host's mounts to the container's root, in order.

    ``overlay`` is, or will hold, the `overlay_options`.

    The pivot comes before any mount whose target the image names, so that a symlink in the image leads nowhere but
    into the image. No device of the host can be reached without a device controller: the root has ``nodev``, and /dev
    is read-only once it is filled.
    """
    return (
        Mount(None, "/", None, MS_REC | MS_PRIVATE),
        Mount("overlay", mountpoint, "overlay", MS_NODEV, overlay),
        PivotRoot(mountpoint),
        Mount("proc", "/proc", "proc", _QUIET, make_target=True),
        *_plan_dev(),
        Mount("sysfs", "/sys", "sysfs", _QUIET | MS_RDONLY, make_target=True),
        *(Mount(masked.cover, masked.path, None, MS_BIND, optional=True) for masked in masks),
        *(step for path in READONLY_PATHS for step in _plan_readonly(path)),
    )


def overlay_options(rootfs: Rootfs) -> str:
    """The overlay's data string; overlayfs wants the top layer first (Documentation/filesystems/overlayfs.rst).

    Raises `OSError` for one of more than a page, of which mount(2) silently takes the beginning.
    """
    lower = ":".join(_escape(path) for path in reversed(rootfs.lower))
    options = f"lowerdir={lower},upperdir={_escape(rootfs.upper)},workdir={_escape(rootfs.work)}"
    if len(os.fsencode(options)) >= _OPTIONS_BYTES:
        raise OSError(f"overlay {len(rootfs.lower)} layers: their paths do not fit {_OPTIONS_BYTES} bytes")
    return options


def _escape(path: str) -> str:
    return "".join(f"\\{character}" if character in "\\:," else character for character in path)


def _plan_dev() -> tuple[Operation, ...]:
    return (
        Mount("tmpfs", "/dev", "tmpfs", MS_NOSUID | MS_NOEXEC, "mode=755,size=64k", make_target=True),
        *(Device(f"/dev/{name}", major, minor) for name, major, minor in _DEVICES),
        *(Symlink(target, path) for target, path in _LINKS),
        Mount("devpts", "/dev/pts", "devpts", MS_NOSUID | MS_NOEXEC, _DEVPTS, make_target=True),
        Mount("tmpfs", "/dev/shm", "tmpfs", _QUIET, "mode=1777,size=64m", make_target=True),  # noqa: S108 - its name
        Mount("mqueue", "/dev/mqueue", "mqueue", _QUIET, make_target=True),
        Directory(_EMPTY),
        # Before anything of it is bound elsewhere: a bind mount is as read-only as what it was made of.
        Mount(None, "/dev", None, MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NOEXEC),
    )


def _plan_readonly(path: str) -> tuple[Operation, Operation]:
    return (
        Mount(path, path, None, MS_BIND | MS_REC, optional=True),
        Mount(None, path, None, MS_REMOUNT | MS_BIND | MS_RDONLY | _QUIET, optional=True),
    )

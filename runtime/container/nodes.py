"""Device nodes that are in the image already, where others are asked for (config-linux.md, "Devices")."""

from __future__ import annotations

import errno
import os
import stat

from runtime.linux.openat2 import RESOLVE_IN_ROOT, RESOLVE_NO_MAGICLINKS, openat2
from runtime.rootfs.inside import parts_of
from runtime.spec.reader import SpecError, show

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runtime.spec.config import Config
    from runtime.spec.linux import Device

_TYPES = {"b": stat.S_ISBLK, "c": stat.S_ISCHR, "u": stat.S_ISCHR, "p": stat.S_ISFIFO}
_ABSENT = (errno.ENOENT, errno.ENOTDIR)


def refuse_others(rootfs: str, config: Config) -> None:
    """Raise `SpecError` for a file of the image in the place of a device that it is not.

    What a mount of the container will cover is not looked at. In a user namespace devices are put over files.
    """
    if config.linux.namespace("user") is not None or not config.linux.devices:
        return
    covered = [parts_of(mount.destination) for mount in config.mounts]
    root = os.open(rootfs, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for index, device in enumerate(config.linux.devices):
            parts = parts_of(device.path)
            if not any(parts[: len(mount)] == mount for mount in covered):
                _refuse_other(root, f"linux.devices[{index}].path", device, "/".join(parts))
    finally:
        os.close(root)


def _refuse_other(root: int, where: str, device: Device, name: str) -> None:
    try:
        fd = openat2(root, os.fsencode(name), os.O_PATH | os.O_NOFOLLOW,
                     resolve=RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS)  # fmt: skip
    except OSError as error:
        if error.errno in _ABSENT:
            return
        raise SpecError(where, f"look up {show(device.path)}: {os.strerror(error.errno or 0).lower()}") from error
    try:
        seen = os.fstat(fd)
    finally:
        os.close(fd)
    number = os.makedev(device.major, device.minor)
    if not _TYPES[device.type](seen.st_mode) or (device.type != "p" and seen.st_rdev != number):
        raise SpecError(where, f"{show(device.path)} is in the image already, and is another file")

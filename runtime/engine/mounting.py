"""Volumes whose content is mounted: ``type=tmpfs`` and ``type=none,o=bind``, of Docker's local driver's options."""

from __future__ import annotations

import os

from runtime.engine.errors import BadOption

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from runtime.engine.volumes import Volume

_MS_BIND, _MS_REC, _MNT_DETACH = 0x1000, 0x4000, 2  # linux/mount.h
_FLAGS = {"ro": 1, "nosuid": 2, "nodev": 4, "noexec": 8, "noatime": 1024, "nodiratime": 2048, "rw": 0, "bind": 0,
          "rbind": 0, "defaults": 0}  # fmt: skip
_BINDING = frozenset({"bind", "rbind"})


def check(options: Mapping[str, str]) -> None:
    """Raise `BadOption` unless this can be mounted."""
    if not options:
        return
    words = set(options.get("o", "").split(","))
    if options["type"] == "tmpfs":
        return
    if not words & _BINDING:
        raise BadOption(f"mount a volume of type {options['type']!r}: only tmpfs and binds (o=bind) are known here")
    if not os.path.isabs(options.get("device", "")):
        raise BadOption(f"bind a volume to {options.get('device', '')!r}: the device is to be an absolute path")


def mount(volume: Volume) -> None:
    """Mount the content unless it is; raises `BadOption` with what the kernel says."""
    options = dict(volume.options)
    if not options or is_mounted(volume.mountpoint):
        return
    words = [word for word in options.get("o", "").split(",") if word]
    flags = 0
    for word in words:
        flags |= _FLAGS.get(word, 0)
    data = ",".join(word for word in words if word not in _FLAGS)
    if options["type"] == "tmpfs":
        _mount("tmpfs", volume, "tmpfs", flags, data)
        return
    binding = _MS_BIND | (_MS_REC if "rbind" in words else 0)
    _mount(options["device"], volume, "none", binding, "")
    if flags:  # a bind takes flags only when it is remounted (mount(2))
        _mount(options["device"], volume, "none", binding | 32 | flags, "")


def unmount(volume: Volume) -> None:
    """Unmount whatever is mounted there. Idempotent."""
    while is_mounted(volume.mountpoint):
        _call("umount2", volume, os.fsencode(volume.mountpoint), _MNT_DETACH)


def is_mounted(path: str) -> bool:
    """Whether it is a mount point."""
    from runtime.engine.mountinfo import mount_points

    return path in mount_points(path)


def _mount(source: str, volume: Volume, kind: str, flags: int, data: str) -> None:
    texts = (os.fsencode(source), os.fsencode(volume.mountpoint), kind.encode())
    _call("mount", volume, *texts, flags, data.encode() or None)


def _call(name: str, volume: Volume, *arguments: object) -> None:
    from runtime.linux import foreign

    libc = foreign.CDLL(None, use_errno=True)
    function = getattr(libc, name)
    function.argtypes = (
        (foreign.c_char_p, foreign.c_char_p, foreign.c_char_p, foreign.c_ulong, foreign.c_char_p)
        if name == "mount"
        else (foreign.c_char_p, foreign.c_int)
    )
    if function(*arguments) < 0:
        reason = os.strerror(foreign.get_errno()).lower()
        raise BadOption(f"error while mounting volume '{volume.mountpoint}': {name} of {volume.name}: {reason}")

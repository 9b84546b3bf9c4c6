"""Devices and links in a container's /dev (runtime-spec, config-linux.md, "Devices" and "Default Devices")."""

from __future__ import annotations

import os
import stat

from runtime.linux import constants as c
from runtime.linux.program import Call
from runtime.rootfs.attach import attach, copy_tree
from runtime.rootfs.inside import close, make_inside, make_parent
from runtime.spec.linux import Device

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runtime.linux.program import Argument

DEFAULTS = tuple(
    Device(f"/dev/{name}", "c", major, minor, 0o666, 0, 0)
    for name, major, minor in (("null", 1, 3), ("zero", 1, 5), ("full", 1, 7), ("random", 1, 8), ("urandom", 1, 9),
                               ("tty", 5, 0))
)  # fmt: skip
_LINKS = (("fd", "/proc/self/fd"), ("stdin", "/proc/self/fd/0"), ("stdout", "/proc/self/fd/1"),
          ("stderr", "/proc/self/fd/2"))  # fmt: skip
_TYPES = {"b": stat.S_IFBLK, "c": stat.S_IFCHR, "u": stat.S_IFCHR, "p": stat.S_IFIFO}


def with_defaults(devices: tuple[Device, ...]) -> tuple[Device, ...]:
    """The devices that every container has, unless the file describes them itself, and those of the file."""
    described = {device.path for device in devices}
    return (*(device for device in DEFAULTS if device.path not in described), *devices)


def plan_device(root: Argument, device: Device) -> tuple[Call, ...]:
    """mknod(2) with the mode, whatever the umask was set to, and the owner; what is there already stays as it is."""
    what = f"linux.devices: make {device.path}"
    parents, name = make_parent(what, root, device.path)
    mode = 0o666 if device.file_mode is None else device.file_mode & 0o7777
    number = os.makedev(device.major, device.minor)
    node = (parents[-1], os.fsencode(name))
    return (
        *parents,
        # There may be something already, which a volume brought along, and that keeps its owner.
        Call(what, "mknodat", (*node, _TYPES[device.type] | mode, number), (c.EEXIST,), otherwise=1),
        Call(what, "fchownat", (*node, device.uid or 0, device.gid or 0, c.AT_SYMLINK_NOFOLLOW)),
        close(parents[-1]),
    )


def plan_bound_device(root: Argument, device: Device) -> tuple[Call, ...]:
    """The host's own node put over an empty file: in a user namespace nobody may make one."""
    what = f"linux.devices: bind {device.path}"
    target = make_inside(what, root, device.path, directory=False)
    source = Call(what, "openat", (c.AT_FDCWD, os.fsencode(device.path), os.O_PATH | os.O_CLOEXEC, 0))
    tree = copy_tree(what, source)
    return (*target, source, tree, attach(what, tree, target[-1]), close(source), close(tree), close(target[-1]))


def plan_links(root: Argument) -> tuple[Call, ...]:
    """The names under which programs expect their streams, and /dev/ptmx of this very container's terminals."""
    what = "link the standard streams in /dev"
    opened = make_inside(what, root, "/dev")
    return (
        *opened,
        *(_link(what, opened[-1], name, target) for name, target in _LINKS),
        Call(what, "unlinkat", (opened[-1], b"ptmx", 0), (c.ENOENT,)),
        _link(what, opened[-1], "ptmx", "pts/ptmx"),
        close(opened[-1]),
    )


def _link(what: str, directory: Argument, name: str, target: str) -> Call:
    return Call(what, "symlinkat", (target.encode(), directory, name.encode()), (c.EEXIST,))

"""Mounts as descriptors: made apart from every tree, given their attributes, and attached at last (mount_setattr(2)).

fsopen, fsmount, open_tree and move_mount are Linux 5.2, mount_setattr is 5.12.
"""

from __future__ import annotations

import os
import struct

from runtime.linux import constants as c
from runtime.linux.program import Call, Memory

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runtime.linux.program import AnyErrno, Argument
    from runtime.rootfs.options import Attributes

_MOUNT_ATTR = struct.Struct("=4Q")
_EMPTY = b""


def new_filesystem(
    what: str, kind: str, source: str | None, data: tuple[str, ...], attributes: int
) -> tuple[Call, ...]:
    """A filesystem of its own; the last call is its descriptor. ``attributes`` are MOUNT_ATTR_*."""
    opened = Call(f"{what}: filesystem {kind}", "fsopen", (kind.encode(), c.FSOPEN_CLOEXEC))
    settings = [_set(what, opened, "source", source)] if source else []
    for entry in data:
        key, equals, content = entry.partition("=")
        settings.append(_set(what, opened, key, content if equals else None))
    return (
        opened,
        *settings,
        Call(what, "fsconfig", (opened, c.FSCONFIG_CMD_CREATE, 0, 0, 0)),
        Call(what, "fsmount", (opened, c.FSMOUNT_CLOEXEC, attributes)),
    )


def _set(what: str, opened: Call, key: str, content: str | None) -> Call:
    if content is None:
        return Call(f"{what}: option {key}", "fsconfig", (opened, c.FSCONFIG_SET_FLAG, os.fsencode(key), 0, 0))
    arguments = (opened, c.FSCONFIG_SET_STRING, os.fsencode(key), os.fsencode(content), 0)
    return Call(f"{what}: option {key}={content}", "fsconfig", arguments)


def copy_tree(what: str, fd: Argument, *, recursive: bool = False) -> Call:
    """A copy of the mount at a descriptor, attached nowhere; with all below it if ``recursive``."""
    flags = c.OPEN_TREE_CLONE | c.OPEN_TREE_CLOEXEC | c.AT_EMPTY_PATH | (c.AT_RECURSIVE if recursive else 0)
    return Call(what, "open_tree", (fd, _EMPTY, flags))


def attach(what: str, mount: Argument, target: Argument, allowed: tuple[int, ...] | AnyErrno = (), *,
           leave_out: int = 0) -> Call:  # fmt: skip
    """Put a mount over what another descriptor is."""
    flags = c.MOVE_MOUNT_F_EMPTY_PATH | c.MOVE_MOUNT_T_EMPTY_PATH
    return Call(what, "move_mount", (mount, _EMPTY, target, _EMPTY, flags), allowed, leave_out=leave_out)


def change(what: str, mount: Argument, attributes: Attributes, *, recursive: bool = False) -> tuple[Call, ...]:
    """mount_setattr(2), where there is something to change."""
    if not attributes.set and not attributes.clear:
        return ()
    return (_setattr(what, mount, _MOUNT_ATTR.pack(attributes.set, attributes.clear, 0, 0), recursive=recursive),)


def propagate(what: str, mount: Argument, flags: int) -> Call:
    """Set the propagation, flags of mount(2); with MS_REC of everything below too."""
    return _setattr(what, mount, _MOUNT_ATTR.pack(0, 0, flags & ~c.MS_REC, 0), recursive=bool(flags & c.MS_REC))


def _setattr(what: str, mount: Argument, content: bytes, *, recursive: bool) -> Call:
    flags = c.AT_EMPTY_PATH | (c.AT_RECURSIVE if recursive else 0)
    return Call(what, "mount_setattr", (mount, _EMPTY, flags, Memory(content), len(content)))

"""Masked and read-only paths (runtime-spec, config-linux.md), planned.

A path that is not there is no error. What covers it is the host's own null device or an empty directory made here,
never something that is looked up in the container (CVE-2025-31133).
"""

from __future__ import annotations

import os

from runtime.linux import constants as c
from runtime.linux.program import Call
from runtime.rootfs.attach import attach, change, copy_tree, new_filesystem
from runtime.rootfs.inside import close, open_inside
from runtime.rootfs.options import Attributes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runtime.linux.program import Argument

_ABSENT = (c.ENOENT, c.ENOTDIR, c.EACCES)
_UNLIKE = (c.EINVAL, c.ENOTDIR)  # what move_mount(2) says to a file over a directory
_COVER = c.MOUNT_ATTR_RDONLY | c.MOUNT_ATTR_NOSUID | c.MOUNT_ATTR_NODEV | c.MOUNT_ATTR_NOEXEC


def plan_mask(root: Argument, path: str) -> tuple[Call, ...]:
    """The null device over a file; over a directory, which refuses that, an empty one."""
    what = f"linux.maskedPaths: mask {path}"
    target = open_inside(what, root, path)
    null = Call(what, "openat", (c.AT_FDCWD, b"/dev/null", os.O_PATH | os.O_CLOEXEC | os.O_NOFOLLOW, 0))
    cover = copy_tree(what, null)
    empty = new_filesystem(what, "tmpfs", "tmpfs", ("size=4k", "nr_inodes=2", "mode=755"), _COVER)
    directory = (*empty, attach(what, empty[-1], target), close(empty[-1]))
    file = (null, cover, attach(what, cover, target, _UNLIKE, leave_out=len(directory)), *directory)
    return _where_it_is(target, (*file, close(null), close(cover), close(target)))


def plan_readonly(root: Argument, path: str) -> tuple[Call, ...]:
    """A copy of the mount over itself, with all below it, read-only."""
    what = f"linux.readonlyPaths: make {path} read-only"
    target = open_inside(what, root, path)
    copy = copy_tree(what, target, recursive=True)
    made = change(what, copy, Attributes(c.MOUNT_ATTR_RDONLY), recursive=True)
    return _where_it_is(target, (copy, *made, attach(what, copy, target), close(copy), close(target)))


def _where_it_is(target: Call, steps: tuple[Call, ...]) -> tuple[Call, ...]:
    """The steps, left out where the path is not there."""
    target.allowed, target.otherwise = _ABSENT, len(steps)
    return (target, *steps)

"""The ``cgroup`` mount of a config.json: the container's own control groups, on either version."""

from __future__ import annotations

import os

from runtime.linux import constants as c
from runtime.linux.program import Call
from runtime.rootfs.attach import attach, change, copy_tree, new_filesystem
from runtime.rootfs.inside import close, make_inside
from runtime.rootfs.options import Attributes
from runtime.values import Value, replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runtime.linux.program import Argument
    from runtime.rootfs.mounts import PlannedMount

_TMPFS = ("mode=755",)
_WRITABLE = c.MOUNT_ATTR_NOSUID | c.MOUNT_ATTR_NODEV | c.MOUNT_ATTR_NOEXEC


class CgroupTree(Value):
    """One hierarchy of the host: its options, its name below /sys/fs/cgroup, and the container's group in it."""

    options: tuple[str, ...]
    name: str
    directory: str


class CgroupTrees(Value):
    """All of them; ``own_namespace`` says that the container sees its own group as the root."""

    version: int
    trees: tuple[CgroupTree, ...]
    own_namespace: bool


def plan_cgroup_mount(root: Argument, planned: PlannedMount, host: CgroupTrees) -> tuple[Call, ...]:
    """On version 2 one mount; on version 1 a directory in memory with one mount for each hierarchy."""
    destination = planned.mount.destination
    if host.version == 2:
        return _plan_one(root, planned, destination, "cgroup2", host.trees[0], own=host.own_namespace)
    target = make_inside(planned.what, root, destination)
    made = new_filesystem(planned.what, "tmpfs", "tmpfs", _TMPFS, _WRITABLE)
    top = make_inside(planned.what, root, destination)
    return (
        *target, *made, attach(planned.what, made[-1], target[-1]), close(target[-1]), close(made[-1]),
        *(
            call for tree in host.trees
            for call in _plan_one(root, planned, f"{destination}/{tree.name}", "cgroup", tree, own=host.own_namespace)
        ),
        *top, *_links(top[-1], host.trees),
        *change(planned.what, top[-1], Attributes(planned.options.attributes.set & c.MOUNT_ATTR_RDONLY)),
        close(top[-1]),
    )  # fmt: skip


def _plan_one(  # noqa: PLR0913
    root: Argument, planned: PlannedMount, destination: str, kind: str, tree: CgroupTree, *, own: bool
) -> tuple[Call, ...]:
    target = make_inside(planned.what, root, destination)
    attributes = planned.options.attributes
    if own:
        made: tuple[Call, ...] = new_filesystem(planned.what, kind, "cgroup", tree.options, attributes.set)
        mount = made[-1]
    else:
        opened = Call(planned.what, "openat", (c.AT_FDCWD, os.fsencode(tree.directory), os.O_PATH | os.O_CLOEXEC, 0))
        mount = copy_tree(planned.what, opened)
        made = (opened, mount, close(opened))
    changes = change(planned.what, mount, replace(attributes, clear=0))
    return (*target, *made, *changes, attach(planned.what, mount, target[-1]), close(target[-1]), close(mount))


def _links(top: Argument, trees: tuple[CgroupTree, ...]) -> tuple[Call, ...]:
    """``cpu`` leads to ``cpu,cpuacct`` where both are one hierarchy, as on the host."""
    return tuple(
        Call(f"link {part}", "symlinkat", (os.fsencode(tree.name), top, os.fsencode(part)), (c.EEXIST,))
        for tree in trees
        if "," in tree.name
        for part in tree.name.split(",")
    )

"""What of the host a container's plan has to know: its control-group mounts."""

from __future__ import annotations

import os

from runtime.cgroups.hierarchy import UNIFIED, parse_mounts, read_mountinfo
from runtime.rootfs.cgroupfs import CgroupTree, CgroupTrees

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runtime.cgroups.group import ContainerCgroup
    from runtime.cgroups.hierarchy import Mount


def cgroup_trees(group: ContainerCgroup, *, own: bool) -> CgroupTrees:
    """The hierarchies that a container's group is in; ``own`` says that it has a cgroup namespace."""
    if group.version == 2:
        return CgroupTrees(2, (CgroupTree((), "", group.paths.get(UNIFIED, "/sys/fs/cgroup")),), own)
    mounts = (mount for mount in parse_mounts(read_mountinfo()) if UNIFIED not in mount.controllers)
    return CgroupTrees(1, tuple(tree for mount in mounts for tree in _trees(mount, group)), own)


def _trees(mount: Mount, group: ContainerCgroup) -> tuple[CgroupTree, ...]:
    """One, or none where the group is not in this hierarchy."""
    directories = [group.paths[name] for name in mount.controllers if name in group.paths]
    if not directories:
        return ()
    return (CgroupTree(mount.controllers, os.path.basename(mount.point), directories[0]),)


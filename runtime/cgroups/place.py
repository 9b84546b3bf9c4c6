"""Where a container's group is, below the mount of every hierarchy (config-linux.md, "Cgroups Path")."""

from __future__ import annotations

from runtime.cgroups.hierarchy import UNIFIED, CgroupError, Mount, version_of
from runtime.spec.reader import SpecError, show

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

DEFAULT_PARENT = "tare-runtime"
"""Above the groups of containers that name none. It is the runtime's own, and goes when it is empty."""

_PROPERTY = "linux.cgroupsPath"


def plan_place(
    cgroups_path: str | None, container_id: str, mounts: Sequence[Mount], own: dict[str, str]
) -> dict[str, str]:
    """The directory of each controller; `UNIFIED` is that of version 2.

    An absolute path is below each hierarchy's mount. A relative one, and the default, is below the group that the
    runtime itself is in (``own``, see `parse_own`), so that limits of an outer container bind its containers too; on
    version 2 it is *beside* that group, since no group with processes can hand controllers down. So does runc.
    Raises `SpecError` for a path that is none.
    """
    path = _checked(cgroups_path) if cgroups_path else f"{DEFAULT_PARENT}/{container_id}"
    version = version_of(tuple(mounts))
    directories: dict[str, str] = {}
    for mount in mounts:
        if version == 2 and mount.controllers != (UNIFIED,):
            continue  # systemd's own hierarchy, without a controller
        base = mount.point if path.startswith("/") else _base(mount, own, beside=version == 2)
        directory = f"{base}/{_clean(path)}"
        directories.update(dict.fromkeys(mount.controllers, directory))
    return directories


def _checked(path: str) -> str:
    if not path.startswith("/") and path.count(":") == 2:
        raise SpecError(_PROPERTY, f"{show(path)} is for systemd to make, and this runtime makes its groups itself")
    if ".." in path.split("/") or "\n" in path:
        raise SpecError(_PROPERTY, f"{show(path)} leads out of the hierarchy")
    if not _clean(path):
        raise SpecError(_PROPERTY, f"{show(path)} is the group of all processes")
    return path


def _clean(path: str) -> str:
    return "/".join(part for part in path.split("/") if part not in {"", "."})


def _base(mount: Mount, own: dict[str, str], *, beside: bool) -> str:
    """The runtime's own group as it is seen below this mount, or the one above it."""
    path = own.get(mount.controllers[0])
    if path is None:
        raise CgroupError(f"find the runtime's own cgroup: it has none of {mount.controllers[0] or 'version 2'}")
    parts = [part for part in path.split("/") if part]
    above = [part for part in mount.root.split("/") if part]
    # A mount that shows only a part of the hierarchy, as a container's does, shows the part that we are in.
    inside = parts[len(above) :] if parts[: len(above)] == above and ".." not in parts else []
    return "/".join([mount.point, *(inside[:-1] if beside else inside)])


def parse_own(text: str) -> dict[str, str]:
    """The group of each controller, from the text of ``/proc/self/cgroup`` (cgroups(7))."""
    own: dict[str, str] = {}
    for line in text.splitlines():
        _, controllers, path = line.split(":", 2)
        own.update(dict.fromkeys(controllers.split(","), path))
    return own

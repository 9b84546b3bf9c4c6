"""The mounts of a config.json, planned: made apart, and attached inside a root that may be hostile."""

from __future__ import annotations

from runtime.linux import constants as c
from runtime.linux.program import At, Call, Memory
from runtime.rootfs.attach import attach, change, new_filesystem, propagate
from runtime.rootfs.inside import close, make_inside, open_inside, parts_of
from runtime.spec.reader import SpecError, show
from runtime.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runtime.linux.program import Argument
    from runtime.rootfs.options import MountOptions
    from runtime.spec.config import Mount

_STATFS_BYTES = 120  # asm-generic/statfs.h; f_type comes first
_PURE = ("proc", "sysfs")

# What engines put a file of their own over: nothing in it reaches the host. All else in /proc does, or is a process's.
_COVERABLE = frozenset({
    ("proc", "cpuinfo"), ("proc", "diskstats"), ("proc", "meminfo"), ("proc", "stat"), ("proc", "swaps"),
    ("proc", "uptime"), ("proc", "loadavg"), ("proc", "slabinfo"), ("proc", "net", "dev"),
    ("proc", "sys", "kernel", "ns_last_pid"), ("proc", "sys", "crypto", "fips_enabled"),
})  # fmt: skip


class PlannedMount(Value):
    """A mount of the file; ``tree_fd`` is a mount that is ready and only has to be attached, as that of a bind.

    ``path`` is where its destination leads, where a symlink of the image on the way leads to what is not there yet.
    """

    where: str
    mount: Mount
    options: MountOptions
    tree_fd: int | None = None
    directory: bool = True
    path: str | None = None

    @property
    def what(self) -> str:
        """For an error message."""
        return f"{self.where}: mount {self.mount.type or self.mount.source or 'none'} on {self.mount.destination}"


def refuse_cover(where: str, mount: Mount) -> None:
    """Raise `SpecError` for a mount over /proc, or in it, that would lead a later write elsewhere (CVE-2019-16884)."""
    parts = parts_of(mount.destination)
    if parts[:1] != ("proc",) or parts in _COVERABLE or (parts == ("proc",) and mount.type == "proc"):
        return
    if parts == ("proc",) and mount.type in {None, "none", "bind"}:
        return  # of the host's /proc, which whoever opens the source sees to
    raise SpecError(f"{where}.destination", f"{show(mount.destination)} is in /proc, where only the kernel may be seen")


def plan_mount(root: Argument, planned: PlannedMount) -> tuple[Call, ...]:
    """From the path in the root to the mount on it."""
    if planned.options.remount:
        return _remount(root, planned)
    strict = planned.mount.type in _PURE
    # Where a link leads is asked for other kinds only: a /proc that is one would be wherever another moves it.
    path = planned.mount.destination if strict else planned.path or planned.mount.destination
    target = make_inside(planned.what, root, path, directory=planned.directory, strict=strict)
    harmless = strict or (planned.path is None and parts_of(planned.mount.destination) in _COVERABLE)
    guard = () if harmless else not_in_proc(planned.what, target[-1])
    made, mount = _made(planned)
    return (*target, *guard, *made, attach(planned.what, mount, target[-1]), close(target[-1]), close(mount))


def _made(planned: PlannedMount) -> tuple[tuple[Call, ...], Argument]:
    """What makes the mount, and its descriptor."""
    if planned.tree_fd is not None:
        return (), planned.tree_fd
    options = planned.options
    calls = new_filesystem(
        planned.what, planned.mount.type or "", planned.mount.source, options.data, options.attributes.set
    )
    return (*calls, *configure(planned, calls[-1])), calls[-1]


def configure(planned: PlannedMount, mount: Argument) -> tuple[Call, ...]:
    """What a mount that is attached nowhere yet is given: attributes and propagation."""
    options = planned.options
    return (
        *change(planned.what, mount, options.attributes),
        *change(planned.what, mount, options.recursive, recursive=True),
        *(propagate(planned.what, mount, flags) for flags in options.propagation),
    )


def _remount(root: Argument, planned: PlannedMount) -> tuple[Call, ...]:
    opened = open_inside(planned.what, root, planned.mount.destination)
    return (opened, *configure(planned, opened), close(opened))


def not_in_proc(what: str, target: Argument) -> tuple[Call, ...]:
    """A symlink of the image may have led into /proc, whose own names are not looked at (CVE-2023-27561)."""
    statfs = Memory(bytes(_STATFS_BYTES))
    return (
        Call(what, "fstatfs", (target, statfs)),
        Call(f"{what}: the path leads into /proc", "refuse", (At(statfs, 0), c.PROC_SUPER_MAGIC)),
    )

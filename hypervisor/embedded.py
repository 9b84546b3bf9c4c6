"""The directory of libvirt's embedded QEMU driver: what must be in it before the driver is opened.

The driver is a whole libvirtd inside our process, with a root of its own instead of /etc, /run and /var/lib. Its
domains are known to nobody else, but their state is kept below the root: who opens it later finds them again.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from hypervisor.errors import HostLacks

if TYPE_CHECKING:
    from collections.abc import Iterator

# stdio_handler: there is no virtlogd to write the console, so QEMU does. cgroup_controllers: memory is what we read,
# the others would only add directories; cpuacct because on a hybrid host libvirt 9 refuses a version 2 hierarchy that
# has none of the controllers asked for ("v2 controller '(null)' is not available"), and this one is always there.
_QEMU_CONF = """\
stdio_handler = "file"
cgroup_controllers = [ "memory", "cpuacct" ]
"""
_CGROUPS = Path("/sys/fs/cgroup")


def prepare_root(root: Path, cache: Path) -> None:
    """Lay the root out. ``cache`` outlives it: QEMU's capabilities cost seconds to find out."""
    try:
        (root / "etc").mkdir(parents=True, exist_ok=True)
        root.chmod(0o711)
        (root / "etc" / "qemu.conf").write_text(_QEMU_CONF)
        cache.mkdir(parents=True, exist_ok=True)
        if not (root / "cache").is_symlink():
            (root / "cache").symlink_to(cache)
    except OSError as error:
        raise HostLacks(
            f"prepare the embedded libvirt at {root}: {error.strerror}",
            hint="run as root, or name a directory that you may write",
        ) from error


def machine_groups() -> frozenset[Path]:
    """The control groups below which libvirt puts domains when there is no systemd, in every hierarchy."""
    return frozenset(path for path in _candidates() if path.is_dir())


def remove_machine_groups(before: frozenset[Path]) -> None:
    """Remove those that were not there before and that nobody uses: a group in use refuses (EBUSY)."""
    for path in _candidates():
        if path not in before:
            try:
                path.rmdir()
            except OSError:
                continue


def _candidates() -> Iterator[Path]:
    yield _CGROUPS / "machine"
    yield from (hierarchy / "machine" for hierarchy in _CGROUPS.glob("*") if hierarchy.is_dir())

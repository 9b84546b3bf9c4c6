"""What one domain costs its host: read from procfs, the memory controller and the guest's balloon."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_CGROUPS = Path("/sys/fs/cgroup")


@dataclass(frozen=True, slots=True)
class DomainStats:
    """Bytes by several definitions; None is *not measurable here*, never zero.

    ``pss_bytes`` and ``rss_bytes`` are QEMU's (smaps_rollup). ``cgroup_bytes`` is the usage of the control group that
    libvirt made for the domain. ``guest_used_bytes`` is total less available memory as the guest's kernel sees it.
    """

    pss_bytes: int | None
    rss_bytes: int | None
    cgroup_bytes: int | None
    configured_bytes: int
    guest_used_bytes: int | None
    processes: int


def process_memory(pid: int) -> tuple[int | None, int | None]:
    """(PSS, RSS) of a process in bytes; None where it has gone or may not be read."""
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return None, None
    kib = {key: value.split()[0] for key, _, value in (line.partition(":") for line in text.splitlines()[1:])}
    return _bytes(kib.get("Pss")), _bytes(kib.get("Rss"))


def cgroup_memory(pid: int) -> int | None:
    """Usage of the control group that libvirt made for the process, v1 or v2; None without such a group."""
    try:
        membership = Path(f"/proc/{pid}/cgroup").read_text()
    except OSError:
        return None
    for usage in cgroup_usage_files(membership):
        try:
            return int(usage.read_text())
        except OSError:
            continue
    return None


def guest_used(balloon: Mapping[str, int]) -> int | None:
    """Total less available, from virDomainMemoryStats; None until the guest's balloon driver has reported."""
    if "available" not in balloon or "usable" not in balloon:
        return None
    # In libvirt's words "available" is all the memory the guest has, and "usable" what it could still use.
    return (balloon["available"] - balloon["usable"]) * 1024


def cgroup_usage_files(membership: str) -> list[Path]:
    """Where the usage may stand, for the lines of /proc/PID/cgroup (cgroups(7))."""
    files = []
    for line in membership.splitlines():
        _, controllers, path = line.split(":", 2)
        group = _domain_group(path)
        if group and "memory" in controllers.split(","):
            files.append(_CGROUPS / "memory" / group / "memory.usage_in_bytes")
        elif group and not controllers:
            files.append(_CGROUPS / group / "memory.current")
    return files


def _domain_group(path: str) -> str | None:
    """The domain's own group: QEMU may sit in a child of it (emulator, libvirt)."""
    parts = path.strip("/").split("/")
    for depth, part in enumerate(parts, start=1):
        if part.startswith(("qemu-", "machine-qemu")):
            return "/".join(parts[:depth])
    return None


def _bytes(kib: str | None) -> int | None:
    return None if kib is None else int(kib) * 1024

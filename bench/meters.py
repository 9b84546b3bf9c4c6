"""What is read from the host: memory as the kernel accounts for it, and how long to wait until it has settled."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_KIB = 1024

# Metric of bench.metrics -> field of /proc/meminfo (proc_meminfo(5)).
MEMINFO_METRICS = {
    "host_available": "MemAvailable",
    "host_free": "MemFree",
    "host_cached": "Cached",
    "host_anon": "AnonPages",
    "host_shmem": "Shmem",
    "host_slab_reclaimable": "SReclaimable",
    "host_slab_unreclaimable": "SUnreclaim",
    "host_page_tables": "PageTables",
    "host_kernel_stack": "KernelStack",
    "host_percpu": "Percpu",
}


def parse_meminfo(text: str) -> dict[str, int]:
    """Every field that has a unit, in bytes."""
    rows = (line.split() for line in text.splitlines())
    return {row[0].rstrip(":"): int(row[1]) * _KIB for row in rows if len(row) == 3 and row[2] == "kB"}


def read_meminfo() -> dict[str, int]:
    """``/proc/meminfo`` now, in bytes."""
    return parse_meminfo(Path("/proc/meminfo").read_text(encoding="ascii"))


@dataclass(frozen=True, slots=True)
class Settling:
    """When a reading counts as settled: within ``window_s`` it moved by no more than ``tolerance_bytes``."""

    window_s: float = 0.1
    readings: int = 5
    tolerance_bytes: int = 512 * _KIB
    deadline_s: float = 3.0


# Before a treatment: what the one before it left to the kernel to free has to be gone, or it would be taken for ours.
CALM = Settling(window_s=1.0, readings=10, tolerance_bytes=512 * _KIB, deadline_s=8.0)


@dataclass(frozen=True, slots=True)
class Settled:
    """The last reading, and whether it had settled before the deadline."""

    meminfo: dict[str, int]
    settled: bool
    waited_s: float


def settle(rule: Settling, read: Callable[[], dict[str, int]] = read_meminfo) -> Settled:
    """Read until MemAvailable holds still, or the deadline passes."""
    started = time.monotonic()
    while True:
        window = []
        for _ in range(rule.readings):
            window.append(read())
            time.sleep(rule.window_s / rule.readings)
        available = [meminfo["MemAvailable"] for meminfo in window]
        settled = max(available) - min(available) <= rule.tolerance_bytes
        waited_s = time.monotonic() - started
        if settled or waited_s > rule.deadline_s:
            return Settled(window[-1], settled, waited_s)


@dataclass(frozen=True, slots=True)
class ProcessMemory:
    """Summed over processes; None where not one of them could be read."""

    pss_bytes: int | None
    rss_bytes: int | None
    processes: int


def process_memory(pids: Iterable[int]) -> ProcessMemory:
    """Pss and Rss of ``/proc/PID/smaps_rollup``, summed; a process that has just ended counts nothing."""
    rows = [row for row in map(_smaps_rollup, pids) if row is not None]
    if not rows:
        return ProcessMemory(None, None, 0)
    return ProcessMemory(sum(pss for pss, _ in rows), sum(rss for _, rss in rows), len(rows))


def _smaps_rollup(pid: int) -> tuple[int, int] | None:
    try:
        fields = parse_meminfo(Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii"))
    except (FileNotFoundError, ProcessLookupError):
        return None
    return fields["Pss"], fields["Rss"]

"""What a container uses, as `docker stats` computes it (docker/cli, container/stats_helpers.go).

Two samples make one line: the processor's share is what was used between them, of what the host's processors did.
"""

from __future__ import annotations

import os
import time

from runtime.engine.errors import NotRunning
from runtime.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from runtime.engine.container import Container

GROUPS = "/tare-engine"
"""Where the control groups of containers are; each is called by its id."""

_TICK_NS = 1_000_000_000 // os.sysconf("SC_CLK_TCK")
_RUNNING_FIELDS = 8  # user nice system idle iowait irq softirq steal (proc_stat(5)); guests are in user already


class Sample(Value):
    """What it has used up to a moment; times are nanoseconds, everything else bytes and counts."""

    taken_at_ns: int
    cpu_ns: int = 0
    host_cpu_ns: int = 0
    online_cpus: int = 1
    memory_bytes: int = 0
    memory_limit_bytes: int = 0
    received_bytes: int = 0
    sent_bytes: int = 0
    read_bytes: int = 0
    written_bytes: int = 0
    pids: int = 0


class Statistics(Value):
    """One line of `stats`; percentages are of one processor, and of the memory that it may have."""

    container_id: str
    name: str
    sample: Sample
    cpu_percent: float = 0.0

    @property
    def memory_percent(self) -> float:
        """Of the limit."""
        limit = self.sample.memory_limit_bytes
        return 100 * self.sample.memory_bytes / limit if limit else 0.0


def take(container_id: str, pid: int) -> Sample:
    """How much it has used by now; what the kernel does not count is 0."""
    from runtime.cgroups.group import ContainerCgroup

    group = ContainerCgroup.resolve(f"{GROUPS}/{container_id}", container_id)
    used = group.stats()
    memory, limit = _memory(used.get("memory", {}), group.version)
    received, sent = _network(pid)
    read, written = _block_io(used.get("blkio", {}))
    return Sample(
        time.time_ns(),
        int(used.get("cpu", {}).get("usage", {}).get("total", 0)),
        *_host(),
        memory, limit, received, sent, read, written,
        int(used.get("pids", {}).get("current", 0)),
    )  # fmt: skip


def compare(container: Container, before: Sample | None, now: Sample) -> Statistics:
    """What `now` means, with a share of the processors if there is a sample from before."""
    share = 0.0
    if before is not None:
        used, host = now.cpu_ns - before.cpu_ns, now.host_cpu_ns - before.host_cpu_ns
        share = 100 * used / host * now.online_cpus if used > 0 and host > 0 else 0.0
    return Statistics(container.id, container.name, now, share)


def follow(container: Container, interval_s: float = 1.0) -> Iterator[Statistics]:
    """A line now, without the processor's share, and one after each interval until it has ended.

    Raises `NotRunning` if it does not run at all.
    """
    from runtime.engine.states import read_state

    pid = container.state.pid
    if not pid:
        raise NotRunning(container.id)
    before = None
    while pid and read_state(container.home, container.id).pid == pid:
        now = _take_while_there(container.id, pid)
        if now is None:
            return
        yield compare(container, before, now)
        before = now
        time.sleep(interval_s)


def once(container: Container, interval_s: float = 1.0) -> Statistics:
    """One line with the processor's share, which takes the interval; zeros for one that does not run, as Docker."""
    pid = container.state.pid
    before = _take_while_there(container.id, pid) if pid else None
    if before is None:
        return Statistics(container.id, container.name, Sample(time.time_ns()))
    time.sleep(interval_s)
    return compare(container, before, _take_while_there(container.id, pid) or before)


def _take_while_there(container_id: str, pid: int) -> Sample | None:
    from runtime.cgroups.hierarchy import CgroupError

    try:
        return take(container_id, pid)
    except (CgroupError, OSError):
        return None  # it has just ended


def _memory(memory: dict[str, Any], version: int) -> tuple[int, int]:
    """Without what the kernel would give up first; the limit is the host's memory where there is none."""
    usage, raw = memory.get("usage", {}), memory.get("raw", {})
    used = int(usage.get("usage", 0))
    inactive = int(raw.get("total_inactive_file" if version == 1 else "inactive_file", 0))
    host = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return used - inactive if inactive < used else used, min(int(usage.get("limit", host)), host)


def _network(pid: int) -> tuple[int, int]:
    """Bytes in and out of all its interfaces but the loopback (proc_pid_net(5), dev)."""
    received = sent = 0
    try:
        with open(f"/proc/{pid}/net/dev", encoding="ascii") as file:
            lines = file.read().splitlines()[2:]
    except OSError:
        return 0, 0
    for line in lines:
        name, _, rest = line.partition(":")
        if name.strip() != "lo":
            numbers = rest.split()
            received, sent = received + int(numbers[0]), sent + int(numbers[8])
    return received, sent


def _block_io(used: dict[str, Any]) -> tuple[int, int]:
    entries = used.get("ioServiceBytesRecursive", ())
    read, written = (sum(one["value"] for one in entries if one["op"].lower() == kind) for kind in ("read", "write"))
    return read, written


def _host() -> tuple[int, int]:
    """What all processors have done, and how many there are."""
    with open("/proc/stat", encoding="ascii") as file:
        lines = [line.split() for line in file if line.startswith("cpu")]
    total = sum(map(int, lines[0][1 : 1 + _RUNNING_FIELDS]))
    return total * _TICK_NS, max(len(lines) - 1, 1)

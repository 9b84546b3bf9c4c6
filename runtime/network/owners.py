"""Who holds something: an id, and a process that can be told from a later one with the same number.

A pid alone is reused; with the start time (proc(5), /proc/PID/stat, field 22) and the boot it names one process.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from runtime.network.errors import NetworkError

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}")
_START_TIME = 19  # counted behind the command, which may hold anything


@dataclass(frozen=True, slots=True)
class Owner:
    """A container's id, and the process on whose life the holding depends."""

    id: str
    pid: int
    start_time_ticks: int
    boot_id: str

    def is_alive(self) -> bool:
        """Whether that very process still runs."""
        return self.boot_id == boot_id() and start_time_ticks(self.pid) == self.start_time_ticks

    def to_json(self) -> dict[str, Any]:
        """As it is stored."""
        return {"id": self.id, "pid": self.pid, "startTime": self.start_time_ticks, "boot": self.boot_id}

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> Owner:
        """What `to_json` made; raises `KeyError` or `TypeError` for anything else."""
        return cls(document["id"], document["pid"], document["startTime"], document["boot"])


def owner(container_id: str, pid: int | None = None) -> Owner:
    """The container with its process, or with this one for the time being; raises `NetworkError`."""
    if not _ID.fullmatch(container_id):
        raise NetworkError(f"name an owner {container_id!r}: letters, digits, '_', '.' and '-' only, 128 at most")
    number = os.getpid() if pid is None else pid
    started = start_time_ticks(number)
    if started is None:
        raise NetworkError(f"give {container_id} to process {number}: there is no such process")
    return Owner(container_id, number, started, boot_id())


def start_time_ticks(pid: int) -> int | None:
    """When the process started, in clock ticks since boot; None if it has ended, reaped or not."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return None
    return None if fields[0] in {b"Z", b"X"} else int(fields[_START_TIME])


@lru_cache
def boot_id() -> str:
    """The running kernel's own (random(4))."""
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()

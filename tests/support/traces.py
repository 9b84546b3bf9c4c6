"""What a run with an engine of its own has on the host, told apart from other engines that are at work there."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path

from tests.support.command import DATA, RUNS, wait_until


@dataclass(frozen=True)
class Traces:
    """What an engine in a run's directory is known by on the host, whoever else has engines there."""

    run: str
    containers: frozenset[str] = frozenset()
    networks: frozenset[str] = frozenset()

    def left(self) -> list[str]:
        """Processes, groups, links, mounts and directories of it."""
        mounts = Path("/proc/self/mounts").read_text().splitlines()
        aliases = [path.read_text() for path in Path("/sys/class/net").glob("*/ifalias")]
        groups = [str(path) for path in Path("/sys/fs/cgroup").glob("*/tare-engine/*")]
        found = [group for group in groups if any(one in group for one in self.containers)]
        found += [alias for alias in aliases if any(one in alias for one in self.networks)]
        found += [mount for mount in mounts if f"{DATA}/runs/{self.run}/" in mount]
        found += [f"process {pid}" for pid in self.processes()]
        return [*found, *(str(root / self.run) for root in (DATA / "runs", RUNS) if (root / self.run).exists())]

    def processes(self) -> list[str]:
        """Those that name its directory, or are in a container's group; who has ended may not be reaped yet."""
        marks = [f"{DATA}/runs/{self.run}/".encode(), *(name.encode() for name in self.containers)]
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                text = b"".join((process / name).read_bytes() for name in ("cmdline", "environ", "cgroup"))
                if any(mark in text for mark in marks) and "\nState:\tZ" not in (process / "status").read_text():
                    found.append(process.name)
        return found


def assert_nothing_is_left(of: Traces) -> None:
    """Once the kernel has had its time."""
    wait_until(lambda: not of.left(), "nothing is left", 60)

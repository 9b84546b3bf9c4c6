"""What the host sees of a container: its processes under other numbers, its files in two directories."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class Process:
    """A process, by its number on the host and the one it has in its own pid namespace."""

    pid: int
    inner_pid: int
    parent: int
    command: str


def read_process(pid: int) -> Process | None:
    """What /proc/PID/status and cmdline say (proc(5)); None for one that has gone."""
    try:
        status = (_PROC / str(pid) / "status").read_text(encoding="utf-8", errors="replace")
        command = (_PROC / str(pid) / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        return None
    fields = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
    numbers = fields.get("NSpid", str(pid)).split()
    return Process(pid, int(numbers[-1]), int(fields["PPid"]), command)


def processes_called(command: str) -> Iterator[Process]:
    """All of the host with exactly this command line, inside a pid namespace or not."""
    for entry in _PROC.iterdir():
        if entry.name.isdigit():
            process = read_process(int(entry.name))
            if process is not None and process.command == command:
                yield process


def files_called(name: str, *places: Path) -> list[Path]:
    """Everything of this name at or below the places, in all that is mounted there."""
    found = []
    for place in places:
        for directory, directories, files in os.walk(place):
            found += [Path(directory, name) for one in (*directories, *files) if one == name]
    return sorted(set(found))

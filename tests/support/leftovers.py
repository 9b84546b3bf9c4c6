"""What a container leaves on the host, found without asking the runtime, and taken away whatever state it is in.

Everything that a test makes bears a mark in its name. Processes need none: whoever is orphaned below this process is
handed to it, so that what is new among its descendants is the test's.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_PR_SET_CHILD_SUBREAPER = 36
_LIBC = ctypes.CDLL(None, use_errno=True)
_GONE_WITHIN_S = 10.0


@contextlib.contextmanager
def adopted_orphans() -> Iterator[frozenset[int]]:
    """Be the parent of every orphan (PR_SET_CHILD_SUBREAPER(2const)); gives the descendants there are already."""
    assert _LIBC.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0
    try:
        yield descendants()
    finally:
        _LIBC.prctl(_PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)


def descendants(pid: int | None = None) -> frozenset[int]:
    """Everybody below a process, this one unless it is given, zombies included."""
    found: set[int] = set()
    waiting = [os.getpid() if pid is None else pid]
    while waiting:
        children = _children(waiting.pop())
        waiting += children
        found |= set(children)
    return frozenset(found)


def _children(pid: int) -> list[int]:
    children: list[int] = []
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                children += map(int, (task / "children").read_text().split())
    return children


def living(before: frozenset[int]) -> list[int]:
    """Descendants that are new and no zombies; what has ended is reaped."""
    reap(before)
    return [pid for pid in descendants() - before if any(state not in "ZX" for state in _states(pid))]


def reap(before: frozenset[int]) -> None:
    """Wait for every descendant that is new and has ended."""
    for pid in descendants() - before:
        with contextlib.suppress(ChildProcessError):
            os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG)


def _states(pid: int) -> list[str]:
    """Of every thread: when the first has ended, and others have not, the process is none that can be reaped."""
    states = []
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                states.append((task / "stat").read_text().rpartition(")")[2].split()[0])
    return states


def cgroups(mark: str) -> list[Path]:
    """Directories of every hierarchy whose name begins with the mark, and those below them, deepest first."""
    lines = [line.split() for line in mountinfo() if line.split(" - ")[1].split()[0] in {"cgroup", "cgroup2"}]
    # The first mount of each, where they belong: other tests have more of them, and hierarchies of their own.
    roots = {words[2]: words[4] for words in reversed(lines) if words[4].startswith("/sys/fs/cgroup")}
    found = [Path(path) for root in roots.values() for path, _, _ in os.walk(root) if f"/{mark}" in path]
    return sorted(found, key=lambda path: len(path.parts), reverse=True)


def mountinfo(pid: int | str = "self") -> list[str]:
    """The lines of /proc/PID/mountinfo (proc_pid_mountinfo(5))."""
    return Path(f"/proc/{pid}/mountinfo").read_text().splitlines()


def mounts(below: Path) -> list[str]:
    """Mount points of the host at or below a directory, the last mounted first."""
    points = [line.split()[4] for line in mountinfo()]
    return [point for point in reversed(points) if Path(point).is_relative_to(below)]


def take_away(mark: str, directory: Path, before: frozenset[int]) -> list[str]:
    """Kill, unmount and remove whatever is left, after a while in which it may still go; says what it was."""
    deadline = time.monotonic() + _GONE_WITHIN_S
    while (left := _left(mark, directory, before)) and time.monotonic() < deadline:
        time.sleep(0.02)
    _kill(before)
    for point in mounts(directory):
        subprocess.run(("umount", "--lazy", point), check=False, capture_output=True)
    for group in cgroups(mark):
        with contextlib.suppress(OSError):
            group.rmdir()
    return left


def _left(mark: str, directory: Path, before: frozenset[int]) -> list[str]:
    processes = [f"process {pid} {_command(pid)}" for pid in living(before)]
    return [*processes, *map(str, cgroups(mark)), *mounts(directory)]


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ").strip()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def _kill(before: frozenset[int]) -> None:
    deadline = time.monotonic() + _GONE_WITHIN_S
    while (alive := living(before)) and time.monotonic() < deadline:
        for pid in alive:
            _thaw(pid)
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.02)


def _thaw(pid: int) -> None:
    """A process in a frozen group of version 1 does not die of SIGKILL (cgroup-v1/freezer-subsystem.rst)."""
    with contextlib.suppress(OSError):
        lines = Path(f"/proc/{pid}/cgroup").read_text().splitlines()
        for group in (line.split(":")[2] for line in lines if line.split(":")[1] == "freezer"):
            if group != "/":
                Path(f"/sys/fs/cgroup/freezer{group}/freezer.state").write_text("THAWED")

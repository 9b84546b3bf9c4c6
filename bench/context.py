"""One run's claim on the host: the lock, the run's own directories, and what else carries its label.

Only one run measures at a time: two would disturb each other's figures even where they shared no name. The lock is
the kernel's (flock), so that a killed run does not hold it; what such a run left is found by its directory under the
run root, and is for ``bench clean``.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import shutil
import time
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from bench.workload import HostCannot

if TYPE_CHECKING:
    from collections.abc import Iterator

DATA_ROOT = Path("/var/lib/tare")
RUN_ROOT = Path("/run/tare")


class Busy(Exception):
    """Another run holds the host; the message says which."""


class LeftOver(Exception):
    """A killed run left something behind; the message says what, and how to remove it."""


@dataclass(frozen=True, slots=True)
class Roots:
    """Where caches live (``data``: images, layers, guests) and where runs do (``run``: gone with the run)."""

    data: Path = DATA_ROOT
    run: Path = RUN_ROOT

    @property
    def lock(self) -> Path:
        """Held for the length of a run."""
        return self.data / "lock"

    @property
    def containers(self) -> Path:
        """Upper directories and logs, one directory per run."""
        return self.data / "runs"

    @property
    def networks(self) -> tuple[Path, Path]:
        """Where containers' networks are kept, and where it is noted what they have on the host."""
        return self.data / "networks", self.run.with_name(f"{self.run.name}-networks")


@dataclass(frozen=True, slots=True)
class RunContext:
    """A run's identity and its own places on the host."""

    run_id: str
    roots: Roots

    @property
    def label(self) -> str:
        """What everything of the run carries where it can: link aliases, command lines."""
        return f"tare:{self.run_id}"

    @property
    def directory(self) -> Path:
        """State that is gone with the run: sockets, mount point, console logs."""
        return self.roots.run / self.run_id

    @property
    def containers(self) -> Path:
        """The run's containers' directories, on disk."""
        return self.roots.containers / self.run_id

    @property
    def engine(self) -> Path:
        """A home for an engine of the run's own: containers, images and networks that nobody else sees."""
        return self.containers / "engine"

    @property
    def cgroup(self) -> str:
        """The control group above the run's own, below each hierarchy's mount."""
        return f"tare/{self.run_id}"


def new_run_id() -> str:
    """Short, sortable by time, unlike any before."""
    return time.strftime("%Y%m%d-%H%M%S", time.gmtime()) + "-" + secrets.token_hex(4)


@contextmanager
def host_lock(roots: Roots) -> Iterator[None]:
    """Hold the host, or raise `Busy` naming who does."""
    with _open_lock(roots) as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            raise Busy(f"another run is under way ({lock.read().strip() or 'just starting'})") from None
        lock.truncate(0)
        lock.write(f"pid {os.getpid()}, since {time.strftime('%H:%M:%S')}\n")
        lock.flush()
        try:
            yield
        finally:
            lock.truncate(0)


def _open_lock(roots: Roots) -> TextIO:
    try:
        roots.data.mkdir(parents=True, exist_ok=True)
        return roots.lock.open("a+", encoding="utf-8")
    except PermissionError as error:
        raise HostCannot(f"hold the host by {roots.lock}: needs root", "run it again as root, or with sudo") from error
    except OSError as error:
        raise HostCannot(f"hold the host by {roots.lock}: {error.strerror}", f"make {roots.data} writable") from error


def killed_runs(roots: Roots) -> tuple[str, ...]:
    """Ids of runs that left a directory behind; call it with the lock held, when none can be alive."""
    found = {path.name for root in (roots.run, roots.containers) if root.is_dir() for path in root.iterdir()}
    return tuple(sorted(found))


def refuse_leftovers(roots: Roots) -> None:
    """Raise `LeftOver` if a killed run left something; call it with the lock held."""
    killed = killed_runs(roots)
    if killed:
        raise LeftOver(f"a killed run left something behind ({', '.join(killed)})")


@contextmanager
def run_directories(context: RunContext) -> Iterator[None]:
    """The run's own directories; removed on the way out, however that comes."""
    with ExitStack() as stack:
        for directory in (context.directory, context.containers):
            stack.callback(remove_run_directory, directory)
            directory.mkdir(parents=True)
        (context.directory / "run.json").write_text(json.dumps({"pid": os.getpid()}), encoding="utf-8")
        yield


def remove_run_directory(directory: Path) -> None:
    """Remove a run's directory, and the one above it when it was the last."""
    shutil.rmtree(directory, ignore_errors=True)
    with suppress(OSError):
        directory.parent.rmdir()

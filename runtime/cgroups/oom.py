"""Out of memory: how often a group's processes were killed for it, and a watch for the moment when memory runs out."""

from __future__ import annotations

import os
import select

from runtime.cgroups.files import doing, pairs, read_if_there, write_raw
from runtime.cgroups.hierarchy import CgroupError
from runtime.unwinding import suppress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self


def count_kills(version: int, directory: str) -> int:
    """How many processes were killed so far; none of a group that is gone."""
    text = read_if_there(f"{directory}/{_file(version)}")
    return pairs(text or "").get("oom_kill", 0)


def _file(version: int) -> str:
    return "memory.oom_control" if version == 1 else "memory.events"


class OomWatch:
    """Tells that the group at ``directory`` has run out of memory, from now on; a context manager.

    ``fd`` can be polled for ``mask`` together with others; `wait` (with a timeout of 0) then says what it was.
    Version 1 tells by an eventfd, also when it is the group's end (cgroup-v1/memory.rst, "OOM Control"), version 2 by
    a change of ``memory.events``.
    """

    def __init__(self, version: int, directory: str) -> None:
        self._version = version
        self._path = f"{directory}/{_file(version)}"
        with doing(f"open {self._path}"):
            self._file = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        self.fd = self._file
        self.mask = select.POLLPRI
        try:
            self._count = self._seen() or 0
            if version == 1:
                self._ask_for_events(directory)
        except (OSError, CgroupError):
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stop watching. Idempotent."""
        for fd in {self._file, self.fd} - {-1}:
            os.close(fd)
        self._file = self.fd = -1

    def wait(self, timeout_s: float | None = None) -> int | None:
        """How often memory ran out since the last call, 0 if it did not; None once the group is gone."""
        poller = select.poll()
        poller.register(self.fd, self.mask)
        if not poller.poll(None if timeout_s is None else timeout_s * 1_000):
            return 0
        if self._version == 1:
            times = os.eventfd_read(self.fd)
            return times if os.path.exists(self._path) else None
        count = self._seen()
        if count is None:
            return None
        times, self._count = count - self._count, count
        return times

    def _ask_for_events(self, directory: str) -> None:
        self.fd = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self.mask = select.POLLIN
        with doing(f"watch {self._path}"):
            write_raw(f"{directory}/cgroup.event_control", f"{self.fd} {self._file}")

    def _seen(self) -> int | None:
        """Of ``memory.events``: kills, which are what engines call an OOM event; None of a group that is gone."""
        with suppress(OSError):
            text = os.pread(self._file, 4_096, 0).decode()
            return pairs(text).get("oom_kill", 0)
        return None

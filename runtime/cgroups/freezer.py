"""A group's processes stopped where they are, and let go on, on either version."""

from __future__ import annotations

import time

from runtime.cgroups.files import pairs, read, read_if_there, write
from runtime.cgroups.hierarchy import CgroupError
from runtime.values import Value

_DEADLINE_S = 10.0
_AGAIN_EVERY = 50


class Freezer(Value):
    """The freezer of the group at ``directory``."""

    version: int
    directory: str

    def freeze(self) -> None:
        """Stop all, and return when they have stopped. A failure leaves none of them stopped."""
        try:
            self._set(frozen=True)
            self._wait()
        except CgroupError:
            self.thaw()
            raise

    def thaw(self) -> None:
        """Let them go on."""
        self._set(frozen=False)

    def is_frozen(self) -> bool:
        """Whether it was this group, not one above it, that was told to stop; no group that is gone was."""
        file = "freezer.self_freezing" if self.version == 1 else "cgroup.freeze"
        return (read_if_there(f"{self.directory}/{file}") or "0").strip() == "1"

    def _set(self, *, frozen: bool) -> None:
        if self.version == 2:
            write(f"{self.directory}/cgroup.freeze", str(int(frozen)))
        else:
            write(f"{self.directory}/freezer.state", "FROZEN" if frozen else "THAWED")

    def _has_stopped(self) -> bool:
        if self.version == 2:
            return pairs(read(f"{self.directory}/cgroup.events")).get("frozen") == 1
        return read(f"{self.directory}/freezer.state").strip() == "FROZEN"

    def _wait(self) -> None:
        deadline = time.monotonic() + _DEADLINE_S
        attempts = 0
        while not self._has_stopped():
            if time.monotonic() > deadline:
                raise CgroupError(f"freeze cgroup {self.directory}: it has not stopped in {_DEADLINE_S:g} s")
            time.sleep(0.001)
            attempts += 1
            if self.version == 1:
                self._insist(attempts)

    def _insist(self, attempts: int) -> None:
        """Version 1 misses processes that are being forked meanwhile: say it again, and now and then start afresh."""
        if attempts % _AGAIN_EVERY == 0:
            self.thaw()
            time.sleep(0.001)
        self._set(frozen=True)

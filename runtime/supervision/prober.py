"""Run a container's health check again and again: one probe at a time, bounded in time and in what it says.

A probe that takes too long is killed with its process group; the next one waits until it has really ended. While the
container is paused nothing is asked and nothing is held against it.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from typing import TYPE_CHECKING, Any

from runtime.supervision.exits import open_process
from runtime.supervision.health import OUTPUT_BYTES, PROBE_FAILED, Health, ProbeResult, next_health, next_probe_s
from runtime.supervision.helper import Helper
from runtime.supervision.life import ProcessId
from runtime.supervision.loop import IN
from runtime.supervision.times import now
from runtime.supervision.verbs import probe

if TYPE_CHECKING:
    from collections.abc import Callable

    from runtime.container.store import Store
    from runtime.supervision.health import HealthCheck
    from runtime.supervision.loop import Loop, Timer

_CHUNK = 65536


class Prober:
    """Of one run of a container. ``changed`` is called with the health and the probe that runs, if one does."""

    def __init__(
        self,
        loop: Loop,
        work: tuple[Store, str, HealthCheck],
        health: Health,
        running_s: float,
        changed: Callable[[Health, ProcessId | None], None],
    ) -> None:
        """Begin. ``running_s`` is how long the container has been running already."""
        self._loop = loop
        self._work = work
        self._check = work[2]
        self._health = health
        self._started_s = time.monotonic() - running_s
        self._changed = changed
        self._ended = False
        self._probe: _Probe | None = None
        self._timer: Timer | None = None
        self._schedule()

    def end(self) -> None:
        """The container has ended, and its probe with it."""
        self._ended = True
        if self._timer is not None:
            self._timer.cancel()
        if self._probe is not None:
            self._probe.kill()

    def _schedule(self) -> None:
        if not self._ended:
            wait_s = next_probe_s(self._check, self._health, self._running_s())
            self._timer = self._loop.after(wait_s, self._begin)

    def _running_s(self) -> float:
        return time.monotonic() - self._started_s

    def _begin(self) -> None:
        began_s = self._running_s()

        def found(result: ProbeResult | None) -> None:
            if self._ended:
                return
            if result is not None:
                self._health = next_health(self._check, self._health, result, began_s)
            self._changed(self._health, None)

        def over() -> None:
            self._probe = None
            self._schedule()

        self._probe = _Probe(self._loop, self._work, found, lambda process: self._changed(self._health, process), over)


class _Probe:
    """One probe: ``found`` hears its result, at its timeout at the latest; ``over`` when it has gone."""

    def __init__(
        self,
        loop: Loop,
        work: tuple[Store, str, HealthCheck],
        found: Callable[[ProbeResult | None], None],
        runs: Callable[[ProcessId], None],
        over: Callable[[], None],
    ) -> None:
        self._loop, self._found, self._runs, self._over = loop, found, runs, over
        self._timeout_s = work[2].timeout_s
        self._began = now()
        self._output = b""
        self._told = self._killed = False
        self._process: ProcessId | None = None
        self._reads, writes = os.pipe2(os.O_CLOEXEC)
        os.set_blocking(self._reads, False)
        loop.watch(self._reads, IN, self._hear)
        self._timer = loop.after(self._timeout_s, self._time_out)
        null = os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC)
        Helper(loop, lambda: probe(*work), self._launched, streams=(null, writes, writes))
        os.close(null)
        os.close(writes)

    def _launched(self, result: dict[str, Any]) -> None:
        if "pid" not in result:
            error = result.get("error")
            self._tell(None if error is None else PROBE_FAILED, str(error))
            self._end()
            return
        self._process = ProcessId(result["pid"], result["start_time"])
        self._loop.on_end(self._process, self._ended)
        if self._killed:
            self.kill()
        elif not self._told:
            self._runs(self._process)

    def _ended(self, code: int) -> None:
        self._process = None
        while self._read():
            pass
        self._tell(code, self._output.decode(errors="replace"))
        self._end()

    def _time_out(self) -> None:
        self._tell(PROBE_FAILED, f"health check exceeded timeout ({self._timeout_s:g} s)")
        self.kill()

    def kill(self) -> None:
        """It and what it has started; as soon as it is there."""
        self._killed = True
        if self._process is not None:
            kill_probe(self._process)

    def _hear(self, _: int) -> None:
        self._read()

    def _read(self) -> int:
        """Some of its output, of which the beginning is kept: how many bytes. Its other end may outlive the probe."""
        if self._reads < 0:
            return 0
        try:
            read = os.read(self._reads, _CHUNK)
        except BlockingIOError:
            return 0
        self._output = (self._output + read)[:OUTPUT_BYTES]
        if not read:
            self._close()
        return len(read) if len(self._output) < OUTPUT_BYTES else 0

    def _close(self) -> None:
        if self._reads >= 0:
            self._loop.unwatch(self._reads)
            os.close(self._reads)
            self._reads = -1

    def _tell(self, code: int | None, output: str) -> None:
        """Once; without a code there is nothing to tell."""
        if not self._told:
            self._told = True
            self._found(None if code is None else ProbeResult(self._began, now(), code, output))

    def _end(self) -> None:
        self._timer.cancel()
        self._close()
        self._over()


def kill_probe(process: ProcessId) -> None:
    """Kill the process group of a probe that still runs: each is the leader of its own."""
    pidfd = open_process(process.pid, process.start_time)
    if pidfd is not None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        os.close(pidfd)

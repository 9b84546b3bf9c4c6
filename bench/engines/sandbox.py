"""Where all engines run: one network namespace with loopback, and one mount namespace, entered by one thread."""

from __future__ import annotations

import os
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import TYPE_CHECKING, TypeVar

from bench.calibration import commands
from bench.calibration.namespaces import enter, make_namespaces
from bench.workload import WorkloadError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

_T = TypeVar("_T")
_COMMAND_S = 600.0
# Of a command that failed, what it said last: the reason is seldom the very last line.
_LINES = 4


class Sandbox:
    """What engines leave of links, rules and mounts is gone with the namespaces."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._pool: ThreadPoolExecutor | None = None

    def open(self) -> None:
        """Make the namespaces."""
        namespaces = make_namespaces()
        for fd in namespaces:
            self._stack.callback(os.close, fd)
        self._pool = self._stack.enter_context(ThreadPoolExecutor(1, initializer=enter, initargs=(namespaces,)))
        self.call(lambda: commands.run("ip", "link", "set", "lo", "up"))

    def call(self, do: Callable[[], _T]) -> _T:
        """What ``do`` returns, called inside."""
        if self._pool is None:
            raise WorkloadError("use the sandbox: it is not open")
        return self._pool.submit(do).result()

    def time(self, calls: Sequence[Sequence[str]], env: Mapping[str, str], log: Path) -> int:
        """How many nanoseconds the commands take, one after the other; raises `WorkloadError` if one fails."""
        return self.call(lambda: _time(calls, env, log))

    def close(self) -> None:
        """Give the namespaces up. Idempotent."""
        self._pool = None
        self._stack.close()


def _time(calls: Sequence[Sequence[str]], env: Mapping[str, str], log: Path) -> int:
    with log.open("wb") as output:
        started = time.monotonic_ns()
        for call in calls:
            done = subprocess.run(
                call, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=env, check=False, timeout=_COMMAND_S
            )
            if done.returncode:
                break
        took = time.monotonic_ns() - started
    if done.returncode:
        said = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-_LINES:]
        raise WorkloadError(f"{' '.join(call[:8])}: exit code {done.returncode}: {'; '.join(said)}")
    return took

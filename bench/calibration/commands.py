"""Other programs' commands, run with nothing of ours kept open, and their complaints as errors of ours."""

from __future__ import annotations

import subprocess
import time
from typing import TYPE_CHECKING

from bench.workload import WorkloadError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

_COMMAND_S = 120.0
_READY_S = 60.0
_ENDS_S = 30.0


def run(*command: str, env: Mapping[str, str] | None = None, log: Path | None = None) -> None:
    """Run it to its end. Output goes to ``log``, or nowhere: a container would keep a pipe open.

    Raises `WorkloadError` with the last line of the log.
    """
    output = subprocess.DEVNULL if log is None else log.open("ab")
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=env, check=False, timeout=_COMMAND_S
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise WorkloadError(f"run {command[0]}: {error}") from error
    finally:
        if not isinstance(output, int):
            output.close()
    if done.returncode:
        raise WorkloadError(f"run {' '.join(command[:6])}: exit code {done.returncode}{_last_line(log)}")


def _last_line(log: Path | None) -> str:
    lines = log.read_text(errors="replace").strip().splitlines() if log is not None else []
    return f": {lines[-1]}" if lines else ""


class Daemon:
    """Another program's daemon, ours for the length of a run."""

    def __init__(self, command: Sequence[str], ready: Sequence[str], log: Path) -> None:
        """Start it, and wait until the command ``ready`` succeeds."""
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
            )
        deadline = time.monotonic() + _READY_S
        while subprocess.run(ready, capture_output=True, check=False).returncode:
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.close()
                raise WorkloadError(f"start {command[0]}: it does not answer{_last_line(log)}")
            time.sleep(0.05)

    def close(self) -> None:
        """End it. Idempotent."""
        self._process.terminate()
        try:
            self._process.wait(_ENDS_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

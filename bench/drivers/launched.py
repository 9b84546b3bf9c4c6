"""What containers and bare processes have in common: both are children of a launcher of ours."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

from bench.workload import Endpoint, State, Verb, WorkloadError, next_state
from runtime.process.client import LauncherError

if TYPE_CHECKING:
    from runtime.process.client import Launcher

_KILL_S = 10.0


class LaunchedInstance:
    """An instance whose first process a launcher supervises under the instance's name."""

    def __init__(self, launcher: Launcher, name: str, endpoint: Endpoint) -> None:
        self._launcher = launcher
        self._state = State.CREATED
        self.name = name
        self.endpoint = endpoint

    @property
    def state(self) -> State:
        """Asked of the launcher while it runs."""
        if self._state is State.RUNNING and self._launcher.exit_status(self.name) is not None:
            return State.STOPPED
        return self._state

    def start(self) -> None:
        """Returns when the process has executed."""
        following = next_state(self.state, Verb.START)
        try:
            self._launch()
        except LauncherError as error:
            raise WorkloadError(f"start {self.name}: {error}") from error
        self._state = following

    def stop(self, timeout_s: float = 10.0) -> None:
        """SIGTERM, and SIGKILL after ``timeout_s``."""
        following = next_state(self.state, Verb.STOP)
        if self._state is State.RUNNING:
            if timeout_s > 0:
                self._launcher.signal(self.name, signal.SIGTERM)
                self._launcher.wait(self.name, timeout_s)
            self._launcher.signal(self.name, signal.SIGKILL)
            self._launcher.wait(self.name, _KILL_S)
        self._state = following

    def remove(self) -> None:
        """Kill it if it runs, and release everything of it."""
        following = next_state(self.state, Verb.REMOVE)
        if self._state is not State.REMOVED:
            try:
                self._launcher.remove(self.name)
            except LauncherError as error:
                raise WorkloadError(f"remove {self.name}: {error}") from error
            self._release()
        self._state = following

    def _launch(self) -> None:
        """Ask the launcher."""
        raise NotImplementedError

    def _release(self) -> None:
        """Give back what the launcher does not know of."""
        raise NotImplementedError

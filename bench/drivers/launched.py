"""What containers and bare processes have in common: both are children of a launcher of ours."""

from __future__ import annotations

import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING

from bench.workload import Endpoint, State, Verb, WorkloadError, next_state
from runtime.image.user import resolve_user
from runtime.process.client import LauncherError
from runtime.spec.container import Process

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from runtime.image.store import Image
    from runtime.process.client import Launcher

_KILL_S = 10.0


@contextmanager
def _as_workload_errors(doing: str) -> Iterator[None]:
    try:
        yield
    except LauncherError as error:
        raise WorkloadError(f"{doing}: {error}") from error


def image_process(image: Image, layers: tuple[Path, ...], bounds: int, seccomp: bytes | None = None) -> Process:
    """What the image says to run, as whom and where; ``bounds`` and ``seccomp`` are its rights."""
    config = image.config
    user = resolve_user(config.user, layers)
    return Process(
        argv=config.argv,
        env=config.env,
        cwd=config.working_dir or "/",
        uid=user.uid,
        gid=user.gid,
        groups=user.groups,
        capabilities=bounds,
        seccomp=seccomp,
    )


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
        with _as_workload_errors(f"ask for the state of {self.name}"):
            if self._state is State.RUNNING and self._launcher.exit_status(self.name) is not None:
                return State.STOPPED
        return self._state

    def start(self) -> None:
        """Returns when the process has executed."""
        following = next_state(self.state, Verb.START)
        with _as_workload_errors(f"start {self.name}"):
            self._launch()
        self._state = following

    def stop(self, timeout_s: float = 10.0) -> None:
        """SIGTERM, and SIGKILL after ``timeout_s``."""
        following = next_state(self.state, Verb.STOP)
        if self._state is State.RUNNING:
            with _as_workload_errors(f"stop {self.name}"):
                self._end(timeout_s)
        self._state = following

    def remove(self) -> None:
        """Kill it if it runs, and release everything of it."""
        following = next_state(self.state, Verb.REMOVE)
        if self._state is not State.REMOVED:
            with _as_workload_errors(f"remove {self.name}"):
                self._launcher.remove(self.name)
            self._release()
        self._state = following

    def _end(self, timeout_s: float) -> None:
        if timeout_s > 0:
            self._launcher.signal(self.name, signal.SIGTERM)
            self._launcher.wait(self.name, timeout_s)
        self._launcher.signal(self.name, signal.SIGKILL)
        self._launcher.wait(self.name, _KILL_S)

    def _launch(self) -> None:
        """Ask the launcher."""
        raise NotImplementedError

    def _release(self) -> None:
        """Give back what the launcher does not know of."""
        raise NotImplementedError

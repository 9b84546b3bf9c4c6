"""Ctrl-C and friends: once they unwind the run, and never in the middle of taking something down."""

from __future__ import annotations

import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType, TracebackType

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupted(BaseException):
    """The user, or the system, wants the run to end. Not an `Exception`: nothing may swallow it on the way."""


class Interrupts:
    """Installed for the length of a run. The first signal raises `Interrupted`; later ones change nothing."""

    def __init__(self) -> None:
        self._pending = False
        self._raised = False
        self._shields = 0
        self._held = False

    def __enter__(self) -> Self:
        self._before = {number: signal.signal(number, self._on_signal) for number in SIGNALS}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    @contextmanager
    def shield(self) -> Iterator[None]:
        """What is inside is finished first; a signal that came meanwhile is raised afterwards."""
        self._shields += 1
        try:
            yield
        finally:
            self._shields -= 1
        self._raise_pending()

    @property
    def pending(self) -> bool:
        """Whether a signal waits to be raised."""
        return self._pending and not self._raised

    def hold(self) -> None:
        """Like a shield that is never left: from now on signals are only remembered. Idempotent."""
        self._held = True

    def release(self) -> None:
        """Raise what was remembered since `hold`, if that was the first signal of all."""
        self._held = False
        self._raise_pending()

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self._pending = True
        self._raise_pending()

    def _raise_pending(self) -> None:
        if self._pending and not self._raised and not self._shields and not self._held:
            self._raised = True
            raise Interrupted

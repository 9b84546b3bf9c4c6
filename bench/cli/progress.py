"""How a run is followed: a live display on a terminal, a line for every tenth of the way anywhere else. On stderr."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Self

import click

if TYPE_CHECKING:
    from types import TracebackType

    from rich.progress import Progress as RichProgress
    from rich.progress import TaskID


class LineProgress:
    """One line a tenth, for logs and pipes."""

    def __init__(self) -> None:
        self._started = time.monotonic()
        self._title = ""
        self._count = 0
        self._tenth = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def treatment(self, block: int, driver: str, count: int) -> None:
        """A treatment begins."""
        self._title, self._count, self._tenth = f"block {block + 1}: {driver}", count, 0

    def running(self, count: int, failed: int) -> None:
        """Say so when another tenth of them has been launched."""
        tenth = count * 10 // self._count
        if tenth > self._tenth:
            self._tenth = tenth
            troubles = f", {failed} failed" if failed else ""
            self._say(f"{self._title}: {count} of {self._count}{troubles}")

    def phase(self, name: str) -> None:
        """Only what takes long is worth a line."""
        if name.startswith(("preparing", "removing", "taking", "writing")):
            self._say(name)

    def _say(self, text: str) -> None:
        click.echo(f"[{time.monotonic() - self._started:6.1f} s] {text}", err=True)


class LiveProgress:
    """A bar for the treatment at hand, and below it what is being done."""

    def __init__(self) -> None:
        from rich.console import Console  # noqa: PLC0415 - only on a terminal
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn  # noqa: PLC0415

        self._bars: RichProgress = Progress(
            TextColumn("{task.description:<22}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[note]}"),
            console=Console(stderr=True),
            refresh_per_second=4,
        )
        self._task: TaskID | None = None

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._note("")
        self._bars.stop()

    def treatment(self, block: int, driver: str, count: int) -> None:
        """A new bar."""
        self._note("")
        self._task = self._bars.add_task(f"block {block + 1}: {driver}", total=count, note="")

    def running(self, count: int, failed: int) -> None:
        """Move the bar."""
        if self._task is not None:
            self._bars.update(self._task, completed=count, note=f"{failed} failed" if failed else "")

    def phase(self, name: str) -> None:
        """Say it beside the bar."""
        self._note(name)

    def _note(self, text: str) -> None:
        if self._task is None and text:
            self._task = self._bars.add_task("getting ready", total=None, note=text)
        elif self._task is not None:
            self._bars.update(self._task, note=text)


def make_progress(*, quiet: bool) -> LineProgress | LiveProgress:
    """The live display on a terminal that can draw it."""
    terminal = sys.stderr.isatty() and not quiet
    return LiveProgress() if terminal else LineProgress()

"""What becomes of several things at once, such as the layers of a pull: lines that change, or one line a change.

On a terminal each thing has a line, which is written anew, with a bar while something is counted. Elsewhere a line
is printed when something new is to be said, and bars are not::

    with Progress(sys.stdout) as progress:
        progress.show("5f70bf18a086", "Downloading", 100, 2000)
        progress.show("5f70bf18a086", "Download complete")
"""

from __future__ import annotations

import os
import time

from runtime.tare.output.sizes import human_size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Self, TextIO

_INTERVAL_S = 0.08
_BAR_CELLS, _LEAST_BAR_CELLS = 50, 10


class Progress:
    """A context manager, for one thread at a time: at its end the lines are as they stay."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._live = stream.isatty() and os.environ.get("TERM", "") != "dumb"
        self._said: dict[str, str] = {}
        self._texts: dict[str, str] = {}
        self._drawn = 0
        self._drawn_at = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._live:
            self._draw()

    def show(self, name: str, text: str, done: int = 0, total: int = 0) -> None:
        """Say of one thing what happens to it; with a ``total``, how far it is."""
        if not self._live:
            if not total and self._said.get(name) != text:
                self._said[name] = text
                self._stream.write(f"{name}: {text}\n")
                self._stream.flush()
            return
        is_new = self._said.get(name) != text
        self._said[name] = text
        self._texts[name] = f"{text} {bar(done, total, self._columns - len(name) - len(text))}" if total else text
        if is_new or not total or time.monotonic() - self._drawn_at > _INTERVAL_S:
            self._draw()

    @property
    def _columns(self) -> int:
        try:
            return os.get_terminal_size(self._stream.fileno()).columns or 80
        except OSError:
            return 80

    def _draw(self) -> None:
        """Up to the first line, and down over all of them; a line that were wrapped would count twice."""
        width = self._columns
        up = f"\x1b[{self._drawn}A" if self._drawn else ""
        lines = "".join(f"\r{f'{name}: {text}'[: width - 1]}\x1b[K\n" for name, text in self._texts.items())
        self._stream.write(f"{up}{lines}")
        self._stream.flush()
        self._drawn, self._drawn_at = len(self._texts), time.monotonic()


def bar(done: int, total: int, room: int) -> str:
    """``[=====>    ]  1.2MB/3.4MB``, in so many columns."""
    numbers = f"{human_size(done)}/{human_size(total)}"
    cells = min(_BAR_CELLS, room - len(numbers) - 8)
    if cells < _LEAST_BAR_CELLS:
        return numbers
    full = min(cells, cells * done // total)
    inside = f"{'=' * full}>".ljust(cells)[:cells]
    return f"[{inside}]  {numbers}"

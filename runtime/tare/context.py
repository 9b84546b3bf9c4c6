"""What every verb has: the engine of the root that was asked for, and a way to say something."""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Self

    from runtime.engine.engine import Engine

DEFAULT_ROOT = "/var/lib/tare"


class Session:
    """One command line. A context manager: an engine that was used is closed."""

    def __init__(self, root: str | None = None) -> None:
        self.root = os.path.abspath(root or os.environ.get("TARE_ROOT") or DEFAULT_ROOT)
        self._engine: Engine | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def engine(self) -> Engine:
        """Opened by the first who asks."""
        if self._engine is None:
            from runtime.engine.engine import Engine

            self._engine = Engine(self.root)
            self._engine.__enter__()
        return self._engine

    def close(self) -> None:
        """Close the engine, if there is one. Idempotent."""
        engine, self._engine = self._engine, None
        if engine is not None:
            engine.__exit__(None, None, None)

    def say(self, text: str) -> None:
        """One line, or several, on stdout. Names of files that are no UTF-8 come out as they are."""
        sys.stdout.buffer.write(f"{text}\n".encode(errors="surrogateescape"))

    def flush(self) -> None:
        """What was said is out, for whoever follows it."""
        sys.stdout.flush()

    def write(self, content: bytes) -> None:
        """As it is, on stdout."""
        sys.stdout.buffer.write(content)

    def note(self, text: str) -> None:
        """One line on stderr, which is no complaint."""
        sys.stdout.flush()
        sys.stderr.buffer.write(f"{text}\n".encode(errors="surrogateescape"))
        sys.stderr.flush()

    def complain(self, message: str) -> None:
        """One line on stderr; the command goes on."""
        complain(message)


def complain(message: str) -> None:
    """One line on stderr, after what was said on stdout."""
    sys.stdout.flush()
    sys.stderr.buffer.write(f"tare: {message}\n".encode(errors="surrogateescape"))
    sys.stderr.flush()

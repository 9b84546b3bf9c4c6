"""Where the OCI command line says what went wrong: on stderr, and in the file that an engine named.

Engines read that file: containerd its last line of level "error", podman the whole of it as one JSON object. So there
is one such line a command, and warnings are in the text format or on stderr only.
"""

from __future__ import annotations

import os
import sys
import time

from runtime import jsontext
from runtime.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


class Log(Value):
    """``path`` is None for stderr alone; ``format`` is text or json."""

    path: str | None = None
    format: str = "text"
    debug: bool = False

    def failure(self, message: str) -> None:
        """What ends the command."""
        message = " ".join(message.split())
        print(f"tare-runtime: {message}", file=sys.stderr)  # noqa: T201
        self._append("error", message)

    def complaint(self, message: str) -> None:
        """What does not."""
        print(f"tare-runtime: warning: {message}", file=sys.stderr)  # noqa: T201
        if self.format == "text":
            self._append("warning", message)

    def detail(self, message: Callable[[], str]) -> None:
        """With --debug only."""
        if self.debug:
            print(f"tare-runtime: {message()}", file=sys.stderr)  # noqa: T201

    def _append(self, level: str, message: str) -> None:
        if self.path is None:
            return
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        if self.format == "json":
            line = jsontext.dumps({"level": level, "msg": message, "time": now})
        else:
            line = f'time="{now}" level={level} msg={jsontext.dumps(message)}'
        try:
            fd = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        except OSError as error:
            print(f"tare-runtime: open log {self.path}: {error.strerror}", file=sys.stderr)  # noqa: T201
            return
        with os.fdopen(fd, "w", encoding="utf-8") as file:
            file.write(line + "\n")

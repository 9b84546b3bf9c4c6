"""A command at a real terminal (pty(7)), typed at and read from as a person would."""

from __future__ import annotations

import fcntl
import os
import re
import select
import struct
import subprocess
import termios
import time
from typing import TYPE_CHECKING, Self

from bench.demo.step import Differs

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import TracebackType

_ROWS, _COLUMNS = 50, 160
_ENDS_S = 30.0
# Colours, titles, bracketed paste: what a terminal does, not what it shows (ECMA-48, 5.4).
_CONTROL = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07]*\x07|\r")
_TRUNCATED = 400


class Terminal:
    """The command runs in a session of its own, with this as its controlling terminal; it has ended afterwards."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        self._master, slave = os.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", _ROWS, _COLUMNS, 0, 0))
        try:
            self._process = subprocess.Popen(
                ("setsid", "--ctty", "--wait", *command), stdin=slave, stdout=slave, stderr=slave, env=environment
            )
        finally:
            os.close(slave)
        self._text = ""
        self._open = True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def type(self, line: str) -> None:
        """Type it, and press return."""
        os.write(self._master, f"{line}\n".encode())

    def expect(self, pattern: str, within_s: float = 60) -> str:
        """Read until it is there; what was shown up to its end. Raises `Differs`."""
        deadline = time.monotonic() + within_s
        while not (found := re.search(pattern, self._text, re.MULTILINE)):
            if not self._read(max(0.0, deadline - time.monotonic())):
                shown = self._text[-_TRUNCATED:].strip()
                raise Differs(f"the terminal does not show {pattern!r}, but: {shown!r}")
        shown, self._text = self._text[: found.end()], self._text[found.end() :]
        return shown

    def end(self, within_s: float = 60) -> tuple[int, str]:
        """Wait until the command has ended; its exit code, and what it still showed."""
        deadline = time.monotonic() + within_s
        while self._read(max(0.0, deadline - time.monotonic())):
            pass
        try:
            return self._process.wait(max(0.1, deadline - time.monotonic())), self._text
        except subprocess.TimeoutExpired:
            raise Differs(f"it does not end; the terminal shows: {self._text[-_TRUNCATED:].strip()!r}") from None

    def close(self) -> None:
        """Hang up; who does not end then is killed. Idempotent."""
        if not self._open:
            return
        self._open = False
        os.close(self._master)
        try:
            self._process.wait(_ENDS_S if self._process.poll() is None else 0)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _read(self, within_s: float) -> bool:
        """Whether something came."""
        if not select.select([self._master], [], [], within_s)[0]:
            return False
        try:
            chunk = os.read(self._master, 1 << 16)
        except OSError:  # EIO: nobody has the other end open any more
            return False
        self._text += _CONTROL.sub("", chunk.decode(errors="replace"))
        return bool(chunk)

"""A command on a terminal of its own, as a person would use it."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import struct
import subprocess
import termios
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

CTRL_C = "\x03"
CTRL_D = "\x04"
_WITHIN_S = 30.0


@dataclass(slots=True)
class Terminal:
    """What is typed goes in, what is shown comes out."""

    process: subprocess.Popen[bytes]
    master: int
    shown: str = ""

    def send(self, keys: str) -> None:
        """Type."""
        os.write(self.master, keys.encode())

    def line(self, text: str) -> None:
        """Type a line."""
        self.send(text + "\r")

    def resize(self, rows: int, columns: int) -> None:
        """Give the terminal another size; whoever has it in the foreground is told."""
        set_size(self.master, rows, columns)

    def expect(self, text: str) -> str:
        """Wait until this is shown; what was shown up to it, from the last such call on."""
        deadline = time.monotonic() + _WITHIN_S
        while text not in self.shown:
            assert time.monotonic() < deadline, f"waited in vain for {text!r}; shown was {self.shown!r}"
            assert self._read(), f"the command ended before it showed {text!r}; shown was {self.shown!r}"
        before, _, self.shown = self.shown.partition(text)
        return before

    def wait(self) -> int:
        """The exit code once it has ended; what it still had to show is in ``shown``."""
        deadline = time.monotonic() + _WITHIN_S
        while self._read():
            assert time.monotonic() < deadline, f"the command did not end; shown was {self.shown!r}"
        return self.process.wait(timeout=_WITHIN_S)

    def _read(self) -> bool:
        """Take what there is now; false at the end."""
        if not select.select([self.master], [], [], 0.5)[0]:
            return True
        try:
            data = os.read(self.master, 65536)
        except OSError:
            return False  # EIO: nobody has the other side open any more
        self.shown += data.decode(errors="replace")
        return bool(data)


def set_size(fd: int, rows: int, columns: int) -> None:
    """See ioctl_tty(2)."""
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


@contextmanager
def terminal(command: Sequence[str], rows: int = 24, columns: int = 80) -> Iterator[Terminal]:
    """Run a command with a new terminal as its controlling one."""
    master, slave = pty.openpty()
    try:
        set_size(master, rows, columns)
        try:
            argv = ["setsid", "--ctty", *command]
            process = subprocess.Popen(argv, stdin=slave, stdout=slave, stderr=slave)
        finally:
            os.close(slave)
        with process:
            try:
                yield Terminal(process, master)
            finally:
                process.kill()
    finally:
        os.close(master)

"""What a build says while it goes on, in the words of Docker's classic builder."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Self


class Progress:
    """Into a descriptor; a quiet one keeps what commands say until it is known whether anybody wants to see it."""

    def __init__(self, output: int = 1, *, quiet: bool = False) -> None:
        self._output = output
        self._quiet = quiet
        self.commands = os.memfd_create("tare-build", os.MFD_CLOEXEC) if quiet else output
        """Where what commands say goes."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._quiet:
            os.close(self.commands)

    def say(self, line: str) -> None:
        """One line."""
        if not self._quiet:
            _write(self._output, f"{line}\n".encode("utf-8", "surrogateescape"))

    def step(self, number: int, total: int, text: str) -> None:
        """An instruction's turn."""
        self.say(f"Step {number}/{total} : {text}")

    def show_commands(self, target: int) -> None:
        """What they said, when something went wrong."""
        if self._quiet:
            os.lseek(self.commands, 0, os.SEEK_SET)
            while data := os.read(self.commands, 65536):
                _write(target, data)


def _write(fd: int, content: bytes) -> None:
    view = memoryview(content)
    while view:
        view = view[os.write(fd, view) :]

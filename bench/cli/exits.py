"""How the command ends: one exit code a kind of failure, one line that says what, where and what next."""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """Exit codes of ``bench``; 2 is click's own for wrong usage."""

    DONE = 0
    BUG = 1
    USAGE = 2
    HOST_CANNOT = 3
    INSTANCES_FAILED = 4
    REFUSED = 5
    DIFFERS = 99
    INTERRUPTED = 130


class CommandError(Exception):
    """Ends the command with ``code``; ``hint`` says what to do next."""

    def __init__(self, message: str, code: Exit, hint: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.hint = hint

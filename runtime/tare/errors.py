"""What the command line refuses or reports.

CommandError        one line on stderr, and an exit code
└── UsageError      the command line makes no sense; the line after it says where to read on
"""

from __future__ import annotations

DONE, FAILED, ENGINE_FAILED, CANNOT_EXECUTE, NOT_FOUND, INTERRUPTED = 0, 1, 125, 126, 127, 130


class CommandError(Exception):
    """The message is printed after ``tare: ``, and the command ends with the code."""

    def __init__(self, message: str, code: int = FAILED) -> None:
        super().__init__(message)
        self.code = code


class UsageError(CommandError):
    """As docker: 125 for flags that make no sense, 1 for the wrong number of arguments and for unknown verbs."""

    def __init__(self, message: str, code: int = ENGINE_FAILED, path: str = "") -> None:
        super().__init__(message, code)
        self.path = path
        """Whose help tells more, such as ``tare run``; empty until the dispatcher fills it in."""

"""What a guest's console log says: how far it came, and how it ended."""

from __future__ import annotations

import re
from dataclasses import dataclass

PROBE_MARK = b"tare: probe passed"
_EXIT = re.compile(rb"^tare: exit (\d+)\r?\n", re.MULTILINE)
_FAILED = re.compile(rb"^tare: failed: ([^\r\n]*)", re.MULTILINE)
_PANIC = re.compile(rb"Kernel panic - not syncing: ([^\r\n]*)")


@dataclass(frozen=True, slots=True)
class ConsoleFacts:
    """``exit_status`` is that of the image's process; None while it runs, or if the guest ended without saying."""

    init_reached: bool
    process_started: bool
    exit_status: int | None
    failure: str | None
    panic: str | None

    @classmethod
    def parse(cls, log: bytes) -> ConsoleFacts:
        """Read the marks that our init prints, and the kernel's own last words."""
        status = _EXIT.search(log)
        return cls(
            init_reached=b"tare: init" in log or PROBE_MARK in log,
            process_started=b"tare: process started" in log,
            exit_status=int(status.group(1)) if status else None,
            failure=_text(_FAILED.search(log)),
            panic=_text(_PANIC.search(log)),
        )


def last_words(log: bytes, limit: int = 200) -> str:
    """The last line that says anything, for an error message."""
    lines = [line.strip() for line in log.decode("utf-8", "replace").splitlines()]
    spoken = [line for line in lines if line]
    return spoken[-1][-limit:] if spoken else ""


def _text(match: re.Match[bytes] | None) -> str | None:
    return match.group(1).decode("utf-8", "replace") if match else None

"""What a transfer tells while it runs: events of values, for whoever draws or records them."""

from __future__ import annotations

import enum
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from runtime.image.descriptor import Descriptor


class Status(enum.Enum):
    """What happens to one blob; the value is a phrase for people."""

    PLANNED = "one of the image's layers"
    EXISTS = "already exists"
    WAITING = "another process has it under way"
    DOWNLOADING = "downloading"
    DOWNLOADED = "download complete"
    EXTRACTING = "extracting"
    COMPRESSING = "compressing"
    PUSHING = "pushing"
    PUSHED = "pushed"
    MOUNTED = "mounted from another repository"
    EXTRACTED = "extracted"

    @property
    def is_final(self) -> bool:
        """Whether the blob needs nothing more of the same transfer."""
        return self in {Status.EXISTS, Status.DOWNLOADED, Status.PUSHED, Status.MOUNTED}


@dataclass(frozen=True, slots=True)
class Event:
    """One blob, what happens to it, and how many of its bytes are there; ``source`` of a mount."""

    descriptor: Descriptor
    status: Status
    done_bytes: int = 0
    source: str = ""


class Reporter:
    """Passes events on, one at a time, whatever thread they come from."""

    def __init__(self, callback: Callable[[Event], None] | None) -> None:
        self._callback = callback
        self._lock = threading.Lock()

    def __call__(self, descriptor: Descriptor, status: Status, done_bytes: int = 0, source: str = "") -> None:
        """Pass on what happens to a blob."""
        if self._callback is not None:
            with self._lock:
                self._callback(Event(descriptor, status, done_bytes, source))

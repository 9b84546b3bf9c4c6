"""The three streams of a container: FIFOs in its directory, which both we and our successor can open by name.

The container has its stdout and stderr open for reading, too, so that it never gets SIGPIPE, whoever else has gone.
What it writes waits in the pipe, up to a mebibyte; then the container waits.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from typing import TYPE_CHECKING

from runtime.supervision.transcript import STREAMS

if TYPE_CHECKING:
    from runtime.supervision.record import Place

_PIPE_BYTES = 1 << 20
_STDIN = "stdin"


class Streams:
    """Our ends: ``outputs`` by name, and ``input`` if there is a stdin that is still open."""

    def __init__(self, place: Place, *, stdin: bool) -> None:
        self._place = place
        self.outputs = {name: fd for name in STREAMS if (fd := _open_output(place.path(name))) is not None}
        self.input = _open_input(place.path(_STDIN)) if stdin else None

    @classmethod
    def fresh(cls, place: Place, *, stdin: bool) -> Streams:
        """New FIFOs, for a container that is about to be started."""
        for name in (_STDIN, *STREAMS):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(place.path(name))
            if name != _STDIN or stdin:
                os.mkfifo(place.path(name), 0o600)
        with contextlib.ExitStack() as held:
            if stdin:  # or nobody could open it for writing only
                held.callback(os.close, os.open(place.path(_STDIN), os.O_RDWR | os.O_CLOEXEC))
            return cls(place, stdin=stdin)

    def open_theirs(self) -> tuple[int, int, int]:
        """The container's ends, to be closed by the caller."""
        outputs = [os.open(self._place.path(name), os.O_RDWR | os.O_CLOEXEC) for name in STREAMS]
        if self.input is None:
            return (os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC), outputs[0], outputs[1])
        return (os.open(self._place.path(_STDIN), os.O_RDONLY | os.O_CLOEXEC), outputs[0], outputs[1])

    @property
    def all(self) -> tuple[int, ...]:
        """Every end of ours."""
        return (*self.outputs.values(), *(() if self.input is None else (self.input,)))

    def close_output(self, name: str) -> None:
        """It has come to its end. Idempotent."""
        fd = self.outputs.pop(name, None)
        if fd is not None:
            os.close(fd)

    def close_input(self) -> None:
        """The container reads an end of file, once nobody else has it open. Idempotent."""
        if self.input is not None:
            os.close(self.input)
            self.input = None

    def close(self) -> None:
        """Close every end of ours. Idempotent."""
        self.close_input()
        for name in STREAMS:
            self.close_output(name)


def _open_output(path: str) -> int | None:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        return None
    with contextlib.suppress(OSError):  # more than this user may have: then it is the usual 64 KiB
        fcntl.fcntl(fd, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
    return fd


def _open_input(path: str) -> int | None:
    """None if nobody reads there."""
    try:
        fd = os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return None
    os.set_blocking(fd, True)
    return fd

"""The host's side of the agent: commands run inside a guest over its virtio-serial channel.

A request is one line, ``exec ID SECONDS WORDS`` or ``stop``; WORDS are shell words in base64. The answer is a line
``ID STATUS`` and one line of base64 each for standard output and standard error. The guest's side is in guest/init.sh.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import itertools
import math
import shlex
import socket
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hypervisor.errors import AgentError, AgentTimeout

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

# The guest's shell reads a request byte by byte; one that is longer is a file, and has no place on a command line.
_REQUEST_BYTES = 64 << 10
# What an answer may take on top of the command's own time: an emulated guest under load forks slowly.
_GRACE_S = 15.0
_KILLED = 128 + 9


@dataclass(frozen=True, slots=True)
class ExecResult:
    """How a command ended. ``exit_status`` is 128+n when signal n ended it, 127 when there is no such program."""

    exit_status: int
    stdout: bytes
    stderr: bytes


class Agent:
    """One guest's channel. Commands run one at a time; calls from several threads wait for each other."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._ids = itertools.count(1)
        self._socket: socket.socket | None = None
        self._received = bytearray()

    def connect(self) -> None:
        """Open the channel. While nobody has it open, the guest looks for requests only once a second."""
        if self._socket is not None:
            return
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        try:
            connection.connect(str(self._path))
        except OSError as error:
            connection.close()
            raise AgentError(f"connect to the agent at {self._path}: {error.strerror}") from error
        self._socket = connection

    def exec(self, argv: Sequence[str], timeout_s: float = 30.0) -> ExecResult:
        """Run ``argv`` as the image's user, with its environment and directory; killed after ``timeout_s``."""
        with self._lock:
            identity = next(self._ids)
            started = time.monotonic()
            self._send(_request(identity, argv, timeout_s))
            result = self._answer(identity, started + timeout_s + _GRACE_S)
        if result.exit_status == _KILLED and time.monotonic() - started >= timeout_s:
            raise AgentTimeout(f"run {shlex.join(argv)} in the guest: killed after {timeout_s:g} s")
        return result

    def request_stop(self) -> None:
        """Ask init to end the image's process and power off."""
        with self._lock:
            self._send(b"stop\n")

    def close(self) -> None:
        """Close the channel. Idempotent."""
        connection, self._socket = self._socket, None
        if connection is not None:
            with contextlib.suppress(OSError):
                connection.close()

    def _send(self, request: bytes) -> None:
        self.connect()
        try:
            self._stream().sendall(request)
        except OSError as error:
            raise AgentError(f"write to the agent at {self._path}: {error.strerror}") from error

    def _answer(self, identity: int, deadline: float) -> ExecResult:
        while True:
            answered, status = _status_line(self._line(deadline))
            stdout, stderr = (_decoded(self._line(deadline)) for _ in range(2))
            # An answer to an earlier request that we gave up on may still be on its way.
            if answered == identity:
                return ExecResult(status, stdout, stderr)

    def _line(self, deadline: float) -> bytes:
        while b"\n" not in self._received:
            self._received += self._chunk(deadline)
        line, _, rest = bytes(self._received).partition(b"\n")
        self._received = bytearray(rest)
        return line

    def _chunk(self, deadline: float) -> bytes:
        stream = self._stream()
        stream.settimeout(max(0.001, deadline - time.monotonic()))
        try:
            chunk = stream.recv(1 << 16)
        except TimeoutError as error:
            raise AgentTimeout(f"agent at {self._path}: no answer") from error
        except OSError as error:
            raise AgentError(f"read from the agent at {self._path}: {error.strerror}") from error
        if not chunk:
            raise AgentError(f"agent at {self._path}: the guest is gone")
        return chunk

    def _stream(self) -> socket.socket:
        if self._socket is None:
            raise AgentError(f"agent at {self._path}: the channel is closed")
        return self._socket


def _request(identity: int, argv: Sequence[str], timeout_s: float) -> bytes:
    if not argv:
        raise AgentError("run a command in the guest: no command was given")
    if any("\0" in word for word in argv):
        raise AgentError("run a command in the guest: an argument contains a zero byte")
    words = base64.b64encode(shlex.join(argv).encode("utf-8", "surrogateescape"))
    if len(words) > _REQUEST_BYTES:
        raise AgentError(f"run {argv[0]} in the guest: arguments of more than {_REQUEST_BYTES} bytes")
    return b"exec %d %d %b\n" % (identity, max(1, math.ceil(timeout_s)), words)


def _status_line(line: bytes) -> tuple[int, int]:
    try:
        identity, status = line.split()
        return int(identity), int(status)
    except ValueError:
        raise AgentError(f"agent said {line[:80]!r} instead of a status") from None


def _decoded(line: bytes) -> bytes:
    try:
        return base64.b64decode(line, validate=True)
    except binascii.Error as error:
        raise AgentError(f"agent sent output that is not base64: {error}") from None

"""One client at the supervisor's socket."""

from __future__ import annotations

import os
import socket
from collections import deque

from runtime.supervision.channel import peer_uid
from runtime.supervision.errors import BadRequest, NotAllowed, SupervisionError
from runtime.supervision.loop import IN, OUT
from runtime.supervision.messages import MESSAGE_BYTES, parse_request, refusal, reply

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from runtime.supervision.loop import Loop
    from runtime.supervision.messages import Request

    Handler = Callable[["Connection", Request, list[int]], None]

_MOST_FDS = 2


class Connection:
    """Takes one request at a time and gives its reply, which may be long in coming. ``handle`` owns the descriptors."""

    def __init__(
        self, loop: Loop, channel: socket.socket, handle: Handler, closed: Callable[[Connection], None]
    ) -> None:
        self._loop, self._channel, self._handle, self._closed = loop, channel, handle, closed
        self._outgoing: deque[tuple[bytes, tuple[int, ...]]] = deque()
        self._is_asked = False
        channel.setblocking(False)  # noqa: FBT003 - the standard library's own
        loop.watch(channel.fileno(), IN, self._ready)
        if peer_uid(channel) not in {0, os.geteuid()}:
            self.refuse(NotAllowed(f"user {peer_uid(channel)} may not speak to this supervisor"))
            self.close()

    @property
    def is_open(self) -> bool:
        """Whether the client is still there, as far as we have heard."""
        return self._channel.fileno() >= 0

    def _ready(self, ready: int) -> None:
        if ready & OUT:
            self._flush()
        if ready & ~OUT and self.is_open:
            self._receive()

    def _receive(self) -> None:
        try:
            data, fds, flags, _ = socket.recv_fds(self._channel, MESSAGE_BYTES, _MOST_FDS, socket.MSG_CMSG_CLOEXEC)
        except BlockingIOError:
            return
        except OSError:
            data, fds, flags = b"", [], 0
        if not data:
            self.close()
            return
        try:
            self._take(data, fds, cut=bool(flags & (socket.MSG_TRUNC | socket.MSG_CTRUNC)))
        except SupervisionError as error:
            for fd in fds:
                os.close(fd)
            self.refuse(error)

    def _take(self, data: bytes, fds: list[int], *, cut: bool) -> None:
        for fd in fds:
            os.set_inheritable(fd, False)  # noqa: FBT003 - the standard library's own
        if self._is_asked:
            raise BadRequest("a request before the reply to the last one")
        if cut:
            raise BadRequest("a request is too long, or has too many descriptors")
        request = parse_request(data)
        self._is_asked = True
        self._handle(self, request, fds)

    def answer(self, content: object = None, *, more: bool = False, fds: tuple[int, ...] = ()) -> None:
        """Say that it was done. The descriptors are copied at once, or not at all if there is no room."""
        self._send(reply(content, more=more), fds, done=not more)

    def refuse(self, error: SupervisionError) -> None:
        """Say that it was not."""
        self._send(refusal(error), (), done=True)

    def _send(self, data: bytes, fds: tuple[int, ...], *, done: bool) -> None:
        if done:
            self._is_asked = False
        if self.is_open:
            self._outgoing.append((data, tuple(os.dup(fd) for fd in fds)))
            self._flush()

    def _flush(self) -> None:
        while self._outgoing:
            data, fds = self._outgoing[0]
            try:
                socket.send_fds(self._channel, [data], fds)
            except BlockingIOError:
                self._loop.rewatch(self._channel.fileno(), IN | OUT)
                return
            except OSError:
                self.close()
                return
            self._drop_first()
        self._loop.rewatch(self._channel.fileno(), IN)

    def _drop_first(self) -> None:
        for fd in self._outgoing.popleft()[1]:
            os.close(fd)

    def close(self) -> None:
        """The client has gone, or has to. Idempotent."""
        if self.is_open:
            self._loop.unwatch(self._channel.fileno())
            self._channel.close()
            while self._outgoing:
                self._drop_first()
            self._closed(self)

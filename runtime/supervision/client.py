"""The supervisor as its clients see it: started by the first who needs it, asked one thing at a time.

What only asks is asked again if the supervisor is killed meanwhile, of the next one; so `Supervisor.wait` outlives it.
"""

from __future__ import annotations

import os
import time

from runtime import jsontext
from runtime.supervision import channel as channels
from runtime.supervision.backstage import NOBODY
from runtime.supervision.errors import NotAllowed, SupervisionError, SupervisorGone, error_of
from runtime.supervision.messages import REPLY_BYTES, Request
from runtime.supervision.record import Record, Root

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType
    from typing import Any, Self

    from runtime.supervision.channel import Channel
    from runtime.supervision.entries import LogEntry
    from runtime.supervision.terms import Terms

_STARTS_WITHIN_S = 20.0
_IDLE_S = 10.0
_ASKING = frozenset({"inspect", "list", "wait"})


class Supervisor:
    """A way to the supervisor of a root directory. A context manager, for one thread."""

    def __init__(self, root: str, *, idle_s: float = _IDLE_S, backstage: str = NOBODY) -> None:
        """Nothing is started yet. A supervisor that is started ends after ``idle_s`` without anything to do.

        It has the ``backstage`` of that name (`runtime.supervision.backstage`).
        """
        self._root = Root(root)
        self._idle_s = idle_s
        self._backstage = backstage
        self._channel: Channel | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Leave the supervisor to itself. Idempotent."""
        if self._channel is not None:
            self._channel.close()
            self._channel = None

    def create(self, terms: Terms) -> Record:
        """Take a container on, without starting it."""
        return self._record(Request("create", terms=terms))

    def amend(self, terms: Terms) -> Record:
        """Restart it as these say from now on; of all that terms say, that can be changed."""
        return self._record(Request("amend", terms=terms))

    def start(self, container_id: str) -> Record:
        """Start it; its program has been executed when this returns."""
        return self._record(Request("start", container_id))

    def run(self, terms: Terms) -> Record:
        """Take it on and start it; if it does not start, nothing is left."""
        self.create(terms)
        try:
            return self.start(terms.id)
        except SupervisionError:
            self.remove(terms.id, force=True)
            raise

    def stop(self, container_id: str, *, timeout_s: float | None = None, signal: str | None = None) -> Record:
        """Ask for its end, insist after the timeout, and wait for it; it is not restarted. Idempotent."""
        return self._record(Request("stop", container_id, signal=signal, timeout_s=timeout_s))

    def kill(self, container_id: str, signal: str = "SIGKILL") -> Record:
        """Send a signal to its first process."""
        return self._record(Request("kill", container_id, signal=signal))

    def wait(self, container_id: str) -> Record:
        """Wait until it has ended and will not be restarted; one that was to be removed then is."""
        return self._record(Request("wait", container_id))

    def remove(self, container_id: str, *, force: bool = False) -> None:
        """Forget it, with its log and everything that was made for it; with ``force`` one that runs is killed first."""
        self._ask(Request("remove", container_id, force=force))

    def inspect(self, container_id: str) -> Record:
        """Its terms and how it is."""
        return self._record(Request("inspect", container_id))

    def containers(self) -> tuple[Record, ...]:
        """All, in the order of their ids, without what their probes said."""
        parts, _ = self._ask(Request("list"))
        return tuple(Record.from_json(part, "reply") for part in parts if part is not None)

    def logs(self, container_id: str, *, tail: int | None = None, since_ns: int | None = None) -> Iterator[LogEntry]:
        """What is in its log: the last ``tail`` entries, those since a moment."""
        self.inspect(container_id)
        from runtime.supervision.logs import read_logs

        return read_logs(self._root.place(container_id), tail=tail, since_ns=since_ns)

    def follow(self, container_id: str, *, tail: int | None = None, since_ns: int | None = None) -> Iterator[LogEntry]:
        """The same, and then what comes, until the container has ended and will not be restarted."""
        self.inspect(container_id)
        from runtime.supervision.logs import follow

        return follow(self._root.place(container_id), tail=tail, since_ns=since_ns)

    def attach(self, container_id: str, stdout: int, stderr: int) -> int | None:
        """Have all that it writes from now on written to two pipes, too; the caller closes its copies of their ends.

        What is returned is a descriptor that leads to the container's stdin, if that is open. The container reads an
        end of file there after `close_stdin`, once every such descriptor has been closed.
        """
        _, fds = self._ask(Request("attach", container_id), (stdout, stderr))
        return fds[0] if fds else None

    def attach_terminal(self, container_id: str) -> int:
        """A socket in front of its terminal: what is read there is shown, what is written is typed.

        It may be got before the start. To close it is to leave the container to itself.
        """
        ours, theirs = channels.pair()
        try:
            self._ask(Request("attachTerminal", container_id), (theirs.fileno(),))
            return ours.detach()
        finally:
            ours.close()
            theirs.close()

    def resize(self, container_id: str, rows: int, columns: int) -> Record:
        """Its terminal, or the one that it will have."""
        return self._record(Request("resize", container_id, rows=rows, columns=columns))

    def pause(self, container_id: str) -> Record:
        """Stop all its processes where they are."""
        return self._record(Request("pause", container_id))

    def unpause(self, container_id: str) -> Record:
        """Let them go on."""
        return self._record(Request("unpause", container_id))

    def close_stdin(self, container_id: str) -> Record:
        """Nobody will write to its stdin any more but those who have it open."""
        return self._record(Request("closeStdin", container_id))

    def _record(self, request: Request) -> Record:
        parts, _ = self._ask(request)
        return Record.from_json(parts[0], "reply")

    def _ask(self, request: Request, fds: tuple[int, ...] = ()) -> tuple[list[Any], list[int]]:
        while True:
            channel = self._connected()
            try:
                channels.send(channel, request.to_bytes(), fds)
            except OSError:  # the supervisor that we were connected to has gone: the next has not been asked yet
                self.close()
                continue
            try:
                return self._hear(channel)
            except SupervisionError:
                raise
            except (OSError, EOFError) as error:
                self.close()
                if request.op not in _ASKING:
                    raise SupervisorGone(f"{request.op}: the supervisor ended before it answered") from error
            except BaseException:
                self.close()  # or the reply that is still to come would be taken for that to another request
                raise

    def _hear(self, channel: Channel) -> tuple[list[Any], list[int]]:
        """All parts of the reply, and the descriptors that came with them."""
        parts, received, more = [], list[int](), True
        while more:
            data, came = channels.receive(channel, REPLY_BYTES)
            if not data:
                raise EOFError
            received += came
            message = jsontext.loads(data.decode())
            if "error" in message:
                raise error_of(message["kind"], message["error"])
            parts.append(message["ok"])
            more = message["more"]
        for fd in received:
            os.set_inheritable(fd, False)  # noqa: FBT003 - the standard library's own
        return parts, received

    def _connected(self) -> Channel:
        deadline = time.monotonic() + _STARTS_WITHIN_S
        while self._channel is None:
            self._channel = self._connect()
            if self._channel is None:
                self._root.prepare()
                # Most commands find one; what starts it is half of what this module would import.
                from runtime.supervision.starter import start_supervisor

                start_supervisor(self._root, self._idle_s, self._backstage)
                if time.monotonic() > deadline:
                    raise SupervisionError(f"start the supervisor of {self._root.path}: it does not answer")
        return self._channel

    def _connect(self) -> Channel | None:
        """None if nobody listens there."""
        if not os.path.isdir(self._root.path):
            return None
        try:
            with self._root.address() as address:
                channel = channels.connect(address)
        except (FileNotFoundError, ConnectionRefusedError):
            return None
        except OSError as error:
            raise SupervisionError(f"connect to the supervisor of {self._root.path}: {error.strerror}") from error
        if channels.peer_uid(channel) not in {0, os.geteuid()}:
            channel.close()
            raise NotAllowed(f"the supervisor of {self._root.path} is user {channels.peer_uid(channel)}'s")
        return channel

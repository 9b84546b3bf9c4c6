"""The supervisor: every container below one root directory, and the clients who ask for something.

It ends by itself when nothing runs, or will, and nobody has asked for anything for a while.
"""

from __future__ import annotations

import contextlib
import os
import socket
import sys
import traceback
from collections import OrderedDict
from functools import partial
from typing import TYPE_CHECKING

from runtime.container.signal_names import parse_signal
from runtime.container.store import Store
from runtime.supervision.attendant import Attendant, Surroundings
from runtime.supervision.connection import Connection
from runtime.supervision.errors import BadRequest, SupervisionError, Unknown
from runtime.supervision.helper import Helper
from runtime.supervision.keeper import Keeper
from runtime.supervision.life import Life
from runtime.supervision.loop import IN, Loop
from runtime.supervision.record import Record
from runtime.supervision.transcript import STREAMS
from runtime.supervision.verbs import Scene, rest
from runtime.values import replace

if TYPE_CHECKING:
    from typing import Any

    from runtime.supervision.backstage import Backstage
    from runtime.supervision.loop import Timer
    from runtime.supervision.messages import Request
    from runtime.supervision.record import Root

_BACKLOG = 64
_GRAVES = 256
_RESTS_AFTER_S = 5.0


class Server:
    """Serves at the root's socket until there is nothing left to do."""

    def __init__(self, root: Root, idle_s: float, backstage: Backstage) -> None:
        self._root = root
        self._idle_s = idle_s
        self._loop = Loop()
        self._keeper = Keeper(f"{root.path}/keeper", self._loop)
        self._around = Surroundings(
            self._loop, Scene(Store(root.runtime), backstage), self._keeper, self._rehold, self._retire
        )
        self._attendants: dict[str, Attendant] = {}
        self._graves: OrderedDict[str, Record] = OrderedDict()
        self._connections: set[Connection] = set()
        self._idle: Timer | None = None
        self._rehold_due = False
        self._resting = self._loop.after(_RESTS_AFTER_S, self._rest)
        self._is_over = False
        self._handlers = {
            "create": self._create, "amend": self._amend,
            "start": self._start, "stop": self._stop, "kill": self._kill, "wait": self._wait,
            "remove": self._remove, "inspect": self._inspect, "list": self._list, "closeStdin": self._close_stdin,
            "pause": self._pause, "unpause": self._unpause, "resize": self._resize,
        }  # fmt: skip
        self._socket = self._listen()

    def _listen(self) -> socket.socket:
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with self._root.address() as address:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(address)
            listening.bind(address)
            os.chmod(address, 0o600)
        listening.listen(_BACKLOG)
        listening.setblocking(False)  # noqa: FBT003 - the standard library's own
        self._loop.watch(listening.fileno(), IN, lambda _: self._accept())
        return listening

    def adopt(self) -> None:
        """Take over what a predecessor has left, one by one: what makes no sense is said, and left alone."""
        for place in self._root.places():
            try:
                self._attendants[place.id] = attendant = Attendant(self._around, place, place.read())
                attendant.adopt()
            except Unknown:  # it was being created, or was as good as removed
                with contextlib.suppress(OSError):
                    place.remove()
            except (SupervisionError, OSError) as error:
                self._attendants.pop(place.id, None)
                complain(f"adopt {place.id}: {error}")
        self._keeper.hold(self._fds())

    def serve(self) -> None:
        """Until there is nothing left to do."""
        while not self._is_over:
            try:
                self._loop.turn()
                self._keep()
                self._watch_idleness()
            except Exception:  # noqa: BLE001 - one event that makes no sense must not end supervision
                traceback.print_exc(file=sys.stderr)

    def _fds(self) -> tuple[int, ...]:
        return tuple(fd for attendant in self._attendants.values() for fd in attendant.scribe.fds)

    def _rehold(self) -> None:
        """At the end of the turn: there may be more to come."""
        self._rehold_due = True

    def _keep(self) -> None:
        if self._rehold_due:
            self._rehold_due = False
            self._keeper.hold(self._fds())
            self._resting.cancel()
            self._resting = self._loop.after(_RESTS_AFTER_S, self._rest)

    def _rest(self) -> None:
        """What has to be kept for nobody goes; in a child, because that may take its time."""

        def done(result: dict[str, Any]) -> None:
            if "error" in result:
                complain(f"rest: {result['error']}")

        Helper(self._loop, partial(rest, self._around.scene), done)

    def _watch_idleness(self) -> None:
        is_idle = not self._connections and not any(a.life.phase.is_active for a in self._attendants.values())
        if is_idle and self._idle is None:
            self._idle = self._loop.after(self._idle_s, self._end)
        elif not is_idle and self._idle is not None:
            self._idle.cancel()
            self._idle = None

    def _end(self) -> None:
        """Nobody can connect any more once the name is gone; whoever has connected just before is served still."""
        self._idle = None
        if self._loop.helpers:
            return
        with self._root.address() as address:
            os.unlink(address)
        self._accept()
        if self._connections:
            self._loop.unwatch(self._socket.fileno())
            self._socket.close()
            self._socket = self._listen()
        else:
            self._keeper.hold(())
            self._is_over = True
            self._around.scene.backstage.rest()

    def _accept(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while True:
                channel, _ = self._socket.accept()
                connection = Connection(self._loop, channel, self._handle, self._connections.discard)
                if connection.is_open:
                    self._connections.add(connection)

    def _handle(self, connection: Connection, request: Request, fds: list[int]) -> None:
        """The descriptors are ours from here on, unless we refuse."""
        if request.op in {"attach", "attachTerminal"}:
            attend = self._attach if request.op == "attach" else self._attach_terminal
            attend(connection, request, fds)
            return
        if fds:
            raise BadRequest(f"{request.op}: takes no descriptors")
        self._handlers[request.op](connection, request)

    def _find(self, container_id: str) -> Attendant:
        try:
            return self._attendants[container_id]
        except KeyError:
            raise Unknown(container_id) from None

    def _create(self, connection: Connection, request: Request) -> None:
        terms = request.terms
        if terms is None:
            raise BadRequest("create: terms are missing")
        place = self._root.claim(terms.id)
        record = Record(terms, Life.fresh(stdin=terms.stdin))
        try:
            place.write(record, durable=not terms.auto_remove)
        except OSError as error:
            place.remove()
            raise SupervisionError(f"create container {terms.id!r}: {error.strerror}") from error
        self._attendants[terms.id] = Attendant(self._around, place, record)
        connection.answer(record.to_json())

    def _amend(self, connection: Connection, request: Request) -> None:
        if request.terms is None:
            raise BadRequest("amend: terms are missing")
        attendant = self._find(request.terms.id)
        attendant.amend(request.terms.restart)
        connection.answer(attendant.record.to_json())

    def _start(self, connection: Connection, request: Request) -> None:
        attendant = self._find(request.id)
        attendant.start(partial(self._conclude, connection, attendant))

    def _conclude(self, connection: Connection, attendant: Attendant, error: SupervisionError | None) -> None:
        if error is None:
            connection.answer(attendant.record.to_json())
        else:
            connection.refuse(error)

    def _stop(self, connection: Connection, request: Request) -> None:
        attendant = self._find(request.id)
        attendant.stop(request.signal, request.timeout_s)
        attendant.when_settled(lambda: connection.answer(attendant.record.to_json()))

    def _kill(self, connection: Connection, request: Request) -> None:
        attendant = self._find(request.id)
        attendant.kill(parse_signal(request.signal or "SIGKILL"), partial(self._conclude, connection, attendant))

    def _wait(self, connection: Connection, request: Request) -> None:
        if request.id in self._graves:
            connection.answer(self._graves[request.id].to_json())
            return
        attendant = self._find(request.id)
        attendant.when_settled(lambda: connection.answer(attendant.record.to_json()))

    def _retire(self, attendant: Attendant) -> None:
        """One that was to go when it has ended; how it ended is known for a while to those who ask too late."""

        def gone(error: SupervisionError | None) -> None:
            if error is not None:
                complain(str(error))
                return
            self._attendants.pop(attendant.terms.id, None)
            self._graves[attendant.terms.id] = attendant.record
            while len(self._graves) > _GRAVES:
                self._graves.popitem(last=False)

        attendant.remove(gone)

    def _remove(self, connection: Connection, request: Request) -> None:
        attendant = self._find(request.id)

        def gone(error: SupervisionError | None) -> None:
            if error is None:
                self._attendants.pop(request.id, None)
            self._conclude(connection, attendant, error)

        if request.force and attendant.terms.auto_remove and attendant.life.phase.is_active:
            attendant.stop(None, 0.0)
            attendant.when_settled(lambda: connection.answer(attendant.record.to_json()))
        elif request.force:
            attendant.stop(None, 0.0)
            attendant.when_settled(lambda: attendant.remove(gone))
        else:
            attendant.remove(gone)

    def _inspect(self, connection: Connection, request: Request) -> None:
        connection.answer(self._find(request.id).record.to_json())

    def _list(self, connection: Connection, _: Request) -> None:
        """A record a message: with many a packet would get too long."""
        for name in sorted(self._attendants):
            record = self._attendants[name].record
            health = record.life.health
            brief = None if health is None else replace(health, log=())
            connection.answer(replace(record, life=replace(record.life, health=brief)).to_json(), more=True)
        connection.answer()

    def _attach(self, connection: Connection, request: Request, fds: list[int]) -> None:
        attendant = self._find(request.id)
        if len(fds) != len(STREAMS):
            raise BadRequest("attach: takes two pipes, for stdout and stderr")
        attendant.be_ready()
        attendant.scribe.attach(dict(zip(STREAMS, fds, strict=True)))
        ours = attendant.scribe.input
        connection.answer(attendant.record.to_json(), fds=() if ours is None else (ours,))

    def _attach_terminal(self, connection: Connection, request: Request, fds: list[int]) -> None:
        attendant = self._find(request.id)
        if len(fds) != 1 or not attendant.terms.terminal:
            raise BadRequest("attachTerminal: takes a socket, for a container with a terminal")
        attendant.be_ready()
        attendant.scribe.attach_terminal(fds[0])
        connection.answer(attendant.record.to_json())

    def _pause(self, connection: Connection, request: Request) -> None:
        attendant = self._find(request.id)
        attendant.pause(partial(self._conclude, connection, attendant))

    def _unpause(self, connection: Connection, request: Request) -> None:
        attendant = self._find(request.id)
        attendant.unpause(partial(self._conclude, connection, attendant))

    def _resize(self, connection: Connection, request: Request) -> None:
        attendant = self._find(request.id)
        attendant.scribe.resize(request.rows, request.columns)
        connection.answer(attendant.record.to_json())

    def _close_stdin(self, connection: Connection, request: Request) -> None:
        attendant = self._find(request.id)
        attendant.close_stdin()
        connection.answer(attendant.record.to_json())


def complain(what: str) -> None:
    """To supervisor.log."""
    print(what, file=sys.stderr, flush=True)  # noqa: T201 - which our stderr is

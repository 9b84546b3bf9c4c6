"""A driver whose boxes are web servers on loopback, in threads of the test: for unit tests of what drives drivers.

Knobs, by the instance's number in the order of creation: ``refuse`` to start, stay ``silent`` (connections are
accepted, never answered), ``die`` on the first connection, be ``slow`` to answer, ``stuck`` on removal.
"""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

from bench.workload import (
    Endpoint,
    ExecResult,
    InstanceStats,
    Pace,
    Requirement,
    State,
    Verb,
    WorkloadError,
    WorkloadSpec,
    next_state,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

_CONFIGURED = 1 << 27


@dataclass(slots=True)
class Behaviour:
    """What goes wrong with which instance."""

    refuse: frozenset[int] = frozenset()
    silent: frozenset[int] = frozenset()
    die: frozenset[int] = frozenset()
    stuck: frozenset[int] = frozenset()
    slow_s: float = 0.0


@dataclass(slots=True)
class FakeDriver:
    """Fulfils `bench.workload.Driver`; ``calls`` counts what was asked of it and of its instances."""

    name: str = "fake"
    pace: Pace = field(default_factory=Pace)
    behaviour: Behaviour = field(default_factory=Behaviour)
    available: float = 1000
    calls: Counter[str] = field(default_factory=Counter)
    instances: list[FakeInstance] = field(default_factory=list)
    spec: WorkloadSpec | None = None

    def requirements(self, spec: WorkloadSpec) -> tuple[Requirement, ...]:
        """One resource, of which each instance takes one."""
        del spec
        return (Requirement("sockets", "sockets", 0, 1, self.available, "ask for fewer"),)

    def prepare(self, spec: WorkloadSpec) -> None:
        """Remember what to serve. Idempotent."""
        self.calls["prepare"] += 1
        self.spec = spec

    def create(self, name: str) -> FakeInstance:
        """A server with an address, not yet answering."""
        if self.spec is None:
            raise WorkloadError(f"create {name}: the driver is not prepared")
        instance = FakeInstance(self, name, len(self.instances), self.spec.path)
        self.instances.append(instance)
        return instance

    def close(self) -> None:
        """Stop every server. Idempotent."""
        self.calls["close"] += 1
        self.spec = None
        for instance in self.instances:
            instance.shut_down()


class FakeInstance:
    """Fulfils `bench.workload.Instance`."""

    def __init__(self, driver: FakeDriver, name: str, number: int, path: str) -> None:
        self.name = name
        self.number = number
        self._driver = driver
        self._state = State.CREATED
        # Bound from the beginning, so that the port is known; it listens, and so accepts, only once started.
        self._server = _Server(("127.0.0.1", 0), _Handler, bind_and_activate=False)
        self._server.instance = self
        self._server.server_bind()
        self._thread: threading.Thread | None = None
        self.endpoint = Endpoint("127.0.0.1", self._server.server_address[1], path)

    @property
    def state(self) -> State:
        """Observed: one whose server has gone is stopped."""
        return self._state

    def start(self) -> None:
        """Listen."""
        following = next_state(self._state, Verb.START)
        self._driver.calls["start"] += 1
        if self.number in self._driver.behaviour.refuse:
            raise WorkloadError(f"start {self.name}: refused, as asked")
        self._server.server_activate()
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), name=self.name)
        self._thread.start()
        self._state = following

    def stats(self) -> InstanceStats:
        """Made up, but for what nobody measures here."""
        next_state(self._state, Verb.STATS)
        self._driver.calls["stats"] += 1
        return InstanceStats(1 << 20, 2 << 20, None, _CONFIGURED, None, 1)

    def exec(self, argv: Sequence[str], timeout_s: float = 30.0) -> ExecResult:
        """A process of the host."""
        next_state(self._state, Verb.EXEC)
        try:
            done = subprocess.run(argv, capture_output=True, timeout=timeout_s, check=False)
        except FileNotFoundError:
            return ExecResult(127, b"", b"no such program\n")
        except subprocess.TimeoutExpired as error:
            raise WorkloadError(f"execute {argv[0]} in {self.name}: not done after {timeout_s:g} s") from error
        status = done.returncode if done.returncode >= 0 else 128 - done.returncode
        return ExecResult(status, done.stdout, done.stderr)

    def log(self) -> bytes:
        """One line."""
        return f"the log of {self.name}\n".encode()

    def stop(self, timeout_s: float = 10.0) -> None:
        """Stop listening."""
        del timeout_s
        following = next_state(self._state, Verb.STOP)
        self._driver.calls["stop"] += 1
        self.shut_down()
        self._state = following

    def remove(self) -> None:
        """Stop listening, and forget."""
        following = next_state(self._state, Verb.REMOVE)
        self._driver.calls["remove"] += 1
        if self.number in self._driver.behaviour.stuck:
            raise WorkloadError(f"remove {self.name}: stuck, as asked")
        self.shut_down()
        self._state = following

    def die(self) -> None:
        """End by itself, as a workload that crashes does."""
        self._state = State.STOPPED
        threading.Thread(target=self.shut_down).start()

    def shut_down(self) -> None:
        """Give back thread and socket. Idempotent."""
        thread, self._thread = self._thread, None
        if thread is not None:
            self._server.shutdown()
            thread.join()
        self._server.server_close()

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        """One request, as the behaviour has it."""
        behaviour = self._driver.behaviour
        if self.number in behaviour.die:
            self.die()
            handler.close_connection = True
            return
        if self.number in behaviour.silent:
            time.sleep(0.5)
            handler.close_connection = True
            return
        time.sleep(behaviour.slow_s)
        handler.send_response(200)
        handler.send_header("Content-Length", "5")
        handler.end_headers()
        handler.wfile.write(b"tare\n")


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    instance: FakeInstance

    def handle_error(self, request: object, client_address: object) -> None:
        """A probe that gives up is nothing to print about."""
        del request, client_address
        if not isinstance(sys.exc_info()[1], ConnectionError):
            raise  # noqa: PLE0704 - called by socketserver while it handles the error


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        """Let the instance answer."""
        self.server.instance.answer(self)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's name
        """Say nothing."""

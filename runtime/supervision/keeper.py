"""A process that does nothing but hold the reading ends of all containers' FIFOs open.

A pipe and what is in it are gone with the last descriptor of it. If we are killed, and then a container ends before
somebody starts the next supervisor, the last that it wrote would be lost. So there is one process more, for all
containers together: a static program of a few kilobytes (`runtime.process.standalone`) that inherits the descriptors
and waits for ever. When others are to be held, another takes its place; so there is nothing to be said to it.

Its pid and start time are in ``ROOT/keeper``: the next supervisor starts a keeper of its own and ends this one.
"""

from __future__ import annotations

import contextlib
import os
import signal
from typing import TYPE_CHECKING

from runtime.linux.program import Call, Memory
from runtime.process.standalone import bear, event, prepare, receive
from runtime.supervision.exits import open_process, started_at
from runtime.supervision.life import ProcessId
from runtime.supervision.terminal import recover_master

if TYPE_CHECKING:
    from collections.abc import Collection

    from runtime.supervision.loop import Loop
    from runtime.supervision.record import Place

_READY = 1


class Keeper:
    """The process, if one is needed."""

    def __init__(self, path: str, loop: Loop) -> None:
        self._path = path
        self._loop = loop
        self._held: frozenset[int] = frozenset()
        self._process = self._predecessor()

    def _predecessor(self) -> ProcessId | None:
        with contextlib.suppress(FileNotFoundError, ValueError), open(self._path, encoding="ascii") as file:
            pid, start_time = file.read().split()
            return ProcessId(int(pid), int(start_time))
        return None

    def recover(self, place: Place) -> int | None:
        """The terminal's master that the last keeper holds for a container, if there is one."""
        keeper = self._process
        pidfd = None if keeper is None else open_process(keeper.pid, keeper.start_time)
        try:
            return recover_master(pidfd, place)
        finally:
            if pidfd is not None:
                os.close(pidfd)

    def hold(self, fds: Collection[int]) -> None:
        """Hold these open, and no others, whatever becomes of us."""
        if frozenset(fds) == self._held and self._process is not None:
            return
        before, self._process = self._process, _start(fds, self._path) if fds else None
        self._held = frozenset(fds)
        if self._process is None:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self._path)
        else:
            self._write(self._process)
            self._watch(self._process)
        if before is not None:
            _end(before)

    def _watch(self, process: ProcessId) -> None:
        """Somebody who ends it does not end what it is for."""
        self._loop.on_end(process, lambda _: self._replace(process))

    def _replace(self, ended: ProcessId) -> None:
        if self._process == ended:
            self._process = None
            self.hold(self._held)

    def _write(self, process: ProcessId) -> None:
        with open(f"{self._path}.new", "w", encoding="ascii") as file:
            file.write(f"{process.pid} {process.start_time}\n")
        os.rename(f"{self._path}.new", self._path)


def _start(fds: Collection[int], path: str) -> ProcessId:
    """All other descriptors close as it executes."""
    with contextlib.ExitStack() as held:
        hears, says, waits, never = (*os.pipe2(os.O_CLOEXEC), *os.pipe2(os.O_CLOEXEC))
        for fd in (hears, waits, never):
            held.callback(os.close, fd)
        for fd in (*fds, says, waits, never):
            os.set_inheritable(fd, True)  # noqa: FBT003 - the standard library's own
        for fd in fds:
            held.callback(os.set_inheritable, fd, False)  # noqa: FBT003
        prepared = prepare(_plan(says, waits), says)
        try:
            pid, pidfd = bear(prepared, 0, name=f"tare-keeper {os.path.dirname(path)}".encode())
        finally:
            os.close(says)
        os.close(pidfd)
        receive(hears, prepared.purposes)
        return ProcessId(pid, started_at(pid))


def _plan(says: int, waits: int) -> tuple[Call, ...]:
    return (
        Call("start a session", "setsid"),
        event(_READY, says),
        Call("say no more", "close", (says,)),
        Call("wait for ever", "read", (waits, Memory(bytes(8)), 1)),
    )


def _end(process: ProcessId) -> None:
    """It is a child of ours or of nobody's; whoever is its parent reaps it."""
    pidfd = open_process(process.pid, process.start_time)
    if pidfd is not None:
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(pidfd, signal.SIGKILL)
        os.close(pidfd)

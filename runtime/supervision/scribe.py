"""Hears what a container writes, and sees to it that it is logged and shown to the clients that are attached.

Each turn moves a bounded piece, so that a container that writes as fast as it can delays nobody but itself.
"""

from __future__ import annotations

import contextlib
import os
from functools import partial
from typing import TYPE_CHECKING

from runtime.supervision.attachment import Attachment
from runtime.supervision.loop import IN
from runtime.supervision.streams import Streams
from runtime.supervision.terminal import Onlooker
from runtime.supervision.transcript import Transcript

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from runtime.supervision.loop import Loop
    from runtime.supervision.record import Place
    from runtime.supervision.terminal import Terminal
    from runtime.supervision.terms import LogLimits

_DISK_AGAIN_S = 1.0
_DISK_TRIES = 5


class Scribe:
    """Of one container. ``changed`` is called when `fds` has changed, ``trouble`` with what keeps it from going on."""

    def __init__(
        self, loop: Loop, place: Place, limits: LogLimits, changed: Callable[[], None], trouble: Callable[[str], None]
    ) -> None:
        self._loop, self._place, self._limits = loop, place, limits
        self._changed, self._trouble = changed, trouble
        self._streams: Streams | None = None
        self._transcript: Transcript | None = None
        self._attachments: list[Attachment] = []
        self._onlookers: list[Onlooker] = []
        self._terminal: Terminal | None = None
        self.size: tuple[int, int] | None = None
        self._drained: Callable[[], None] | None = None

    @property
    def fds(self) -> tuple[int, ...]:
        """What is to stay open, whatever becomes of us."""
        master = None if self._terminal is None else self._terminal.fd
        return (*(() if self._streams is None else self._streams.all), *(() if master is None else (master,)))

    @property
    def input(self) -> int | None:
        """Our end of the container's stdin, if it has one."""
        return None if self._streams is None else self._streams.input

    def open(self, *, stdin: bool, fresh: bool) -> None:
        """Make new streams for a start, or open those of a container that a predecessor has started."""
        if not fresh:
            self._streams = Streams(self._place, stdin=stdin)
        elif self._streams is None:  # or somebody is attached already, before the start
            self._streams = Streams.fresh(self._place, stdin=stdin)
        self._transcript = self._transcript or Transcript(self._place.directory, self._limits)
        self._drained = None
        self._changed()

    def open_theirs(self) -> tuple[int, int, int] | None:
        """The container's ends of its streams, to be closed by the caller."""
        return None if self._streams is None else self._streams.open_theirs()

    def use(self, terminal: Terminal) -> None:
        """The container has a terminal."""
        self._terminal = terminal
        self._changed()

    def resize(self, rows: int, columns: int) -> None:
        """The terminal, if there is one yet; or as soon as there is."""
        self.size = (rows, columns)
        if self._terminal is not None:
            self._terminal.resize(rows, columns)

    def listen(self) -> None:
        """Hear what is written, unless somebody has to catch up first. Idempotent."""
        if self._drained is not None or self._is_held_up():
            return
        for name, fd in self._outputs.items():
            self._loop.unwatch(fd)
            self._loop.watch(fd, IN, partial(self._hear, name))

    @property
    def _outputs(self) -> dict[str, int]:
        return {} if self._streams is None else self._streams.outputs

    def _is_held_up(self) -> bool:
        return any(attachment.is_full for attachment in self._attachments)

    def _pause(self) -> None:
        for fd in self._outputs.values():
            self._loop.unwatch(fd)

    def _hear(self, name: str, _: int) -> None:
        """Some of what a stream has. Its end may come before the container's."""
        try:
            moved = self._move(name)
        except OSError as error:
            self._pause()
            self._loop.after(_DISK_AGAIN_S, self.listen)
            self._trouble(f"log: {os.strerror(error.errno or 0).lower()}")
            return
        if moved is None:
            self._close_output(name)
            self._changed()
        if self._is_held_up():
            self._pause()

    def _move(self, name: str) -> int | None:
        if self._transcript is None or name not in self._outputs:
            return None
        moved = self._transcript.take(name, self._outputs[name])
        if moved and self._attachments:
            content = self._transcript.last(name, moved)
            for attachment in self._attachments:
                attachment.send(name, content)
            self._attachments = [attachment for attachment in self._attachments if not attachment.has_gone]
        return moved

    def _close_output(self, name: str) -> None:
        if self._streams is not None:
            self._loop.unwatch(self._outputs.get(name, -1))
            self._streams.close_output(name)

    def drain(self, done: Callable[[], None]) -> None:
        """Hear all that is left of a container that is gone, and then close its streams and be ``done``."""
        self._pause()
        self._drained = done
        self._drain(_DISK_TRIES)

    def _drain(self, tries: int) -> None:
        """One piece of each stream. One that somebody else has open still ends when there is nothing in it."""
        pause_s = 0.0
        for name in list(self._outputs):
            more = self._terminal is not None and self._terminal.pump()
            behind = more or (self._transcript is not None and self._transcript.is_behind(name))
            try:
                moved = self._move(name)
            except OSError as error:
                self._trouble(f"log: {os.strerror(error.errno or 0).lower()}")
                pause_s, tries = _DISK_AGAIN_S, tries - 1
                moved = 1 if tries else None
            if moved is None or (moved == 0 and not behind):
                self._close_output(name)
        if self._outputs:
            self._loop.after(pause_s, partial(self._drain, tries))
        else:
            self._finish()

    def _finish(self) -> None:
        if self._transcript is not None:
            with contextlib.suppress(OSError):  # a disk that is full: what is not logged stays in the spool
                self._transcript.finish()
        if self._terminal is not None:
            self._terminal.close()
            self._terminal = None
        if self._streams is not None:
            self._streams.close()
            self._streams = None
            self._changed()
        done, self._drained = self._drained, None
        if done is not None:
            done()

    def attach(self, pipes: Mapping[str, int]) -> None:
        """Show a client what is written from now on."""
        self._attachments.append(Attachment(self._loop, pipes, self.listen))

    def attach_terminal(self, fd: int) -> None:
        """Show a client what the terminal shows, and let it type."""
        self._onlookers.append(Onlooker(self._loop, fd, self._type))
        self.attach({"stdout": fd})

    def _type(self, content: bytes) -> bool:
        """What is typed before there is a terminal waits for it."""
        if self._terminal is None:
            return False
        self._terminal.type(content)
        return not self._terminal.is_full

    def close_input(self) -> None:
        """No client will write to the container's stdin any more."""
        if self._streams is not None:
            self._streams.close_input()
            self._changed()

    def close(self) -> None:
        """Nothing will be written until the next start, if there is one. Idempotent."""
        if self._transcript is not None:
            self._transcript.close()
            self._transcript = None
        if self._streams is not None:  # of a start that never came
            self._streams.close()
            self._streams = None
            self._changed()
        for attachment in self._attachments:
            attachment.end()
        for onlooker in self._onlookers:
            onlooker.close()
        self._attachments, self._onlookers = [], []

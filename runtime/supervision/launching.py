"""One launch of a container, by a helper: its streams go with it, or its terminal comes back."""

from __future__ import annotations

import os
import socket
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING, Any

from runtime.supervision.errors import SupervisionError
from runtime.supervision.helper import Helper
from runtime.supervision.terminal import Terminal, receive_master
from runtime.supervision.verbs import Console, launch
from runtime.values import Value

if TYPE_CHECKING:
    from collections.abc import Callable

    from runtime.supervision.loop import Loop
    from runtime.supervision.memory import Memory
    from runtime.supervision.scribe import Scribe
    from runtime.supervision.verbs import Scene


class Launch(Value):
    """``done`` is called with the process, or with the error; if its terminal did not come, with that under it."""

    loop: Loop
    scene: Scene
    memory: Memory
    scribe: Scribe
    done: Callable[[dict[str, Any]], None]

    def begin(self, lock: int) -> None:
        """The helper holds the lock of the container's directory."""
        with ExitStack() as held:
            try:
                if self.memory.terms.terminal:
                    self._with_terminal(held, lock)
                else:
                    self._with_streams(held, lock)
            except OSError as error:
                self.done({"error": ": ".join(filter(None, (error.filename, error.strerror)))})

    def _with_streams(self, held: ExitStack, lock: int) -> None:
        streams = self.scribe.open_theirs()
        for fd in streams or ():
            held.callback(os.close, fd)
        work = partial(launch, self.scene, self.memory.terms, Console())
        Helper(self.loop, work, self.done, streams=streams, holds=(lock,))

    def _with_terminal(self, held: ExitStack, lock: int) -> None:
        ours, theirs = socket.socketpair()
        held.enter_context(theirs)
        console = Console(ours.fileno(), theirs.fileno(), self.scribe.size)
        work = partial(launch, self.scene, self.memory.terms, console)
        Helper(self.loop, work, partial(self._take, ours), holds=(lock, console.ours, console.theirs))

    def _take(self, channel: socket.socket, result: dict[str, Any]) -> None:
        with channel:
            if "pid" in result:
                try:
                    master = receive_master(channel, self.memory.place)
                    self.scribe.use(Terminal(self.loop, self.memory.place, master))
                except (OSError, SupervisionError) as error:  # it runs, and nobody sees it
                    result["terminal"] = str(error)
        self.done(result)

"""A container's streams, or its terminal, as descriptors of ours."""

from __future__ import annotations

import os

from runtime.engine.errors import Conflict
from runtime.engine.states import read_state
from runtime.unwinding import ExitStack

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from runtime.engine.container import Container
    from runtime.engine.engine import Engine


class Attachment:
    """``stdin`` is None where nobody may write. With a ``terminal`` that one is all there is, read and written.

    The descriptors are the caller's to close, or closed on leaving; the container goes on.
    """

    def __init__(  # noqa: PLR0913 - each stream has a name
        self, engine: Engine, container_id: str, *, stdin: int | None = None, stdout: int = -1, stderr: int = -1,
        terminal: int | None = None,
    ) -> None:  # fmt: skip
        self._engine = engine
        self._id = container_id
        self.stdin = stdin
        self.stdout = stdout
        self.stderr = stderr
        self.terminal = terminal

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def resize(self, rows: int, columns: int) -> None:
        """Of the terminal; nothing happens without one."""
        if self.terminal is not None:
            self._engine.supervisor.resize(self._id, rows, columns)

    def end_input(self) -> None:
        """The container reads an end of file, once all who write have said so."""
        if self.stdin is not None:
            self._engine.supervisor.close_stdin(self._id)
            os.close(self.stdin)
            self.stdin = None

    def close(self) -> None:
        """Idempotent."""
        for fd in (self.stdin, self.stdout, self.stderr, self.terminal):
            if fd is not None and fd >= 0:
                os.close(fd)
        self.stdin = self.terminal = None
        self.stdout = self.stderr = -1


def attach(engine: Engine, container: Container) -> Attachment:
    """To one that runs, or is about to; raises `Conflict` for one that is paused or over."""
    from runtime.engine.lifecycle import take_on, translated

    state = read_state(engine.home, container.id)
    if state.status == "paused":
        raise Conflict("You cannot attach to a paused container, unpause it first")
    take_on(engine, container)
    with translated(container):
        if container.config.tty:
            return Attachment(engine, container.id, terminal=engine.supervisor.attach_terminal(container.id))
        return _attach_pipes(engine, container)


def _attach_pipes(engine: Engine, container: Container) -> Attachment:
    with ExitStack() as undo:
        (stdout, out), (stderr, err) = os.pipe(), os.pipe()
        for fd in (stdout, stderr):
            undo.callback(os.close, fd)
        try:
            stdin = engine.supervisor.attach(container.id, out, err)
        finally:
            os.close(out)
            os.close(err)
        undo.pop_all()
        return Attachment(engine, container.id, stdin=stdin, stdout=stdout, stderr=stderr)

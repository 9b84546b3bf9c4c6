"""Do something in a child of ours that may take its time, and hear what came of it.

To create a container, to run a process in it and to delete it may wait: for hooks, for listeners, for the kernel.
Nobody else's logs and health are to wait with it. The child ends when it has done its work, and what it started is ours
then, because we are a subreaper. It does not end with us: a container is never half made because we were killed.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
from typing import TYPE_CHECKING, Any

from runtime.supervision.loop import IN, forget_loop

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import NoReturn

    from runtime.supervision.loop import Loop

_FIRST = 3
_CHUNK = 65536
FILES_LIMIT = resource.getrlimit(resource.RLIMIT_NOFILE)
"""As we got it, and as it is to go on to containers; we allow ourselves more."""


class Helper:
    """Work on its way. ``done`` is called with what it returned, or with its error as text under ``error``."""

    def __init__(
        self,
        loop: Loop,
        work: Callable[[], dict[str, Any]],
        done: Callable[[dict[str, Any]], None],
        *,
        streams: tuple[int, int, int] | None = None,
        holds: tuple[int, ...] = (),
    ) -> None:
        """Begin. ``streams`` become the child's own, and so the container's; it ``holds`` these descriptors, too."""
        self._loop = loop
        self._done = done
        self._said = b""
        self._reads, says = os.pipe2(os.O_CLOEXEC)
        pid = os.fork()
        if pid == 0:
            _live(work, says, streams, holds)
        os.close(says)
        loop.helpers += 1
        loop.watch(self._reads, IN, self._hear)

    def _hear(self, _: int) -> None:
        said = os.read(self._reads, _CHUNK)
        if said:
            self._said += said
            return
        self._loop.unwatch(self._reads)
        os.close(self._reads)
        self._loop.helpers -= 1
        try:
            result: dict[str, Any] = json.loads(self._said)
        except ValueError:
            result = {"error": "the helper process ended without a word"}
        self._done(result)


def _live(
    work: Callable[[], dict[str, Any]], says: int, streams: tuple[int, int, int] | None, holds: tuple[int, ...]
) -> NoReturn:
    """The child's whole life."""
    try:
        forget_loop()
        with open("/proc/self/comm", "w", encoding="ascii") as name:
            name.write("tare-helper")
        for number, fd in enumerate(streams or ()):
            os.dup2(fd, number)
        first = _FIRST
        for fd in sorted({says, *holds}):
            os.closerange(first, fd)
            first = fd + 1
        os.closerange(first, _most())
        resource.setrlimit(resource.RLIMIT_NOFILE, FILES_LIMIT)
        os.write(says, json.dumps(_outcome(work)).encode())
    except BaseException as error:  # noqa: BLE001 - a child of a fork must not go on as its parent
        with contextlib.suppress(BaseException):
            os.write(says, json.dumps({"error": f"internal error: {error!r}"}).encode())
    finally:
        os._exit(0)


def _outcome(work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    from runtime.cgroups.hierarchy import CgroupError
    from runtime.container.errors import ContainerError
    from runtime.linux.program import Failure
    from runtime.spec.reader import SpecError
    from runtime.supervision.errors import SupervisionError

    try:
        return work()
    except (ContainerError, SpecError, CgroupError, Failure, SupervisionError) as error:
        return {"error": str(error)}
    except OSError as error:
        return {"error": ": ".join(filter(None, (error.filename, error.strerror or str(error))))}


def _most() -> int:
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]

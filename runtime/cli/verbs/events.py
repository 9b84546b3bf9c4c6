"""``events`` and ``stats``: what a container uses, and when its memory runs out, one JSON object a line."""

from __future__ import annotations

import os
import select
import time

from runtime import jsontext
from runtime.cli.options import Option, Syntax
from runtime.container.errors import ContainerError, WrongStatus
from runtime.container.state import Status

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from runtime.cli.oci import Command
    from runtime.cli.options import Given
    from runtime.container.state import State

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


SYNTAX = {
    "events": Syntax(
        (
            Option("stats", "once, and no events"),
            Option("interval", "between statistics", metavar="TIME", default="5s"),
        ),
        "ID", 1, 1,
    ),
    "stats": Syntax((), "ID", 1, 1),
}  # fmt: skip


def perform(command: Command, verb: str, given: Given) -> int:
    """Print them until the container stops; or the statistics once."""
    once = verb == "stats" or given.stats
    interval_s = 0.0 if once else _seconds(given.interval)
    container = command.store.find(given.arguments[0])
    state = container.state()
    if container.status(state) is Status.STOPPED:
        raise WrongStatus(f"watch container {container.id!r}: container not running")
    if once:
        _print("stats", container.id, state.group.stats())
    else:
        _follow(state, interval_s)
    return 0


def _print(kind: str, container_id: str, data: dict[str, Any] | None) -> None:
    event = {"type": kind, "id": container_id} | ({} if data is None else {"data": data})
    print(jsontext.dumps(event), flush=True)  # noqa: T201


def _follow(state: State, interval_s: float) -> None:
    pidfd = os.pidfd_open(state.pid)
    poll = select.poll()
    try:
        with state.group.watch_oom() as oom:
            poll.register(pidfd, select.POLLIN)
            poll.register(oom.fd, oom.mask)
            due = time.monotonic()
            while True:
                if time.monotonic() >= due:
                    _print("stats", state.id, state.group.stats())
                    due = time.monotonic() + interval_s
                ready = {fd for fd, _ in poll.poll(max(0.0, due - time.monotonic()) * 1000)}
                times = oom.wait(0) if oom.fd in ready else 0
                if times:
                    _print("oom", state.id, None)
                if times is None or pidfd in ready:
                    return
    finally:
        os.close(pidfd)


def _seconds(text: str) -> float:
    """``500ms``, ``5s``, ``1m``: a number and a unit."""
    number = text.rstrip("mhs")
    try:
        seconds = float(number) * _UNITS[text[len(number) :] or "s"]
    except (ValueError, KeyError):
        raise ContainerError(f"--interval {text!r}: not a time such as 5s") from None
    if seconds <= 0:
        raise ContainerError(f"--interval {text!r}: not above zero")
    return seconds

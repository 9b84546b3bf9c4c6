"""A container in front of us: its streams are ours until it ends, or until we leave it to itself."""

from __future__ import annotations

import os

from runtime.tare.containers.detaching import parse_keys
from runtime.tare.containers.relay import Relay
from runtime.tare.errors import FAILED, CommandError
from runtime.unwinding import suppress
from runtime.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Container as Collection
    from typing import Protocol

    from runtime.engine.container import Container
    from runtime.tare.context import Session

ALL_STREAMS = frozenset({"stdin", "stdout", "stderr"})
LEFT = "read escape sequence"

if TYPE_CHECKING:

    class Streams(Protocol):
        """Descriptors: a terminal's, or those of pipes."""

        terminal: int | None
        stdin: int | None
        stdout: int
        stderr: int


class Wish(Value):
    """Which streams are attached, whether our signals are the container's, and the keys that leave it."""

    streams: frozenset[str]
    proxy: bool = True
    keys: str = ""


def refuse_no_terminal(wish: Wish, *, tty: bool) -> None:
    """A container with a terminal wants one in front of it, or nothing that could be typed."""
    if tty and "stdin" in wish.streams and not os.isatty(0):
        raise CommandError("the input device is not a TTY", FAILED)


def attend(session: Session, container: Container, wish: Wish, begin: Callable[[], object] | None = None) -> bool:
    """Until its streams have ended; False if we left it before. ``begin`` is called once we are attached."""
    containers = session.engine.containers
    keys = parse_keys(wish.keys)

    def forward(number: int) -> None:
        with suppress(Exception):  # it has ended meanwhile
            containers.kill(container, str(number))

    with containers.attach(container) as attachment:
        terminal = attachment.terminal
        relay = Relay(
            on_signal=forward if wish.proxy else None,
            on_resize=attachment.resize if terminal is not None else None,
            keys=keys if terminal is not None else b"",
        )
        with relay:
            feeds = "stdin" in wish.streams and container.config.stdin_open
            connect(relay, attachment, wish.streams, attachment.end_input if feeds else None)
            if terminal is not None and os.isatty(0):
                relay.take_terminal()
            if begin is not None:
                begin()
                relay.resize()
            return relay.run()


def connect(relay: Relay, streams: Streams, wanted: Collection[str], end_input: Callable[[], None] | None) -> None:
    """Its streams to ours, those that are not ``wanted`` to nowhere; ours to its stdin, if that is to be ended."""
    null = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
    if streams.terminal is not None:
        relay.take(streams.terminal, 1 if "stdout" in wanted else null)
    else:
        relay.take(streams.stdout, 1 if "stdout" in wanted else null)
        relay.take(streams.stderr, 2 if "stderr" in wanted else null)
    target = streams.stdin if streams.terminal is None else streams.terminal
    if target is not None and end_input is not None:
        relay.feed(target, end_input)

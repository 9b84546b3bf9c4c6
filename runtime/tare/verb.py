"""A verb as a value: what it takes, what --help says of it, and the function that does it.

A module of verbs looks like this; `catalogue.py` names its `LIST`::

    LIST = Verb(
        "ls [OPTIONS]", "List volumes", perform_list,
        (Flag("quiet", "Only display volume names", short="q"), FORMAT, FILTER),
    )

    def perform_list(session: Session, given: Given) -> int | None:
        for volume in session.engine.volumes.list():
            session.say(volume.name)
"""

from __future__ import annotations

from runtime.tare.errors import FAILED, UsageError
from runtime.tare.flags import Flag, parse
from runtime.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from runtime.tare.context import Session
    from runtime.tare.flags import Given

    Perform = Callable[[Session, Given], int | None]

HELP = Flag("help", "Print usage", hidden=True)
FORMAT = Flag("format", "Format output using a Go template, 'table TEMPLATE' or 'json'", metavar="string")
FILTER = Flag("filter", "Filter output based on conditions provided", short="f", metavar="filter", many=True)
# Where -f is to ask no questions.
PRUNE_FILTER = Flag("filter", FILTER.help, metavar="filter", many=True)


class Verb(Value):
    """``usage`` begins with its last word. ``perform`` gives the exit code; None is 0.

    ``least`` and ``most`` are how many arguments there may be beside the flags; a ``most`` of None is any number.
    ``interspersed`` is False where the first argument ends the flags, because what follows is a command.
    """

    usage: str
    purpose: str
    perform: Perform
    flags: tuple[Flag, ...] = ()
    least: int = 0
    most: int | None = 0
    interspersed: bool = True
    details: str = ""

    def parse(self, path: str, words: Sequence[str]) -> Given:
        """The flags, and as many arguments as there have to be; raises `UsageError`. With ``--help``, whatever."""
        try:
            given = parse((*self.flags, HELP), words, interspersed=self.interspersed)
            if not given.switch("help"):
                self._count(path, len(given.arguments))
        except UsageError as error:
            error.path = error.path or path
            raise
        return given

    def _count(self, path: str, count: int) -> None:
        if self.most == 0 < count:
            raise UsageError(f"'{path}' accepts no arguments", FAILED)
        if self.least == self.most != count:
            raise UsageError(f"'{path}' requires {_arguments(self.least)}", FAILED)
        if count < self.least:
            raise UsageError(f"'{path}' requires at least {_arguments(self.least)}", FAILED)
        if self.most is not None and count > self.most:
            raise UsageError(f"'{path}' requires at most {_arguments(self.most)}", FAILED)


def _arguments(count: int) -> str:
    return f"{count} argument{'s' * (count != 1)}"

"""What is shown: a command, what the deck showed for it, and what was seen here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.demo.stage import Stage


class Differs(Exception):
    """What was seen is not what the deck showed; the message says what was."""


@dataclass(frozen=True, slots=True)
class Step:
    """One command of a demonstration. ``act`` carries it out, says what was seen, and raises `Differs`."""

    demonstration: int
    command: str
    deck: str
    act: Callable[[Stage], str]


@dataclass(frozen=True, slots=True)
class Observation:
    """How a step went: ``seen`` in one sentence, and the ``output`` it was seen in."""

    step: Step
    command: str
    seen: str
    output: str
    agrees: bool

    def document(self) -> dict[str, Any]:
        """For ``--json``."""
        return {
            "demonstration": self.step.demonstration,
            "command": self.command,
            "deck": self.step.deck,
            "seen": self.seen,
            "output": self.output,
            "agrees": self.agrees,
        }

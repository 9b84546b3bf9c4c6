"""What is said about one quantity: a value, how far it may be off, and on how many observations that rests."""

from __future__ import annotations

from dataclasses import dataclass

CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value with its 95 % interval in ``unit``; a bound that the data cannot give is ``None``, never a guess.

    ``n`` counts the observations of kind ``of``: instances, steps within a block, or blocks. ``note`` says why a bound
    is missing, or what the interval does not cover.
    """

    value: float
    low: float | None
    high: float | None
    n: int
    unit: str
    of: str
    note: str = ""

    @property
    def bounded(self) -> bool:
        """Whether both ends of the interval are known."""
        return self.low is not None and self.high is not None


@dataclass(frozen=True, slots=True)
class Slope:
    """A slope with what is needed to draw from its sampling distribution: standard error and degrees of freedom."""

    estimate: Estimate
    error: float | None
    freedom: int

"""Quantiles with distribution-free intervals from order statistics, where waiting that was given up counts as longer.

The interval of the quantile p lies between two order statistics whose ranks follow from the binomial distribution of
the number of observations below the quantile (David and Nagaraja, *Order Statistics*, 3rd ed., section 7.1). It is
exact for any continuous distribution, and does not exist when n is too small for p.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from scipy.stats import binom

from bench.analysis.estimate import CONFIDENCE, Estimate

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


@dataclass(frozen=True, slots=True)
class Distribution:
    """Observed ``values``, sorted, and how many observations were ``censored``: they took longer than we waited."""

    values: tuple[float, ...]
    censored: int
    unit: str
    of: str = "instances"

    @property
    def n(self) -> int:
        """All observations, censored ones included."""
        return len(self.values) + self.censored

    def quantile(self, p: float) -> Estimate | None:
        """The quantile p with its rank interval; ``None`` if nothing was observed or it lies among the censored."""
        ordered = (*self.values, *[math.inf] * self.censored)
        value = _interpolate(ordered, p)
        if value is None:
            return None
        ranks = rank_interval(self.n, p)
        if ranks is None:
            return Estimate(value, None, None, self.n, self.unit, self.of, f"n = {self.n} is too small for an interval")
        high = ordered[ranks[1] - 1]
        note = "the upper bound lies among those that never answered" if math.isinf(high) else ""
        return Estimate(value, ordered[ranks[0] - 1], None if note else high, self.n, self.unit, self.of, note)

    def median(self) -> Estimate | None:
        """The quantile 0.5."""
        return self.quantile(0.5)


def distribution(observed: Iterable[float], censored: int = 0, *, unit: str, of: str = "instances") -> Distribution:
    """Sort what was observed."""
    return Distribution(tuple(sorted(float(value) for value in observed)), censored, unit, of)


def rank_interval(n: int, p: float, confidence: float = CONFIDENCE) -> tuple[int, int] | None:
    """The ranks (from 1) of the order statistics that enclose the quantile p, each tail at most (1-confidence)/2."""
    if n < 1:
        return None
    tail = (1 - confidence) / 2
    # P(B <= j-1) <= tail for the lower rank j; P(B >= k) <= tail for the upper rank k, with B ~ binomial(n, p).
    lower = int(binom.ppf(tail, n, p))
    if binom.cdf(lower, n, p) <= tail:
        lower += 1
    upper = int(binom.isf(tail, n, p)) + 1
    if lower < 1 or upper > n:
        return None
    return lower, upper


def _interpolate(ordered: Sequence[float], p: float) -> float | None:
    """Hyndman and Fan's type 7, the default of numpy, except that it never interpolates towards infinity."""
    if not ordered:
        return None
    position = p * (len(ordered) - 1)
    below = math.floor(position)
    share = position - below
    value = ordered[below] if share == 0 else _between(ordered[below], ordered[below + 1], share)
    return value if math.isfinite(value) else None


def _between(low: float, high: float, share: float) -> float:
    return low if low == high else low + (high - low) * share

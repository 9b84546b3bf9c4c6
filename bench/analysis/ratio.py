"""How many times as much: ratios with seeded bootstrap intervals."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bench.analysis.estimate import CONFIDENCE, Estimate
from bench.analysis.slopes import draw

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from bench.analysis.estimate import Slope

RESAMPLES = 4_000
MEBIBYTE = 1024 * 1024
APPLICATION_BYTES: tuple[int, ...] = (0, *(2**power * MEBIBYTE for power in range(13)))


@dataclass(frozen=True, slots=True)
class RatioPoint:
    """The ratio when the application itself needs ``application_bytes`` on top of what was measured."""

    application_bytes: int
    ratio: Estimate


def ratio_of_medians(above: Sequence[float], below: Sequence[float], seed: int) -> Estimate | None:
    """The ratio of two medians with a percentile bootstrap interval; ``None`` without data or over zero."""
    if not above or not below or np.median(below) <= 0:
        return None
    value, n = float(np.median(above) / np.median(below)), min(len(above), len(below))
    if n < 2:
        return Estimate(value, None, None, n, "times", "instances", f"n = {n} is too small for an interval")
    rng = np.random.default_rng(seed)
    drawn = _resampled_medians(rng, above) / _resampled_medians(rng, below)
    return Estimate(value, *percentile_interval(drawn), n, "times", "instances")


def _resampled_medians(rng: np.random.Generator, values: Sequence[float]) -> NDArray[np.float64]:
    picked = rng.integers(0, len(values), size=(RESAMPLES, len(values)))
    medians: NDArray[np.float64] = np.median(np.asarray(values, dtype=np.float64)[picked], axis=1)
    return medians


def ratio_of_slopes(above: Slope, below: Slope, seed: int, added: float = 0.0) -> Estimate | None:
    """The ratio of two slopes after ``added`` on both sides, drawing each from its sampling distribution."""
    denominator = below.estimate.value + added
    if denominator <= 0:
        return None
    value = (above.estimate.value + added) / denominator
    n = min(above.estimate.n, below.estimate.n)
    if above.error is None or below.error is None:
        return Estimate(value, None, None, n, "times", above.estimate.of, "one of the two has no interval")
    drawn = divide(draw(above, seed) + added, draw(below, seed + 1) + added)
    return Estimate(value, *percentile_interval(drawn), n, "times", above.estimate.of, above.estimate.note)


def ratio_curve(above: Slope, below: Slope, seed: int) -> tuple[RatioPoint, ...]:
    """The ratio over the application's own size: it falls towards one as the application outweighs the box."""
    ratios = ((size, ratio_of_slopes(above, below, seed, size)) for size in APPLICATION_BYTES)
    return tuple(RatioPoint(size, ratio) for size, ratio in ratios if ratio is not None)


def divide(above: NDArray[np.float64], below: NDArray[np.float64]) -> NDArray[np.float64]:
    """Element by element; what is divided by nothing, or by less, is infinite."""
    quotient = np.full(above.shape, np.inf)
    np.divide(above, below, out=quotient, where=below > 0)
    return quotient


def percentile_interval(drawn: NDArray[np.float64]) -> tuple[float | None, float | None]:
    """The central 95 % of the draws; an infinite end is ``None``. Order statistics, so that infinity stays itself."""
    ordered = np.sort(drawn)
    tail = (1 - CONFIDENCE) / 2
    low = float(ordered[math.floor(tail * (len(ordered) - 1))])
    high = float(ordered[math.ceil((1 - tail) * (len(ordered) - 1))])
    return low if math.isfinite(low) else None, high if math.isfinite(high) else None

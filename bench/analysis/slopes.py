"""Slopes of several blocks made one, compared with another's, and drawn from."""

from __future__ import annotations

import math
from statistics import fmean, stdev
from typing import TYPE_CHECKING

import numpy as np
from scipy.stats import t

from bench.analysis.estimate import Estimate, Slope
from bench.analysis.line import student

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from bench.analysis.line import Line

DRAWS = 10_000

ONE_BLOCK = "one block: the interval is within this block and says nothing of how another run would differ"
NO_FREEDOM = "two steps only: a line through two points leaves nothing to judge its error by"


def combine(lines: Sequence[Line], unit: str) -> Slope | None:
    """The mean slope over blocks with Student's interval over blocks; with one block, the interval within it."""
    if not lines:
        return None
    if len(lines) == 1:
        return _within(lines[0], unit)
    return mean_slope([line.slope for line in lines], unit)


def mean_slope(slopes: Sequence[float], unit: str) -> Slope:
    """The mean of two or more block slopes, the block being the unit."""
    n, value = len(slopes), fmean(slopes)
    error = stdev(slopes) / math.sqrt(n)
    half = student(n - 1) * error
    return Slope(Estimate(value, value - half, value + half, n, unit, "blocks"), error, n - 1)


def _within(line: Line, unit: str) -> Slope:
    low, high = line.slope_interval() or (None, None)
    note = ONE_BLOCK if low is not None else NO_FREEDOM
    return Slope(Estimate(line.slope, low, high, line.n, unit, "steps", note), line.slope_error, line.freedom)


def difference(more: Slope, less: Slope) -> Estimate:
    """``more - less`` of independent slopes, with Welch's degrees of freedom."""
    value = more.estimate.value - less.estimate.value
    n, unit, of = min(more.estimate.n, less.estimate.n), more.estimate.unit, more.estimate.of
    note = more.estimate.note or less.estimate.note
    if more.error is None or less.error is None:
        return Estimate(value, None, None, n, unit, of, NO_FREEDOM)
    half = _welch_half_width((more.error**2, more.freedom), (less.error**2, less.freedom))
    return Estimate(value, value - half, value + half, n, unit, of, note)


def _welch_half_width(*variances: tuple[float, int]) -> float:
    total = math.fsum(variance for variance, _ in variances)
    if total == 0:
        return 0.0
    freedom = total**2 / math.fsum(variance**2 / count for variance, count in variances)
    return float(t.ppf(0.975, freedom)) * math.sqrt(total)


def draw(slope: Slope, seed: int, count: int = DRAWS) -> NDArray[np.float64]:
    """``count`` slopes as the sampling distribution would have them; all equal where the error is not known."""
    if slope.error is None:
        return np.full(count, slope.estimate.value)
    return slope.estimate.value + slope.error * np.random.default_rng(seed).standard_t(slope.freedom, count)

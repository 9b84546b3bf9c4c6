"""A straight line through observations by ordinary least squares, with its intervals and a check on unseen data."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import combinations
from statistics import fmean, median
from typing import TYPE_CHECKING

from scipy.stats import t

from bench.analysis.estimate import CONFIDENCE

if TYPE_CHECKING:
    from collections.abc import Sequence

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Line:
    """``y = intercept + slope * x``; spread and errors are ``None`` where n leaves no degree of freedom."""

    slope: float
    intercept: float
    n: int
    x_mean: float
    x_squares: float
    r_squared: float | None
    residual_sd: float | None

    @property
    def freedom(self) -> int:
        """Degrees of freedom of the residuals."""
        return self.n - 2

    @property
    def slope_error(self) -> float | None:
        """Standard error of the slope."""
        return None if self.residual_sd is None else self.residual_sd / math.sqrt(self.x_squares)

    def at(self, x: float) -> float:
        """The fitted value at x."""
        return self.intercept + self.slope * x

    def slope_interval(self) -> tuple[float, float] | None:
        """The 95 % interval of the slope."""
        if self.slope_error is None:
            return None
        half = student(self.freedom) * self.slope_error
        return self.slope - half, self.slope + half

    def prediction(self, x: float) -> tuple[float, float] | None:
        """Where one more observation at x would fall, with 95 % probability."""
        if self.residual_sd is None:
            return None
        distance = (x - self.x_mean) ** 2 / self.x_squares
        half = student(self.freedom) * self.residual_sd * math.sqrt(1 + 1 / self.n + distance)
        return self.at(x) - half, self.at(x) + half


@dataclass(frozen=True, slots=True)
class HeldOut:
    """How well a line through x <= ``fitted_to`` foretold the ``n`` points beyond it, as a share of what was seen."""

    fitted_to: float
    n: int
    median_error: float
    largest_error: float


def student(freedom: int, confidence: float = CONFIDENCE) -> float:
    """The two-sided quantile of Student's t."""
    return float(t.ppf((1 + confidence) / 2, freedom))


def fit_line(points: Sequence[Point]) -> Line | None:
    """Least squares; ``None`` with fewer than two different x."""
    xs, ys = [point[0] for point in points], [point[1] for point in points]
    if len(set(xs)) < 2:
        return None
    x_mean, y_mean = fmean(xs), fmean(ys)
    x_squares = math.fsum((x - x_mean) ** 2 for x in xs)
    slope = math.fsum((x - x_mean) * (y - y_mean) for x, y in points) / x_squares
    intercept = y_mean - slope * x_mean
    unexplained = math.fsum((y - intercept - slope * x) ** 2 for x, y in points)
    total = math.fsum((y - y_mean) ** 2 for y in ys)
    residual_sd = math.sqrt(unexplained / (len(points) - 2)) if len(points) > 2 else None
    r_squared = 1 - unexplained / total if total > 0 and len(points) > 2 else None
    return Line(slope, intercept, len(points), x_mean, x_squares, r_squared, residual_sd)


def robust_slope(points: Sequence[Point]) -> float | None:
    """The median of the slopes between all pairs (Theil and Sen): a few disturbed readings do not move it."""
    pairs = combinations(points, 2)
    slopes = [(there[1] - here[1]) / (there[0] - here[0]) for here, there in pairs if here[0] != there[0]]
    return median(slopes) if slopes else None


def held_out(points: Sequence[Point]) -> HeldOut | None:
    """Fit on the lower half of x, foretell the rest; ``None`` with fewer than three points to fit on."""
    if not points:
        return None
    half = max(x for x, _ in points) / 2
    seen = [point for point in points if point[0] <= half]
    line = fit_line(seen) if len(seen) >= 3 else None
    unseen = [(x, y) for x, y in points if x > half and y != 0]
    if line is None or not unseen:
        return None
    errors = [abs(line.at(x) - y) / abs(y) for x, y in unseen]
    return HeldOut(max(x for x, _ in seen), len(unseen), median(errors), max(errors))

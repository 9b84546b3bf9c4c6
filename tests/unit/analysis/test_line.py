"""Least squares, against scipy, closed forms and simulation."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import linregress, t, theilslopes

from bench.analysis.line import Line, Point, fit_line, held_out, robust_slope, student

STEPS = (0.0, 25.0, 50.0, 75.0, 100.0, 125.0, 150.0, 175.0, 200.0)


def noisy(rng: np.random.Generator, slope: float, sd: float, xs: tuple[float, ...] = STEPS) -> list[Point]:
    return [(x, 3.0 + slope * x + float(rng.normal(0, sd))) for x in xs]


def fitted(points: list[Point]) -> Line:
    line = fit_line(points)
    assert line is not None
    return line


def test_the_line_is_that_of_scipy() -> None:
    points = noisy(np.random.default_rng(3), 0.8, 2.0)
    line, expected = fitted(points), linregress([x for x, _ in points], [y for _, y in points])
    assert line.slope == pytest.approx(expected.slope)
    assert line.intercept == pytest.approx(expected.intercept)
    assert line.slope_error == pytest.approx(expected.stderr)
    assert line.r_squared == pytest.approx(expected.rvalue**2)


def test_the_prediction_interval_is_the_textbook_one() -> None:
    # x = 1..5, y = 2, 4, 5, 4, 5: slope 0.6, intercept 2.2, residual variance 0.8, x mean 3, Sxx 10.
    line = fitted([(1, 2), (2, 4), (3, 5), (4, 4), (5, 5)])
    assert line.slope == pytest.approx(0.6)
    assert line.intercept == pytest.approx(2.2)
    half = t.ppf(0.975, 3) * (0.8 * (1 + 1 / 5 + (6 - 3) ** 2 / 10)) ** 0.5
    assert line.prediction(6) == pytest.approx((5.8 - half, 5.8 + half))


def test_the_interval_of_the_slope_covers_as_often_as_it_promises() -> None:
    rng = np.random.default_rng(11)
    covered = 0
    for _ in range(1_500):
        low, high = fitted(noisy(rng, 0.8, 2.0)).slope_interval() or (0.0, 0.0)
        covered += low <= 0.8 <= high
    assert 0.935 <= covered / 1_500 <= 0.965


def test_the_prediction_interval_covers_as_often_as_it_promises() -> None:
    rng = np.random.default_rng(12)
    covered = 0
    for _ in range(1_500):
        low, high = fitted(noisy(rng, 0.8, 2.0)).prediction(230) or (0.0, 0.0)
        covered += low <= 3.0 + 0.8 * 230 + float(rng.normal(0, 2.0)) <= high
    assert 0.935 <= covered / 1_500 <= 0.965


@pytest.mark.parametrize("points", [[], [(1.0, 2.0)], [(5.0, 1.0), (5.0, 2.0)]])
def test_fewer_than_two_places_make_no_line(points: list[Point]) -> None:
    assert fit_line(points) is None


def test_two_points_make_a_line_without_any_interval() -> None:
    line = fitted([(0.0, 1.0), (10.0, 6.0)])
    assert line.slope == 0.5
    assert line.slope_interval() is None
    assert line.prediction(5) is None
    assert line.r_squared is None


def test_points_on_a_line_have_an_interval_without_width() -> None:
    line = fitted([(0, 1), (1, 3), (2, 5)])
    assert line.slope_interval() == pytest.approx((2.0, 2.0))


def test_equal_heights_explain_nothing_and_fail_nowhere() -> None:
    line = fitted([(0, 4), (1, 4), (2, 4)])
    assert line.slope == 0
    assert line.r_squared is None


def test_half_of_a_line_foretells_the_other_half() -> None:
    checked = held_out([(x, 2.0 * x) for x in STEPS])
    assert checked is not None
    assert (checked.fitted_to, checked.n) == (100.0, 4)
    assert checked.largest_error == pytest.approx(0, abs=1e-12)


def test_a_bend_in_the_upper_half_shows_as_error() -> None:
    checked = held_out([(0, 0), (1, 1), (2, 2), (3, 6), (4, 8)])
    assert checked is not None
    assert checked.median_error == pytest.approx(0.5)
    assert checked.largest_error == pytest.approx(0.5)


@pytest.mark.parametrize("points", [[], [(0.0, 0.0), (10.0, 5.0)], [(0.0, 0.0), (4.0, 4.0), (10.0, 5.0)]])
def test_too_few_points_foretell_nothing(points: list[Point]) -> None:
    assert held_out(points) is None


def test_the_robust_slope_is_that_of_scipy_and_ignores_one_wild_reading() -> None:
    points = noisy(np.random.default_rng(5), 0.8, 2.0)
    found = robust_slope(points)
    assert found == pytest.approx(theilslopes([y for _, y in points], [x for x, _ in points])[0])
    assert robust_slope([*points[:-1], (200.0, -500.0)]) == pytest.approx(0.8, rel=0.15)
    assert robust_slope(points[:1]) is None


def test_student_is_two_sided() -> None:
    assert student(10) == pytest.approx(2.228, abs=5e-4)

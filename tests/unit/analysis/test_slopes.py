"""Slopes over blocks, their differences and their ratios."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import ttest_1samp, ttest_ind

from bench.analysis.estimate import Estimate, Slope
from bench.analysis.line import Line, fit_line
from bench.analysis.ratio import ratio_curve, ratio_of_medians, ratio_of_slopes
from bench.analysis.slopes import combine, difference, draw, mean_slope


def line(slope: float, *wobble: float) -> Line:
    found = fit_line([(x, slope * x + offset) for x, offset in enumerate(wobble)])
    assert found is not None
    return found


def slope(value: float, error: float | None, freedom: int = 7) -> Slope:
    return Slope(Estimate(value, None, None, freedom + 2, "bytes", "steps"), error, freedom)


def test_one_block_keeps_its_own_interval_and_says_so() -> None:
    found = combine([line(2.0, 0, 0.1, -0.1, 0)], "bytes")
    assert found is not None
    assert (found.estimate.of, found.estimate.n) == ("steps", 4)
    assert "one block" in found.estimate.note
    assert (found.estimate.low, found.estimate.high) == line(2.0, 0, 0.1, -0.1, 0).slope_interval()


def test_several_blocks_are_the_unit() -> None:
    slopes = [2.0, 2.2, 1.9, 2.3]
    found = combine([line(one, 0, 0, 0) for one in slopes], "bytes")
    expected = ttest_1samp(slopes, 0).confidence_interval(0.95)
    assert found is not None
    assert (found.estimate.of, found.estimate.n) == ("blocks", 4)
    assert found.estimate.low == pytest.approx(expected.low)
    assert found.estimate.high == pytest.approx(expected.high)


def test_no_block_has_no_slope() -> None:
    assert combine([], "bytes") is None


def test_two_points_give_a_slope_and_the_reason_for_its_missing_interval() -> None:
    found = combine([line(2.0, 0, 0)], "bytes")
    assert found is not None
    assert (found.estimate.low, found.error) == (None, None)
    assert "two points" in found.estimate.note


def test_the_difference_is_welchs() -> None:
    above, below = [2.0, 2.2, 1.9, 2.3], [0.4, 0.6, 0.55]
    found = difference(mean_slope(above, "bytes"), mean_slope(below, "bytes"))
    expected = ttest_ind(above, below, equal_var=False).confidence_interval(0.95)
    assert found.low == pytest.approx(expected.low)
    assert found.high == pytest.approx(expected.high)


def test_a_difference_without_one_error_has_no_interval() -> None:
    found = difference(slope(2.0, 0.1), slope(1.0, None))
    assert (found.value, found.low, found.high) == (1.0, None, None)


def test_a_difference_without_any_error_left_has_no_width() -> None:
    found = difference(slope(2.0, 0.0), slope(1.5, 0.0))
    assert (found.low, found.high) == (0.5, 0.5)


def test_draws_follow_the_seed_and_the_sampling_distribution() -> None:
    one = slope(10.0, 2.0, freedom=30)
    assert np.array_equal(draw(one, 5), draw(one, 5))
    assert not np.array_equal(draw(one, 5), draw(one, 6))
    assert np.mean(draw(one, 5)) == pytest.approx(10.0, abs=0.1)


def test_the_ratio_of_medians_brackets_the_truth_and_repeats_with_its_seed() -> None:
    rng = np.random.default_rng(1)
    above, below = list(rng.normal(100, 5, 30)), list(rng.normal(10, 0.5, 200))
    first, again = ratio_of_medians(above, below, 3), ratio_of_medians(above, below, 3)
    assert first == again
    assert first is not None
    assert first.low is not None
    assert first.high is not None
    assert first.low < 10 < first.high


def test_ratios_that_cannot_be_are_absent() -> None:
    assert ratio_of_medians([], [1.0], 0) is None
    assert ratio_of_medians([1.0], [], 0) is None
    assert ratio_of_medians([1.0], [0.0, 0.0], 0) is None
    assert ratio_of_slopes(slope(1.0, 0.1), slope(-0.1, 0.1), 0) is None


def test_one_observation_makes_a_ratio_without_interval() -> None:
    found = ratio_of_medians([4.0], [2.0, 2.0, 2.0], 0)
    assert found is not None
    assert (found.value, found.low, found.high) == (2.0, None, None)


def test_constant_samples_make_a_ratio_without_width() -> None:
    found = ratio_of_medians([128.0] * 10, [64.0] * 200, 0)
    assert found is not None
    assert (found.low, found.value, found.high) == (2.0, 2.0, 2.0)


def test_a_denominator_that_may_be_nothing_leaves_the_upper_bound_open() -> None:
    found = ratio_of_slopes(slope(100.0, 1.0), slope(1.0, 1.0), 4)
    assert found is not None
    assert found.high is None
    assert found.low is not None


def test_the_ratio_falls_towards_one_as_the_application_grows() -> None:
    curve = ratio_curve(slope(100e6, 1e6), slope(1e6, 1e4), 4)
    values = [point.ratio.value for point in curve]
    assert values == sorted(values, reverse=True)
    assert values[0] == pytest.approx(100)
    assert 1 < values[-1] < 1.05
    assert all(point.ratio.bounded for point in curve)

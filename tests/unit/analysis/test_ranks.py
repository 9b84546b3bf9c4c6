"""Quantiles and their rank intervals, against scipy, published tables and simulation."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import quantile_test

from bench.analysis.ranks import distribution, rank_interval


@pytest.mark.parametrize(("n", "ranks"), [(6, (1, 6)), (8, (1, 8)), (10, (2, 9)), (20, (6, 15)), (30, (10, 21))])
def test_ranks_of_the_median_are_the_published_ones(n: int, ranks: tuple[int, int]) -> None:
    assert rank_interval(n, 0.5) == ranks


@pytest.mark.parametrize(("p", "least"), [(0.5, 6), (0.9, 36), (0.95, 72), (0.99, 368)])
def test_the_interval_begins_to_exist_where_its_tails_fit(p: float, least: int) -> None:
    assert rank_interval(least - 1, p) is None
    assert rank_interval(least, p) is not None


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9, 0.95])
@pytest.mark.parametrize("n", [40, 73, 200, 401])
def test_ranks_agree_with_scipy(n: int, p: float) -> None:
    low, high = np.asarray(quantile_test(np.arange(1, n + 1), p=p).confidence_interval(0.95), dtype=float)
    expected = None if np.isnan(low) or np.isnan(high) else (int(low), int(high))
    assert rank_interval(n, p) == expected


@pytest.mark.parametrize("n", [10, 41])
def test_the_interval_of_the_median_covers_as_often_as_it_promises(n: int) -> None:
    rng = np.random.default_rng(7)
    low, high = rank_interval(n, 0.5) or (1, n)
    samples = np.sort(rng.lognormal(0, 1, size=(4_000, n)), axis=1)
    covered = np.mean((samples[:, low - 1] <= 1.0) & (samples[:, high - 1] >= 1.0))
    assert 0.945 <= covered <= 0.985


@pytest.mark.parametrize("n", [1, 2, 3, 10, 199])
@pytest.mark.parametrize("p", [0.5, 0.95, 0.99])
def test_the_value_is_that_of_numpy(n: int, p: float) -> None:
    values = np.random.default_rng(n).exponential(size=n)
    estimate = distribution(values, unit="ms").quantile(p)
    assert estimate is not None
    assert estimate.value == pytest.approx(np.quantile(values, p))


def test_nothing_observed_has_no_quantile() -> None:
    assert distribution((), unit="ms").median() is None
    assert rank_interval(0, 0.5) is None


def test_one_and_two_observations_have_a_median_without_interval() -> None:
    for values in ((3.0,), (2.0, 4.0)):
        median = distribution(values, unit="ms").median()
        assert median is not None
        assert (median.value, median.low, median.high, median.n) == (3.0, None, None, len(values))
        assert "too small" in median.note


def test_equal_observations_have_an_interval_without_width() -> None:
    median = distribution([5.0] * 12, unit="ms").median()
    assert median is not None
    assert (median.low, median.value, median.high) == (5.0, 5.0, 5.0)


def test_censored_observations_count_as_longer_than_all_others() -> None:
    # Eight of ten answered: the median lies between the fifth and the sixth of all ten, not of the eight.
    times = distribution(range(1, 9), censored=2, unit="ms")
    median = times.median()
    assert times.n == 10
    assert median is not None
    assert (median.value, median.low) == (5.5, 2.0)
    assert median.high is None
    assert "never answered" in median.note


def test_a_quantile_among_the_censored_is_absent_and_not_a_number() -> None:
    times = distribution([1.0, 2.0, 3.0, 4.0], censored=6, unit="ms")
    assert times.median() is None
    assert times.quantile(0.1) is not None

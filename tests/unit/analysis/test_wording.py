"""Numbers as people read them."""

from __future__ import annotations

import pytest

from bench.analysis.estimate import Estimate
from bench.analysis.wording import (
    amount,
    bounds,
    cost,
    costs,
    digits,
    interval,
    listed,
    measured,
    named,
    sentence,
    spoken,
)

MIB = 1024 * 1024


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (1.2, "ms", "1.20 ms"),
        (0.0468, "ms", "0.0468 ms"),
        (999.6, "ms", "1.00 s"),
        (4_300, "ms", "4.30 s"),
        (125_000, "ms", "2.08 min"),
        (0.31 * MIB, "bytes", "0.310 MiB"),
        (97.06 * MIB, "bytes", "97.1 MiB"),
        (99.96 * MIB, "bytes", "100 MiB"),
        (2.5 * 1024 * MIB, "bytes", "2.50 GiB"),
        (900, "bytes", "900 B"),
        (-0.5 * MIB, "bytes", "-0.500 MiB"),
        (116.6, "times", "117 times"),
        (4092, "instances", "4,092"),
        (3, "ports", "3.00 ports"),
        (0, "ms", "0 ms"),
    ],
)
def test_amounts_have_three_digits_and_a_fitting_unit(value: float, unit: str, text: str) -> None:
    assert amount(value, unit) == text


def test_infinity_is_a_word() -> None:
    assert digits(float("inf")) == "unlimited"


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [(10 * MIB, "bytes", "10 MiB"), (1000, "ms", "1 s"), (2.5, "times", "2.5 times"), (100, "times", "100 times")],
)
def test_round_figures_lose_their_zeros(value: float, unit: str, text: str) -> None:
    assert spoken(value, unit) == text


def test_the_interval_is_in_the_unit_of_its_value() -> None:
    estimate = Estimate(1.1 * MIB, 0.005 * MIB, 1.2 * MIB, 9, "bytes", "steps")
    assert interval(estimate) == "[0.00500, 1.20]"
    assert measured(estimate) == "1.10 MiB [0.00500, 1.20]"
    assert bounds(estimate) == "[0.00500, 1.20], n = 9 steps"


def test_a_cost_that_may_be_nothing_is_an_upper_bound() -> None:
    estimate = Estimate(-0.2 * MIB, -1.0 * MIB, 0.65 * MIB, 9, "bytes", "steps")
    assert cost(estimate) == "at most 0.650 MiB"
    assert costs(estimate) == "at most 0.650 MiB (slope -0.200 MiB [-1.00, 0.650], lost in what else the host did)"


def test_a_missing_bound_is_a_question_mark_and_never_a_number() -> None:
    assert interval(Estimate(5.0, 4.0, None, 9, "times", "steps")) == "[4.00, ?]"
    assert measured(Estimate(5.0, None, None, 1, "times", "blocks")) == "5.00 times (no interval)"
    assert bounds(Estimate(5.0, None, None, 1, "times", "blocks")) == "no interval, n = 1 block"


def test_lists_and_sentences() -> None:
    assert [listed([]), listed(["a"]), listed(["a", "b"])] == ["", "a", "a and b"]
    assert listed(["a", "b", "c"]) == "a, b and c"
    assert [sentence("so it is"), sentence("So?")] == ["So it is.", "So?"]


def test_drivers_have_names() -> None:
    assert [named("vm"), named("vm", 2), named("gvisor", 2)] == ["VM", "VMs", "gvisor instances"]

"""When a container is started again, over tables and over whole histories."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.spec.reader import SpecError
from runtime.supervision.restart import FIRST_DELAY_S, LONGEST_DELAY_S, RestartPolicy, Run, next_restart

POLICIES = ("no", "on-failure", "on-failure:3", "always", "unless-stopped")


@pytest.mark.parametrize("text", POLICIES)
def test_a_policy_is_what_it_says(text: str) -> None:
    assert str(RestartPolicy.parse(text)) == text


@pytest.mark.parametrize("text", ["", "Always", "on-failure:", "on-failure:-1", "always:3", "on-failure:1234567890"])
def test_what_is_no_policy_is_refused(text: str) -> None:
    with pytest.raises(SpecError, match="is none of no, on-failure"):
        RestartPolicy.parse(text)


@pytest.mark.parametrize(
    ("policy", "exit_code", "restarts", "again"),
    [
        ("no", 1, 0, False),
        ("no", None, 0, False),
        ("on-failure", 0, 0, False),
        ("on-failure", 1, 0, True),
        ("on-failure", 137, 1000, True),
        ("on-failure", None, 0, True),  # unknown: it is not known to have succeeded
        ("on-failure:3", 1, 2, True),
        ("on-failure:3", 1, 3, False),
        ("on-failure:3", None, 3, False),
        ("always", 0, 5, True),
        ("always", None, 0, True),
        ("unless-stopped", 0, 0, True),
    ],
)
def test_who_is_started_again(policy: str, exit_code: int | None, restarts: int, again: bool) -> None:
    assert (next_restart(RestartPolicy.parse(policy), Run(exit_code, 1, restarts)) is not None) is again


@pytest.mark.parametrize("policy", POLICIES)
def test_what_was_stopped_stays_stopped(policy: str) -> None:
    assert next_restart(RestartPolicy.parse(policy), Run(1, 1, stopped=True)) is None


def delays(ran_s: list[float]) -> list[float]:
    """What is waited after each run, by a clock that only these runs move."""
    waited, delay_s = [], 0.0
    for restarts, seconds in enumerate(ran_s):
        following = next_restart(RestartPolicy.parse("always"), Run(1, seconds, restarts, delay_s))
        assert following is not None
        waited.append(delay_s := following)
    return waited


def test_the_delay_doubles_to_a_minute() -> None:
    assert delays([0.01] * 12) == pytest.approx([0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 51.2, 60, 60])


def test_a_run_of_ten_seconds_begins_anew() -> None:
    assert delays([0, 0, 0, 9.9, 10, 0]) == pytest.approx([0.1, 0.2, 0.4, 0.8, 0.1, 0.2])


@given(st.lists(st.floats(0, 100)))
def test_a_delay_is_never_out_of_bounds(ran_s: list[float]) -> None:
    assert all(FIRST_DELAY_S <= delay_s <= LONGEST_DELAY_S for delay_s in delays(ran_s))


@given(st.integers(1, 50))
def test_a_maximum_is_the_number_of_restarts(maximum: int) -> None:
    restarts = 0
    while next_restart(RestartPolicy("on-failure", maximum), Run(1, 0, restarts)) is not None:
        restarts += 1
    assert restarts == maximum

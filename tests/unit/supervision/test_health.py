"""What is thought of a container after each probe, and when it is asked again."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.spec.reader import Reader, SpecError
from runtime.supervision.health import (
    Health,
    HealthCheck,
    HealthStatus,
    ProbeResult,
    next_health,
    next_probe_s,
    parse_health,
)

CHECK = HealthCheck(("true",), interval_s=10, retries=3, start_period_s=20, start_interval_s=2)
STARTING, HEALTHY, UNHEALTHY = HealthStatus.STARTING, HealthStatus.HEALTHY, HealthStatus.UNHEALTHY
_SECOND = 1_000_000_000


def result(code: int) -> ProbeResult:
    return ProbeResult("then", "now", code, "")


def after(codes: list[tuple[float, int]]) -> Health:
    """The health after probes that began at these seconds with these exit codes."""
    health = Health()
    for began_s, code in codes:
        health = next_health(CHECK, health, result(code), began_s)
    return health


@pytest.mark.parametrize(
    ("codes", "status", "streak"),
    [
        ([], STARTING, 0),
        ([(2, 1), (4, 1), (6, 1), (8, 1)], STARTING, 0),  # failures while it starts do not count
        ([(2, 1), (4, 0)], HEALTHY, 0),
        ([(2, 0), (4, 1), (6, 1)], HEALTHY, 2),  # once it was healthy they count, though it could still be starting
        ([(2, 0), (4, 1), (6, 1), (8, 1)], UNHEALTHY, 3),
        ([(20, 1), (30, 1)], STARTING, 2),
        ([(20, 1), (30, 1), (40, -1)], UNHEALTHY, 3),
        ([(20, 1), (30, 1), (40, 1), (50, 0)], HEALTHY, 0),
        ([(20, 1), (30, 0), (40, 1), (50, 1)], HEALTHY, 2),
        ([(2, 2)], STARTING, 0),
    ],
)
def test_health(codes: list[tuple[float, int]], status: HealthStatus, streak: int) -> None:
    health = after(codes)
    assert (health.status, health.streak) == (status, streak)


def test_the_last_five_results_are_kept() -> None:
    health = after([(20 + number, number) for number in range(9)])
    assert [entry.exit_code for entry in health.log] == [4, 5, 6, 7, 8]


@pytest.mark.parametrize(
    ("health", "running_s", "wait_s"),
    [(Health(), 0, 2), (Health(), 19.9, 2), (Health(), 20, 10), (Health(HEALTHY), 0, 10), (Health(UNHEALTHY), 0, 10)],
)
def test_it_is_asked_more_often_while_it_starts(health: Health, running_s: float, wait_s: float) -> None:
    assert next_probe_s(CHECK, health, running_s) == wait_s


@given(st.lists(st.tuples(st.floats(0, 100), st.integers(-1, 255))))
def test_unhealthy_is_who_failed_often_enough_in_a_row(codes: list[tuple[float, int]]) -> None:
    health = after(codes)
    assert (health.status is UNHEALTHY) == (health.streak >= CHECK.retries)
    assert Health.from_json(health.to_json()) == health
    if codes and codes[-1][1] == 0:
        assert health.status is HEALTHY


def test_dockers_form_is_read() -> None:
    document = {"Test": ["CMD-SHELL", "a | b"], "Interval": 5 * _SECOND, "Retries": 2, "StartPeriod": 7 * _SECOND}
    check = parse_health(Reader(document))
    assert check == HealthCheck(("/bin/sh", "-c", "a | b"), 5, 30, 2, 7, 5)
    assert parse_health(Reader(check.to_json())) == check


@pytest.mark.parametrize("document", [{"Test": ["NONE"]}, {"Test": []}, {}, {"Interval": _SECOND}])
def test_there_may_be_nothing_to_check(document: dict[str, Any]) -> None:
    assert parse_health(Reader(document)) is None
    assert parse_health(None) is None


@pytest.mark.parametrize(
    ("document", "path"),
    [
        ({"Test": ["CMD"]}, "health.Test"),
        ({"Test": ["CMD", ""]}, "health.Test"),
        ({"Test": ["CMD-SHELL", "a", "b"]}, "health.Test"),
        ({"Test": ["curl", "x"]}, "health.Test"),
        ({"Test": ["CMD", "a"], "Interval": 999_999}, "health.Interval"),
        ({"Test": ["CMD", "a"], "Timeout": -1}, "health.Timeout"),
        ({"Test": ["CMD", "a"], "Retries": "3"}, "health.Retries"),
    ],
)
def test_what_makes_no_sense_is_named(document: dict[str, Any], path: str) -> None:
    with pytest.raises(SpecError) as caught:
        parse_health(Reader(document, "health"))
    assert caught.value.path == path

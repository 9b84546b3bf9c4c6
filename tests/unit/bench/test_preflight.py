"""The preflight: which limit binds, in which words."""

from __future__ import annotations

import math

import pytest

from bench.preflight import Check, describe, readable, refuse_impossible
from bench.results import Limit
from bench.workload import HostCannot, Requirement


def limit(resource: str, available: float, per_instance: float = 1, fixed: float = 0, unit: str = "pids") -> Limit:
    return Limit.of("container", Requirement(resource, unit, fixed, per_instance, available, f"raise {resource}"))


def test_what_fits_exactly_is_allowed() -> None:
    refuse_impossible([Check(limit("pids", 100, fixed=40), 60)])


def test_one_more_is_refused_with_the_hint() -> None:
    with pytest.raises(HostCannot, match="61 x container: pids: needs 101 pids, this host has 100 pids") as caught:
        refuse_impossible([Check(limit("pids", 100, fixed=40), 61)])
    assert caught.value.hint == "raise pids"


def test_the_limit_that_is_short_by_most_binds() -> None:
    checks = [Check(limit("pids", 90), 100), Check(limit("ports", 10), 100), Check(limit("files", 1000), 100)]
    with pytest.raises(HostCannot, match="ports"):
        refuse_impossible(checks)


def test_nothing_at_all_available_binds_before_everything_else() -> None:
    with pytest.raises(HostCannot, match="ports"):
        refuse_impossible([Check(limit("pids", 1), 10**6), Check(limit("ports", 0), 1)])


def test_what_is_infinite_never_binds() -> None:
    check = Check(limit("inodes", math.inf, per_instance=6), 10**12)
    refuse_impossible([check])
    assert check.load == 0
    assert "this host has inf pids" in describe(check)


def test_what_no_instance_takes_has_no_capacity() -> None:
    assert Requirement("inotify", "instances", 0, 0, 128, "").capacity() == math.inf
    assert Requirement("pids", "pids", 28, 2, 128, "").capacity() == 50
    assert Requirement("pids", "pids", 200, 2, 128, "").capacity() == 0


@pytest.mark.parametrize(
    ("amount", "unit", "text"),
    [
        (1234567, "pids", "1,234,567 pids"),
        (0, "bytes", "0 bytes"),
        (1023, "bytes", "1,023 bytes"),
        (1024, "bytes", "1.0 KiB"),
        (1536 << 20, "bytes", "1.5 GiB"),
        (5 << 50, "bytes", "5,120.0 TiB"),
    ],
)
def test_amounts_are_readable(amount: float, unit: str, text: str) -> None:
    assert readable(amount, unit) == text

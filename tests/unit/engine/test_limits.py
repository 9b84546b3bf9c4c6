"""Resources in config.json."""

from __future__ import annotations

from typing import Any

import pytest

from runtime.engine.checks import check, check_restart
from runtime.engine.errors import BadOption
from runtime.engine.limits import limits, parse_rule, resources, rlimits
from runtime.engine.options import CreateOptions, Limits, Ulimit
from runtime.spec.resources import parse_resources

MIB = 1 << 20


def options(**changes: Any) -> CreateOptions:
    return CreateOptions("box", **changes)


def test_nothing_is_limited_that_was_not_asked_for() -> None:
    assert limits(options()) == {}
    assert limits(Limits()) == {}
    assert resources(options(), []) == {"devices": [{"allow": False, "access": "rwm"}]}


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({"memory_bytes": 64 * MIB}, {"memory": {"limit": 64 * MIB, "swap": 128 * MIB}}),
        (
            {"memory_bytes": 64 * MIB, "memory_swap_bytes": 64 * MIB},
            {"memory": {"limit": 64 * MIB, "swap": 64 * MIB}},
        ),
        ({"memory_bytes": 64 * MIB, "memory_swap_bytes": -1}, {"memory": {"limit": 64 * MIB, "swap": -1}}),
        ({"cpus": 0.5}, {"cpu": {"quota": 50_000, "period": 100_000}}),
        ({"cpu_quota": 20_000, "cpu_period": 50_000}, {"cpu": {"quota": 20_000, "period": 50_000}}),
        ({"pids_limit": 7}, {"pids": {"limit": 7}}),
        ({"pids_limit": -1}, {"pids": {"limit": -1}}),
        ({"cpuset_cpus": "0", "cpu_shares": 512}, {"cpu": {"shares": 512, "cpus": "0"}}),
        ({"blkio_weight": 500}, {"blockIO": {"weight": 500}}),
    ],
)
def test_limits(asked: dict[str, Any], expected: dict[str, Any]) -> None:
    assert limits(options(**asked)) == expected
    assert limits(Limits(**asked)) == expected
    parse_resources(resources(options(**asked), []))


def test_unlimited_is_the_kernel_s_largest_number() -> None:
    written = rlimits(options(ulimits=(Ulimit("nofile", 1024, -1),)))
    assert written == [{"type": "RLIMIT_NOFILE", "soft": 1024, "hard": (1 << 64) - 1}]


def test_device_rules() -> None:
    assert parse_rule("c 42:* rm") == {"allow": True, "type": "c", "access": "rm", "major": 42}
    for text in ("", "c", "c 1:3", "c 1 rwm", "x 1:3 r", "c 1:3 rx", "c -1:3 r", "c a:b r"):
        with pytest.raises(BadOption, match="invalid device cgroup rule"):
            parse_rule(text)


@pytest.mark.parametrize(
    "asked",
    [
        {"memory_bytes": MIB},
        {"memory_swap_bytes": 64 * MIB},
        {"memory_bytes": 64 * MIB, "memory_swap_bytes": 32 * MIB},
        {"memory_bytes": 64 * MIB, "memory_reservation_bytes": 65 * MIB},
        {"cpus": 1e6},
        {"cpus": -1.0},
        {"cpus": 1.0, "cpu_quota": 1000},
        {"blkio_weight": 5},
        {"pids_limit": -2},
        {"workdir": "relative"},
        {"env": ("=x",)},
        {"env": ("",)},
        {"restart": "sometimes"},
        {"auto_remove": True, "restart": "always"},
        {"network": "container:x", "hostname": "a"},
        {"network": "container:x", "dns": ("1.1.1.1",)},
    ],
)
def test_what_makes_no_sense_is_refused(asked: dict[str, Any]) -> None:
    with pytest.raises(BadOption):
        check(options(**asked))


def test_restart_policies() -> None:
    for policy in ("no", "always", "unless-stopped", "on-failure", "on-failure:3"):
        check_restart(policy)
    for policy in ("", "always:3", "on-failure:", "on-failure:x", "on-failure:-1"):
        with pytest.raises(BadOption):
            check_restart(policy)

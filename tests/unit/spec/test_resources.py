"""``linux.resources``: each property accepted, and refused by its path (config-linux.md, "Control groups")."""

from __future__ import annotations

from typing import Any

import pytest

from runtime.spec.reader import SpecError
from runtime.spec.resources import DeviceRule, HugepageLimit, NetworkLimits, Pids, Rdma, Resources, parse_resources

THROTTLES = ("throttleReadBpsDevice", "throttleWriteBpsDevice", "throttleReadIOPSDevice", "throttleWriteIOPSDevice")


def test_what_is_left_out_is_not_asked_for() -> None:
    assert parse_resources({}) == Resources()


@pytest.mark.parametrize(
    ("given", "attribute", "expected"),
    [
        ({"pids": {"limit": 0}}, "pids", Pids(0)),
        ({"pids": {}}, "pids", Pids()),
        ({"devices": [{"allow": True}]}, "devices", (DeviceRule(True),)),
        (
            {"devices": [{"allow": False, "type": "b", "major": -1, "minor": 3, "access": "r"}]},
            "devices",
            (DeviceRule(False, "b", None, 3, "r"),),
        ),
        ({"hugepageLimits": [{"pageSize": "2MB", "limit": 1}]}, "hugepage_limits", (HugepageLimit("2MB", 1),)),
        (
            {"network": {"classID": 1, "priorities": [{"name": "lo", "priority": 2}]}},
            "network",
            NetworkLimits(1, (("lo", 2),)),
        ),
        ({"rdma": {"m": {"hcaObjects": 1}}}, "rdma", (Rdma("m", None, 1),)),
        ({"unified": {"memory.high": "1"}}, "unified", (("memory.high", "1"),)),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_property_is_taken(given: dict[str, Any], attribute: str, expected: object) -> None:
    assert getattr(parse_resources(given), attribute) == expected


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ([], ""),
        ({"memory": {"limit": -2}}, "memory.limit"),
        ({"memory": {"limit": 1 << 63}}, "memory.limit"),
        ({"memory": {"swappiness": -1}}, "memory.swappiness"),
        ({"memory": {"useHierarchy": "yes"}}, "memory.useHierarchy"),
        ({"cpu": {"shares": -1}}, "cpu.shares"),
        ({"cpu": {"quota": 5, "burst": 6}}, "cpu.burst"),
        ({"cpu": {"idle": 2}}, "cpu.idle"),
        ({"pids": []}, "pids"),
        ({"devices": [{}]}, "devices[0].allow"),
        ({"devices": [{"allow": True, "access": "x"}]}, "devices[0].access"),
        ({"devices": [{"allow": True, "type": "p"}]}, "devices[0].type"),
        ({"devices": [{"allow": True, "major": -2}]}, "devices[0].major"),
        ({"blockIO": {"weight": 1 << 16}}, "blockIO.weight"),
        ({"blockIO": {"weightDevice": [{"major": 1, "minor": 1}]}}, "blockIO.weightDevice[0].weight"),
        ({"hugepageLimits": [{"pageSize": "2m", "limit": 1}]}, "hugepageLimits[0].pageSize"),
        ({"hugepageLimits": [{"pageSize": "2MB"}]}, "hugepageLimits[0].limit"),
        ({"network": {"classID": -1}}, "network.classID"),
        ({"rdma": {"m": {}}}, 'rdma["m"].hcaHandles'),
        ({"unified": {"a/b": "x"}}, "unified"),
        ({"unified": {"a": 1}}, 'unified["a"]'),
    ],
    ids=lambda value: str(value)[:60],
)
def test_a_value_is_refused_by_its_path(given: Any, path: str) -> None:
    with pytest.raises(SpecError) as caught:
        parse_resources(given)
    assert caught.value.path == path


@pytest.mark.parametrize("name", THROTTLES)
@pytest.mark.parametrize("missing", ["major", "minor", "rate"])
def test_a_rate_has_a_device(name: str, missing: str) -> None:
    entry = {key: 1 for key in ("major", "minor", "rate") if key != missing}
    with pytest.raises(SpecError, match=rf"^blockIO\.{name}\[0\]\.{missing}: is missing$"):
        parse_resources({"blockIO": {name: [entry]}})


@pytest.mark.parametrize("missing", ["name", "priority"])
def test_a_priority_has_a_name_and_a_number(missing: str) -> None:
    entry = {key: given for key, given in {"name": "lo", "priority": 1}.items() if key != missing}
    with pytest.raises(SpecError, match=rf"^network\.priorities\[0\]\.{missing}: is missing$"):
        parse_resources({"network": {"priorities": [entry]}})

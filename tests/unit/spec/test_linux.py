"""``linux`` of a config.json: each property accepted, and refused by its path (config-linux.md)."""

from __future__ import annotations

from typing import Any

import pytest

from runtime.spec.linux import MEMORY_FLAGS, MEMORY_MODES, Device, Linux, Personality, parse_linux
from runtime.spec.namespaces import IdMapping, Namespace, NetDevice, TimeOffset
from runtime.spec.reader import SpecError

MAPPING = {"containerID": 0, "hostID": 1000, "size": 10}
DEVICE = {"type": "c", "path": "/dev/x", "major": 1, "minor": 2}


def linux(*kinds: str, **more: Any) -> Linux:
    return parse_linux({"namespaces": [{"type": kind} for kind in kinds], **more})


def test_what_is_left_out_is_not_asked_for() -> None:
    assert parse_linux({}) == Linux()


@pytest.mark.parametrize(
    ("kinds", "given", "attribute", "expected"),
    [
        (("uts",), {}, "namespaces", (Namespace("uts"),)),
        (("user",), {"uidMappings": [MAPPING]}, "uid_mappings", (IdMapping(0, 1000, 10),)),
        (("time",), {"timeOffsets": {"boottime": {"secs": -5}}}, "time_offsets", (TimeOffset("boottime", -5),)),
        ((), {"devices": [DEVICE]}, "devices", (Device("/dev/x", "c", 1, 2),)),
        ((), {"devices": [{"type": "p", "path": "/x"}]}, "devices", (Device("/x", "p"),)),
        (("network",), {"netDevices": {"a": {}}}, "net_devices", (NetDevice("a", "a"),)),
        (
            ("network",),
            {"netDevices": {"a": {"name": "e%d"}, "b": {"name": "e%d"}}},
            "net_devices",
            (NetDevice("a", "e%d"), NetDevice("b", "e%d")),
        ),
        ((), {"cgroupsPath": "/a/b"}, "cgroups_path", "/a/b"),
        ((), {"rootfsPropagation": "slave"}, "rootfs_propagation", "slave"),
        (("network",), {"sysctl": {"net.core.somaxconn": "1"}}, "sysctl", (("net.core.somaxconn", "1"),)),
        ((), {"maskedPaths": ["/a"]}, "masked_paths", ("/a",)),
        ((), {"readonlyPaths": ["/a"]}, "readonly_paths", ("/a",)),
        ((), {"mountLabel": "l"}, "mount_label", "l"),
        ((), {"personality": {"domain": "LINUX32"}}, "personality", Personality("LINUX32")),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_property_is_taken(kinds: tuple[str, ...], given: dict[str, Any], attribute: str, expected: object) -> None:
    assert getattr(linux(*kinds, **given), attribute) == expected


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ({"namespaces": [{}]}, "linux.namespaces[0].type"),
        ({"namespaces": [{"type": "net"}]}, "linux.namespaces[0].type"),
        ({"namespaces": [{"type": "pid", "path": "x"}]}, "linux.namespaces[0].path"),
        ({"namespaces": [{"type": "pid"}] * 2}, "linux.namespaces[1].type"),
        ({"uidMappings": [MAPPING]}, "linux.uidMappings"),
        ({"timeOffsets": {"boottime": {}}}, "linux.timeOffsets"),
        ({"namespaces": [{"type": "time"}], "timeOffsets": {"realtime": {}}}, "linux.timeOffsets"),
        ({"devices": [{**DEVICE, "type": "a"}]}, "linux.devices[0].type"),
        ({"devices": [{**DEVICE, "path": "dev/x"}]}, "linux.devices[0].path"),
        ({"devices": [{**DEVICE, "major": None}]}, "linux.devices[0].major"),
        ({"devices": [{**DEVICE, "minor": -1}]}, "linux.devices[0].minor"),
        ({"devices": [{**DEVICE, "fileMode": 1 << 32}]}, "linux.devices[0].fileMode"),
        ({"devices": [{**DEVICE, "gid": -1}]}, "linux.devices[0].gid"),
        ({"netDevices": {"a": {}}}, "linux.netDevices"),
        ({"namespaces": [{"type": "network"}], "netDevices": {"a": {"name": "x" * 16}}}, "linux.netDevices"),
        ({"namespaces": [{"type": "network"}], "netDevices": {"a": {"name": "b"}, "b": {}}}, "linux.netDevices"),
        ({"namespaces": [{"type": "network"}], "netDevices": {"a/b": {}}}, "linux.netDevices"),
        ({"cgroupsPath": "/a/../.."}, "linux.cgroupsPath"),
        ({"rootfsPropagation": "x"}, "linux.rootfsPropagation"),
        ({"sysctl": {"kernel.panic": "1"}}, "linux.sysctl"),
        ({"sysctl": {"net.core.somaxconn": "1"}}, "linux.sysctl"),
        ({"personality": {}}, "linux.personality.domain"),
        ({"personality": {"domain": "LINUX", "flags": ["X"]}}, "linux.personality.flags[0]"),
        ({"memoryPolicy": {}}, "linux.memoryPolicy.mode"),
        ({"memoryPolicy": {"mode": "MPOL_BIND"}}, "linux.memoryPolicy.nodes"),
        ({"memoryPolicy": {"mode": "MPOL_DEFAULT", "nodes": "0"}}, "linux.memoryPolicy.nodes"),
        ({"memoryPolicy": {"mode": "MPOL_BIND", "nodes": "x"}}, "linux.memoryPolicy.nodes"),
        ({"seccomp": {}}, "linux.seccomp.defaultAction"),
        ({"intelRdt": {"closID": "a/b"}}, "linux.intelRdt.closID"),
    ],
    ids=lambda value: str(value)[:60],
)
def test_a_value_is_refused_by_its_path(given: dict[str, Any], path: str) -> None:
    with pytest.raises(SpecError) as caught:
        parse_linux(given)
    assert caught.value.path == path


@pytest.mark.parametrize("missing", ["containerID", "hostID", "size"])
def test_a_mapping_has_all_three_numbers(missing: str) -> None:
    mapping = {name: number for name, number in MAPPING.items() if name != missing}
    with pytest.raises(SpecError, match=rf"^linux\.uidMappings\[0\]\.{missing}: is missing$"):
        linux("user", uidMappings=[mapping])


@pytest.mark.parametrize("name", ["maskedPaths", "readonlyPaths"])
def test_paths_are_absolute(name: str) -> None:
    with pytest.raises(SpecError, match=rf'^linux\.{name}\[1\]: "x" is no absolute path$'):
        linux(**{name: ["/a", "x"]})


@pytest.mark.parametrize("mode", MEMORY_MODES)
@pytest.mark.parametrize("flag", MEMORY_FLAGS)
def test_every_memory_policy_of_the_features_is_known(mode: str, flag: str) -> None:
    nodes = {} if mode in {"MPOL_DEFAULT", "MPOL_LOCAL"} else {"nodes": "0"}
    policy = linux(memoryPolicy={"mode": mode, "flags": [flag], **nodes}).memory_policy
    assert policy is not None
    assert (policy.mode, policy.flags) == (mode, (flag,))


def test_overlapping_mappings_are_refused() -> None:
    with pytest.raises(SpecError, match=r"^linux\.gidMappings: two entries have id 5 of the container$"):
        linux("user", gidMappings=[MAPPING, {"containerID": 5, "hostID": 5000, "size": 1}])

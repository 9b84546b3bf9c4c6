"""A whole config.json: what holds for the file, and that nothing but `SpecError` comes of any (config.md)."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.spec.config import Hook, Mount, parse_config
from runtime.spec.defaults import default_config, rootless
from runtime.spec.reader import SpecError, show
from runtime.spec.version import check_version
from tests.support.bundle import default_config as of_the_tests

LEAST: dict[str, Any] = {"ociVersion": "1.3.0", "root": {"path": "rootfs"}}
MAPPING = [{"containerID": 0, "hostID": 1000, "size": 1}]


def config(**more: Any) -> Any:
    return parse_config({**LEAST, **more})


@pytest.mark.parametrize("document", [default_config(), rootless(default_config(), 1000, 1000), of_the_tests()])
def test_our_own_files_are_accepted(document: dict[str, Any]) -> None:
    assert parse_config(document).process is not None


def test_what_is_left_out_is_not_asked_for() -> None:
    parsed = config()
    assert (parsed.process, parsed.hostname, parsed.mounts, parsed.annotations) == (None, None, (), ())


@pytest.mark.parametrize("name", ["windows", "solaris", "vm", "zos", "freebsd"])
def test_what_is_for_other_platforms_is_ignored(name: str) -> None:
    assert config(**{name: {"any": "thing"}}) == config()


def test_a_mount_has_all_its_properties() -> None:
    entry = {"destination": "a/b", "type": "none", "source": "s", "options": ["bind", "ro"]}
    (mount,) = config(mounts=[{**entry, "uidMappings": MAPPING, "gidMappings": MAPPING}]).mounts
    assert (mount.destination, mount.type, mount.source, mount.options) == ("/a/b", "none", "s", ("bind", "ro"))
    assert mount.uid_mappings == mount.gid_mappings != ()
    assert config(mounts=[{"destination": "/a"}]).mounts == (Mount("/a"),)


@pytest.mark.parametrize(
    "moment", ["prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"]
)
def test_hooks_are_by_moment(moment: str) -> None:
    hook = {"path": "/h", "args": ["h", "1"], "env": ["A=1"], "timeout": 3}
    hooks = config(hooks={moment: [hook, {"path": "/i"}]}).hooks
    attribute = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in moment)
    assert getattr(hooks, attribute) == (Hook("/h", ("h", "1"), ("A=1",), 3), Hook("/i"))
    assert sum(len(getattr(hooks, name)) for name in type(hooks).__match_args__) == 2


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ({"ociVersion": None}, "ociVersion"),
        ({"ociVersion": "1.3"}, "ociVersion"),
        ({"root": None}, "root"),
        ({"root": {}}, "root.path"),
        ({"root": {"path": ""}}, "root.path"),
        ({"root": {"path": "r", "readonly": 1}}, "root.readonly"),
        ({"hostname": "x"}, "hostname"),
        ({"domainname": "x"}, "domainname"),
        ({"mounts": [{}]}, "mounts[0].destination"),
        ({"mounts": [{"destination": "/a", "gidMappings": MAPPING}]}, "mounts[0].uidMappings"),
        ({"mounts": [{"destination": "/a", "options": [1]}]}, "mounts[0].options[0]"),
        ({"hooks": {"prestart": [{}]}}, "hooks.prestart[0].path"),
        ({"hooks": {"prestart": [{"path": "h"}]}}, "hooks.prestart[0].path"),
        ({"hooks": {"poststop": [{"path": "/h", "timeout": 0}]}}, "hooks.poststop[0].timeout"),
        ({"annotations": {"a": 1}}, 'annotations["a"]'),
        ({"annotations": {"": "x"}}, "annotations"),
        ({"process": {}}, "process.args"),
        ({"linux": []}, "linux"),
    ],
    ids=lambda value: str(value)[:60],
)
def test_a_value_is_refused_by_its_path(given: dict[str, Any], path: str) -> None:
    with pytest.raises(SpecError) as caught:
        config(**given)
    assert caught.value.path == path


@pytest.mark.parametrize("version", ["1.0.0", "1.0.0-rc5", "1.0.2-dev", "1.1.0+dev", "1.2.3-a.b.1+x.y", "1.99.0"])
def test_a_version_of_this_major_is_known(version: str) -> None:
    check_version(version)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=10,
)


def refusal(document: Any) -> SpecError | None:
    """Why a file is refused, if it is; any other exception goes on."""
    try:
        parse_config(document)
    except SpecError as error:
        return error
    return None


@given(JSON)
def test_nothing_but_a_spec_error_comes_of_any_json(document: Any) -> None:
    assert "\n" not in str(refusal(document))


def _everything() -> dict[str, Any]:
    """A file that has every kind of property."""
    document = default_config()
    kinds = ("pid", "network", "mount", "ipc", "uts", "user", "cgroup", "time")
    document["linux"] |= {
        "namespaces": [{"type": kind} for kind in kinds],
        "uidMappings": MAPPING,
        "gidMappings": MAPPING,
        "timeOffsets": {"boottime": {"secs": 1}},
        "devices": [{"path": "/dev/x", "type": "c", "major": 1, "minor": 2, "fileMode": 1, "uid": 1, "gid": 1}],
        "netDevices": {"eth0": {"name": "eth1"}},
        "sysctl": {"net.core.somaxconn": "1"},
        "personality": {"domain": "LINUX"},
        "memoryPolicy": {"mode": "MPOL_BIND", "nodes": "0", "flags": ["MPOL_F_STATIC_NODES"]},
        "intelRdt": {"closID": "x", "schemata": ["L3:0=f"], "enableMonitoring": True},
        "seccomp": {
            "defaultAction": "SCMP_ACT_ERRNO",
            "architectures": ["SCMP_ARCH_X86_64"],
            "syscalls": [{"names": ["dup"], "action": "SCMP_ACT_ALLOW",
                          "args": [{"index": 0, "value": 1, "op": "SCMP_CMP_EQ"}]}],
        },
        "resources": {
            "memory": {"limit": 1, "swappiness": 1}, "cpu": {"shares": 1, "cpus": "0"}, "pids": {"limit": 1},
            "devices": [{"allow": False, "access": "rwm"}], "unified": {"a": "b"},
            "blockIO": {"weightDevice": [{"major": 1, "minor": 1, "weight": 1}]},
            "hugepageLimits": [{"pageSize": "2MB", "limit": 1}], "rdma": {"x": {"hcaHandles": 1}},
            "network": {"classID": 1, "priorities": [{"name": "a", "priority": 1}]},
        },
    }  # fmt: skip
    document["hooks"] = {"prestart": [{"path": "/x", "args": ["x"], "env": ["A=1"], "timeout": 1}]}
    document["annotations"] = {"a": "b"}
    document["process"] |= {
        "scheduler": {"policy": "SCHED_OTHER", "nice": 1},
        "ioPriority": {"class": "IOPRIO_CLASS_BE", "priority": 1},
        "execCPUAffinity": {"initial": "0"},
        "rlimits": [{"type": "RLIMIT_CPU", "soft": 1, "hard": 1}],
    }
    return document


def _places(node: Any) -> list[tuple[Any, Any]]:
    """Every container of the document with every key in it."""
    keys = list(node) if isinstance(node, dict) else list(range(len(node))) if isinstance(node, list) else []
    return [place for key in keys for place in ((node, key), *_places(node[key]))]


def test_a_file_with_everything_is_accepted() -> None:
    assert parse_config(_everything()).linux.intel_rdt is not None


@settings(max_examples=400)
@given(st.data())
def test_nothing_but_a_spec_error_comes_of_a_file_with_one_wrong_value(data: st.DataObject) -> None:
    document = copy.deepcopy(_everything())
    node, key = data.draw(st.sampled_from(_places(document)))
    node[key] = data.draw(JSON)
    refused = refusal(document)
    assert refused is None or refused.path
    assert "\n" not in str(refused)


@given(JSON)
def test_a_value_is_shown_on_one_line_and_short(value: Any) -> None:
    shown = show(value)
    assert "\n" not in shown
    assert len(shown) < 700

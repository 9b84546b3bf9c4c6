"""Where a container's group is: the path of the configuration below the mounts of either version."""

from __future__ import annotations

import pytest

from runtime.cgroups.hierarchy import UNIFIED, CgroupError, Mount, parse_mounts
from runtime.cgroups.place import parse_own, plan_place
from runtime.spec.reader import SpecError

V2 = (Mount((UNIFIED,), "/cg"),)
HYBRID = (
    Mount(("memory",), "/cg/memory"),
    Mount(("cpu", "cpuacct"), "/cg/cpu,cpuacct"),
    Mount(("name=systemd",), "/cg/systemd"),
    Mount((UNIFIED,), "/cg/unified"),
)
OWN_V1 = {"memory": "/outer/run", "cpu": "/", "cpuacct": "/", "name=systemd": "/user", UNIFIED: "/a/b"}


def test_an_absolute_path_is_below_every_mount() -> None:
    assert plan_place("/docker/x", "id", HYBRID, OWN_V1) == {
        "memory": "/cg/memory/docker/x",
        "cpu": "/cg/cpu,cpuacct/docker/x",
        "cpuacct": "/cg/cpu,cpuacct/docker/x",
        "name=systemd": "/cg/systemd/docker/x",
        UNIFIED: "/cg/unified/docker/x",
    }
    assert plan_place("/docker/x", "id", V2, {UNIFIED: "/own"}) == {UNIFIED: "/cg/docker/x"}


def test_a_relative_path_is_below_our_own_group() -> None:
    places = plan_place("pods/x", "id", HYBRID, OWN_V1)
    assert places["memory"] == "/cg/memory/outer/run/pods/x"
    assert places["cpu"] == "/cg/cpu,cpuacct/pods/x"
    assert places[UNIFIED] == "/cg/unified/a/b/pods/x"


def test_on_version_2_it_is_beside_our_own_group() -> None:
    assert plan_place("x", "id", V2, {UNIFIED: "/session/scope"}) == {UNIFIED: "/cg/session/x"}
    assert plan_place("x", "id", V2, {UNIFIED: "/"}) == {UNIFIED: "/cg/x"}


def test_the_default_is_named_by_the_container() -> None:
    assert plan_place(None, "web", V2, {UNIFIED: "/"}) == {UNIFIED: "/cg/tare-runtime/web"}
    assert plan_place(None, "web", HYBRID, OWN_V1)["memory"] == "/cg/memory/outer/run/tare-runtime/web"


def test_a_mount_of_a_part_of_the_hierarchy_is_seen_from_that_part() -> None:
    part = (Mount(("memory",), "/cg/memory", "/docker/outer"),)
    assert plan_place("x", "id", part, {"memory": "/docker/outer/own"}) == {"memory": "/cg/memory/own/x"}
    assert plan_place("x", "id", part, {"memory": "/elsewhere"}) == {"memory": "/cg/memory/x"}
    outside = (Mount((UNIFIED,), "/cg"),)
    assert plan_place("x", "id", outside, {UNIFIED: "/../../other"}) == {UNIFIED: "/cg/x"}


def test_the_same_path_in_other_words_is_the_same_place() -> None:
    assert plan_place("//docker/./x/", "id", V2, {}) == plan_place("/docker/x", "id", V2, {})


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        ("system.slice:docker:abc", "is for systemd to make"),
        ("/a/../../etc", "leads out of the hierarchy"),
        ("..", "leads out of the hierarchy"),
        ("/a\nb", "leads out of the hierarchy"),
        ("/", "is the group of all processes"),
        ("/./", "is the group of all processes"),
    ],
)
def test_what_is_no_path_is_refused_by_name(path: str, problem: str) -> None:
    with pytest.raises(SpecError, match=problem) as caught:
        plan_place(path, "id", V2, {UNIFIED: "/"})
    assert caught.value.path == "linux.cgroupsPath"


def test_a_colon_in_an_absolute_path_is_a_name_like_any_other() -> None:
    assert plan_place("/a:b:c", "id", V2, {}) == {UNIFIED: "/cg/a:b:c"}


def test_a_hierarchy_that_we_are_not_in_is_an_error_only_for_a_relative_path() -> None:
    with pytest.raises(CgroupError, match="find the runtime's own cgroup: it has none of memory"):
        plan_place("x", "id", HYBRID, {})
    assert plan_place("/x", "id", HYBRID, {})


def test_our_own_groups_are_read() -> None:
    text = "4:cpu,cpuacct:/a\n3:name=systemd:/b:c\n0::/d\n"
    assert parse_own(text) == {"cpu": "/a", "cpuacct": "/a", "name=systemd": "/b:c", UNIFIED: "/d"}


def test_every_hierarchy_is_found_and_what_only_looks_like_one_is_not() -> None:
    text = (
        "22 1 0:21 / / rw - ext4 /dev/vda rw\n"
        "30 22 0:27 / /cg/unified rw - cgroup2 cgroup2 rw,nsdelegate\n"
        "31 22 0:28 /part /cg/cpu rw,nosuid shared:9 - cgroup cgroup rw,xattr,cpu,cpuacct\n"
        "32 22 0:29 / /cg/systemd rw - cgroup cgroup rw,xattr,name=systemd\n"
        "33 22 0:30 / /cg/other rw - cgroupfs other rw\n"
        "34 22 0:28 / /again/cpu rw - cgroup cgroup rw,cpu,cpuacct\n"
    )
    assert parse_mounts(text) == (
        Mount((UNIFIED,), "/cg/unified"),
        Mount(("cpu", "cpuacct"), "/cg/cpu", "/part"),
        Mount(("name=systemd",), "/cg/systemd"),
    )

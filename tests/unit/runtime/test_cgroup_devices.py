"""The allowed device list: what version 1's list and version 2's program say is what the rules say."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.cgroups.devicefilter import ACCESS, TYPES, compile_filter
from runtime.cgroups.devices import DEFAULT_RULES, DeviceList, device_list, parse_device_list, plan_device_list
from runtime.cgroups.hierarchy import CgroupError
from runtime.spec.resources import DeviceRule, parse_resources
from tests.support import ebpf

if TYPE_CHECKING:
    from collections.abc import Sequence

Request = tuple[str, int, int, str]

NUMBERS = st.sampled_from((None, 0, 1, 3, 5, 136, 4095, (1 << 31) + 1, 1 << 33))
RULES = st.lists(
    st.builds(
        DeviceRule,
        allow=st.booleans(),
        type=st.sampled_from("abc"),
        major=NUMBERS,
        minor=NUMBERS,
        access=st.sets(st.sampled_from("rwm"), min_size=1).map(lambda access: "".join(sorted(access))),
    ),
    max_size=8,
)
REQUESTS = st.tuples(
    st.sampled_from("bc"),
    st.sampled_from((0, 1, 3, 5, 7, 136, 4095, (1 << 31) + 1)),
    st.sampled_from((0, 1, 3, 5, 7, 136, (1 << 31) + 1)),
    st.sampled_from(("r", "w", "m", "rw", "rm", "wm", "rwm")),
)


def matches(rule: DeviceRule, kind: str, major: int, minor: int) -> bool:
    return rule.type in {"a", kind} and rule.major in {None, major} and rule.minor in {None, minor}


def allowed(rules: Sequence[DeviceRule], request: Request) -> bool:
    """The meaning: for each access, the last rule about it decides; without one it is denied."""
    kind, major, minor, access = request
    complete = (*rules, *DEFAULT_RULES)
    last = dict.fromkeys(access, False)
    for rule in complete:
        if matches(rule, kind, major, minor):
            last |= {letter: rule.allow for letter in access if letter in rule.access}
    return all(last.values())


def ask_program(program: bytes, request: Request) -> bool:
    kind, major, minor, access = request
    bits = sum(ACCESS[letter] for letter in access)
    return bool(ebpf.run(program, struct.pack("<III", bits << 16 | TYPES[kind], major, minor)))


def ask_list(found: DeviceList, request: Request) -> bool:
    """As security/device_cgroup.c decides: allowed by one exception for all, or denied by one for any."""
    kind, major, minor, access = request
    about = [
        set(had)
        for (other, *numbers), had in found.exceptions
        if other == kind and all(one in {None, two} for one, two in zip(numbers, (major, minor), strict=True))
    ]
    if found.allow:
        return not any(had & set(access) for had in about)
    return any(had >= set(access) for had in about)


@given(RULES, REQUESTS)
def test_the_program_decides_as_the_rules_do(rules: list[DeviceRule], request: Request) -> None:
    assert ask_program(compile_filter(rules), request) == allowed(rules, request)


@given(RULES, REQUESTS)
def test_the_list_allows_nothing_that_the_rules_do_not(rules: list[DeviceRule], request: Request) -> None:
    try:
        found = device_list(rules)
    except CgroupError:
        return  # it cannot be said in a list
    if ask_list(found, request):
        assert allowed(rules, request)


@given(RULES, REQUESTS)
def test_the_list_denies_no_single_access_that_the_rules_allow(rules: list[DeviceRule], request: Request) -> None:
    try:
        found = device_list(rules)
    except CgroupError:
        return
    for letter in request[3]:
        single = (*request[:3], letter)
        assert ask_list(found, single) == allowed(rules, single)


def docker_rules() -> tuple[DeviceRule, ...]:
    devices = [
        {"allow": False, "access": "rwm"},
        {"allow": True, "type": "c", "major": 10, "minor": 229, "access": "rw"},
    ]
    return parse_resources({"devices": devices}).devices


def test_what_every_container_is_supplied_with_is_allowed() -> None:
    program = compile_filter(docker_rules())
    for minor in (3, 5, 7, 8, 9):  # null, zero, full, random, urandom
        assert ask_program(program, ("c", 1, minor, "rwm"))
    assert ask_program(program, ("c", 5, 2, "rw"))
    assert ask_program(program, ("c", 136, 7, "rw"))
    assert not ask_program(program, ("c", 1, 1, "r"))  # mem
    assert not ask_program(program, ("b", 8, 0, "r"))


def test_what_is_asked_for_is_allowed_and_no_more() -> None:
    program = compile_filter(docker_rules())
    assert ask_program(program, ("c", 10, 229, "rw"))
    assert not ask_program(program, ("c", 10, 228, "r"))
    assert not ask_program(program, ("b", 10, 229, "r"))


def test_a_denied_access_is_not_had_together_with_an_allowed_one() -> None:
    rules = [DeviceRule(True), DeviceRule(False, "b", 8, 0, "w")]
    assert not ask_program(compile_filter(rules), ("b", 8, 0, "rw"))
    assert not ask_list(device_list(rules), ("b", 8, 0, "rw"))
    assert ask_program(compile_filter(rules), ("b", 8, 0, "r"))


def test_asking_whether_a_file_is_there_is_no_access() -> None:
    assert ebpf.run(compile_filter([DeviceRule(False)]), struct.pack("<III", TYPES["b"], 8, 0)) == 1


def test_without_rules_only_the_defaults_are_allowed() -> None:
    assert not ask_program(compile_filter([]), ("c", 10, 229, "r"))
    assert device_list([]).allow is False


def test_a_new_list_is_closed_before_it_is_opened() -> None:
    lines = [(write.file, write.content) for write in plan_device_list(docker_rules(), "a *:* rwm\n")]
    assert lines[0] == ("devices.deny", "a")
    assert {("devices.allow", line) for line in ("c *:* m", "c 10:229 rwm", "c 1:3 rwm")} <= set(lines)
    assert {file for file, _ in lines[1:]} == {"devices.allow"}


def test_an_update_writes_only_the_difference() -> None:
    before = "\n".join(
        write.content for write in plan_device_list(docker_rules(), "a *:* rwm") if write.file == "devices.allow"
    )
    assert plan_device_list(docker_rules(), before) == ()
    wider = [*docker_rules(), DeviceRule(True, "b", 8, 0, "r")]
    assert [(w.file, w.content) for w in plan_device_list(wider, before)] == [("devices.allow", "b 8:0 rm")]
    narrower = [docker_rules()[0]]
    assert [(w.file, w.content) for w in plan_device_list(narrower, before)] == [("devices.deny", "c 10:229 rwm")]


def test_a_privileged_container_may_use_everything() -> None:
    everything = parse_resources({"devices": [{"allow": True, "access": "rwm"}]}).devices
    assert [(w.file, w.content) for w in plan_device_list(everything, "a *:* rwm")] == [("devices.allow", "a")]
    assert ask_program(compile_filter(everything), ("b", 259, 3, "rwm"))


def test_what_a_list_cannot_say_is_refused() -> None:
    rules = [DeviceRule(False), DeviceRule(True, "c", 10), DeviceRule(False, "c", 10, 229)]
    with pytest.raises(CgroupError, match=r"^linux\.resources\.devices: .* cannot except c 10:229 from c 10:\*$"):
        device_list(rules)
    assert not ask_program(compile_filter(rules), ("c", 10, 229, "r"))
    assert ask_program(compile_filter(rules), ("c", 10, 228, "r"))


def test_the_kernels_list_is_read() -> None:
    found = parse_device_list("c 1:3 rwm\nb *:* m\nc 136:* rw\n")
    assert found == DeviceList(False, ((("c", 1, 3), "rwm"), (("b", None, None), "m"), (("c", 136, None), "rw")))
    assert parse_device_list("a *:* rwm\n") == DeviceList(True, ())

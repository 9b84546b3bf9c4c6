"""The attributes of a process as system calls: which ones, in which order, with which bytes."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

import pytest

from runtime.linux import capabilities, constants
from runtime.linux.libseccomp import resolver
from runtime.linux.numbers import _AARCH64, _X86_64
from runtime.linux.program import Memory
from runtime.process import attributes
from runtime.spec.execution import Capabilities, IoPriority, User, parse_process
from runtime.spec.linux import MemoryPolicy, Personality, parse_linux
from runtime.spec.reader import SpecError

if TYPE_CHECKING:
    from runtime.linux.program import Call

CHOWN, KILL, NET_RAW, SYS_ADMIN = (1 << capabilities.NAMES.index(f"CAP_{name}") for name in (
    "CHOWN", "KILL", "NET_RAW", "SYS_ADMIN",
))  # fmt: skip
ALL = (1 << len(capabilities.NAMES)) - 1


def process(**properties: Any) -> Any:
    return parse_process({"args": ["/x"], "cwd": "/", **properties})


def content(call: Call, argument: int) -> bytes:
    memory = call.args[argument]
    assert isinstance(memory, Memory)
    return memory.content


@pytest.mark.parametrize(("table", "token"), [(_X86_64, 0xC000003E), (_AARCH64, 0xC00000B7)], ids=["x86_64", "aarch64"])
def test_the_numbers_are_those_of_libseccomp(table: dict[str, int], token: int) -> None:
    assert table == {name: resolver()(token, name.encode()) for name in table}


def test_limits() -> None:
    files = {"type": "RLIMIT_NOFILE", "soft": 5, "hard": (1 << 64) - 1}
    calls = attributes.limit(process(rlimits=[files, {"type": "RLIMIT_CORE", "soft": 0, "hard": 0}]).rlimits)
    assert [(call.name, call.args[:2]) for call in calls] == [("prlimit64", (0, 7)), ("prlimit64", (0, 4))]
    assert content(calls[0], 2) == struct.pack("=QQ", 5, (1 << 64) - 1)


def test_a_scheduler() -> None:
    assert attributes.schedule(None) == ()
    scheduler = process(
        scheduler={
            "policy": "SCHED_DEADLINE", "nice": -3, "priority": 7, "runtime": 10, "deadline": 20, "period": 30,
            "flags": ["SCHED_FLAG_RESET_ON_FORK", "SCHED_FLAG_UTIL_CLAMP_MAX"],
        }
    ).scheduler  # fmt: skip
    (call,) = attributes.schedule(scheduler)
    assert call.name == "sched_setattr"
    assert call.args[0] == call.args[2] == 0
    assert content(call, 1) == struct.pack("=IIQiIQQQII", 56, 6, 0x41, -3, 7, 10, 20, 30, 0, 0)


def test_priorities_and_domains() -> None:
    assert attributes.prioritize_io(None) == attributes.impersonate(None) == attributes.place_memory(None) == ()
    (io,) = attributes.prioritize_io(IoPriority("IOPRIO_CLASS_BE", 4))
    assert (io.name, io.args) == ("ioprio_set", (1, 0, 2 << 13 | 4))
    (domain,) = attributes.impersonate(Personality("LINUX32"))
    assert (domain.name, domain.args) == ("personality", (8,))


def test_a_memory_policy() -> None:
    (call,) = attributes.place_memory(MemoryPolicy("MPOL_BIND", (0, 2, 64), ("MPOL_F_STATIC_NODES",)))
    assert (call.name, call.args[0], call.args[2]) == ("set_mempolicy", 2 | 1 << 15, 1024)
    assert content(call, 1) == struct.pack("=16Q", 0b101, 1, *(0,) * 14)
    (default,) = attributes.place_memory(MemoryPolicy("MPOL_DEFAULT"))
    assert default.args == (0, 0, 0)


def test_affinity_is_a_mask_of_whole_words() -> None:
    assert attributes.set_affinity("x", None) == ()
    (call,) = attributes.set_affinity("x", (0, 1, 2, 70))
    assert (call.name, call.args[:2]) == ("sched_setaffinity", (0, 16))
    assert content(call, 2) == struct.pack("=QQ", 0b111, 1 << 6)


def test_ids_change_while_capabilities_are_kept() -> None:
    wanted = Capabilities(bounding=CHOWN | KILL, permitted=CHOWN, effective=CHOWN, inheritable=CHOWN, ambient=CHOWN)
    calls = attributes.become(User(7, 8, additional_gids=(9, 10)), wanted, CHOWN | KILL | NET_RAW)
    keep, clear, lift = constants.PR_SET_KEEPCAPS, constants.PR_CAP_AMBIENT_CLEAR_ALL, constants.PR_CAP_AMBIENT_RAISE
    assert [(call.name, call.args[:2]) for call in calls if call.name != "capset"] == [
        ("prctl", (constants.PR_CAPBSET_DROP, 13)),
        ("prctl", (keep, 1)),
        ("setgroups", (2, calls[2].args[1])),
        ("setresgid", (8, 8)),
        ("setresuid", (7, 7)),
        ("prctl", (constants.PR_CAP_AMBIENT, clear)),
        ("prctl", (constants.PR_CAP_AMBIENT, lift)),
    ]
    assert [call.name for call in calls].index("capset") == 5
    assert content(calls[2], 1) == struct.pack("=II", 9, 10)
    assert content(calls[5], 1) == struct.pack("=6I", CHOWN, CHOWN, CHOWN, 0, 0, 0)
    assert calls[7].args[2] == 0  # CAP_CHOWN


def test_what_cannot_be_had_is_left_and_told() -> None:
    wanted = Capabilities(
        bounding=CHOWN | SYS_ADMIN,
        permitted=CHOWN | SYS_ADMIN,
        effective=CHOWN | SYS_ADMIN | KILL,
        inheritable=CHOWN | NET_RAW,
        ambient=CHOWN | SYS_ADMIN,
        unknown=("CAP_NEW",),
    )
    held = ALL & ~SYS_ADMIN
    given = attributes.granted(wanted, held)
    assert given == Capabilities(CHOWN, CHOWN, CHOWN, CHOWN, CHOWN, ("CAP_NEW",))
    names = ("CAP_KILL", "CAP_NET_RAW", "CAP_SYS_ADMIN", "CAP_NEW")
    assert attributes.withheld(wanted, held) == names
    assert attributes.withheld(given, held) == ("CAP_NEW",)
    assert attributes.withheld(Capabilities(), 0) == ()


def test_ambient_without_inheritable_is_nothing_that_the_host_withholds() -> None:
    wanted = Capabilities(bounding=CHOWN, permitted=CHOWN, effective=CHOWN, ambient=CHOWN)
    assert attributes.granted(wanted, ALL).ambient == 0
    assert attributes.withheld(wanted, ALL) == ()


def test_groups_are_set_even_if_none_and_may_be_denied_only_then() -> None:
    for groups, allowed in (((), (constants.EPERM,)), ((5,), ())):
        (call,) = (
            call
            for call in attributes.become(User(additional_gids=groups), Capabilities(), 0)
            if call.name == "setgroups"
        )
        assert call.allowed == allowed


@pytest.mark.parametrize(
    ("text", "numbers"), [("0", (0,)), ("0-3,7", (0, 1, 2, 3, 7)), ("7,1-2, 1", (1, 2, 7)), ("8191", (8191,))]
)
def test_lists_of_processors(text: str, numbers: tuple[int, ...]) -> None:
    affinity = process(execCPUAffinity={"initial": text}).exec_cpu_affinity
    assert (affinity.initial, affinity.final) == (numbers, None)


@pytest.mark.parametrize("text", ["a", "1-", "-1", "3-1", "0,,1", "8192", "0-99999999999", "1-2-3", "\u0663", "+1"])
def test_what_is_no_list_of_processors(text: str) -> None:
    with pytest.raises(SpecError, match=r"^process\.execCPUAffinity\.final: "):
        process(execCPUAffinity={"final": text})


def test_what_is_no_memory_policy_or_domain() -> None:
    with pytest.raises(SpecError, match=r"^linux\.memoryPolicy\.nodes: 1023 is not within 0 and 1022$"):
        parse_linux({"memoryPolicy": {"mode": "MPOL_BIND", "nodes": "0-1023"}})
    with pytest.raises(SpecError, match=r'^linux\.personality\.flags\[0\]: "ADDR_NO_RANDOMIZE" is no flag'):
        parse_linux({"personality": {"domain": "LINUX", "flags": ["ADDR_NO_RANDOMIZE"]}})

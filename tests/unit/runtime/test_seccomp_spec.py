"""``linux.seccomp`` of a config.json: every word of the specification, and what it refuses, by its place."""

from __future__ import annotations

import errno
from typing import Any

import pytest

from runtime.linux import seccomp
from runtime.linux.filter import compile_filter
from runtime.linux.libseccomp import NAMES
from runtime.linux.seccomp import Argument, CompiledFilter, Rule, Seccomp, SeccompError
from runtime.spec.linux import parse_linux
from runtime.spec.reader import SpecError
from runtime.spec.seccomp import parse_seccomp

ACTIONS = {
    "SCMP_ACT_KILL": 0x00000000,
    "SCMP_ACT_KILL_PROCESS": 0x80000000,
    "SCMP_ACT_KILL_THREAD": 0x00000000,
    "SCMP_ACT_TRAP": 0x00030000,
    "SCMP_ACT_ERRNO": 0x00050000 | errno.EPERM,
    "SCMP_ACT_TRACE": 0x7FF00000 | errno.EPERM,
    "SCMP_ACT_ALLOW": 0x7FFF0000,
    "SCMP_ACT_LOG": 0x7FFC0000,
    "SCMP_ACT_NOTIFY": 0x7FC00000,
}
OPERATORS = ("NE", "LT", "LE", "EQ", "GE", "GT", "MASKED_EQ")


def profile(**changes: Any) -> dict[str, Any]:
    return {"defaultAction": "SCMP_ACT_ERRNO", **changes}


def rule(**changes: Any) -> dict[str, Any]:
    return profile(syscalls=[{"names": ["getpid"], "action": "SCMP_ACT_ALLOW", **changes}])


@pytest.mark.parametrize("action", ACTIONS)
def test_every_action_of_a_rule(action: str) -> None:
    assert parse_seccomp(rule(action=action) | {"listenerPath": "/x"}).rules == (Rule(("getpid",), ACTIONS[action]),)


@pytest.mark.parametrize("action", [action for action in ACTIONS if action != "SCMP_ACT_NOTIFY"])
def test_every_action_as_the_default(action: str) -> None:
    assert parse_seccomp({"defaultAction": action}) == Seccomp(ACTIONS[action])


@pytest.mark.parametrize("operator", OPERATORS)
def test_every_operator(operator: str) -> None:
    raw = {"index": 5, "op": f"SCMP_CMP_{operator}", "value": (1 << 64) - 1, "valueTwo": 3}
    assert parse_seccomp(rule(args=[raw])).rules[0].arguments == (Argument(5, operator.lower(), (1 << 64) - 1, 3),)


def test_everything_else() -> None:
    parsed = parse_seccomp(
        profile(
            defaultErrnoRet=38,
            architectures=list(NAMES),
            flags=[f"SECCOMP_FILTER_FLAG_{flag}" for flag in ("TSYNC", "LOG", "SPEC_ALLOW", "WAIT_KILLABLE_RECV")],
            listenerPath="/run/agent",
            listenerMetadata="a,b",
            syscalls=[{"names": ["a", "b"], "action": "SCMP_ACT_TRACE", "errnoRet": 0xFFFF, "args": None}],
        )
    )
    rules = (Rule(("a", "b"), 0x7FF0FFFF),)
    assert parsed == Seccomp(0x00050026, rules, NAMES, 0b100111, "/run/agent", "a,b")


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ({}, "linux.seccomp.defaultAction: is missing"),
        (profile(defaultAction="ALLOW"), 'linux.seccomp.defaultAction: "ALLOW" is no action of seccomp'),
        (profile(defaultAction="SCMP_ACT_NOTIFY"), "linux.seccomp.defaultAction: SCMP_ACT_NOTIFY would stop"),
        (profile(defaultErrnoRet=4096), "linux.seccomp.defaultErrnoRet: 4096 is not within 0 and 4095"),
        ({"defaultAction": "SCMP_ACT_ALLOW", "defaultErrnoRet": 1}, "linux.seccomp.defaultErrnoRet: is of no use to"),
        (profile(architectures=["SCMP_ARCH_VAX"]), 'linux.seccomp.architectures[0]: "SCMP_ARCH_VAX" is no arch'),
        (profile(flags=["LOG"]), 'linux.seccomp.flags[0]: "LOG" is no flag of a seccomp filter'),
        (profile(listenerMetadata="x"), "linux.seccomp.listenerMetadata: is of no use without listenerPath"),
        (rule(names=[]), "linux.seccomp.syscalls[0].names: is missing or empty"),
        (rule(names=None), "linux.seccomp.syscalls[0].names: is missing or empty"),
        (rule(names=["a", ""]), "linux.seccomp.syscalls[0].names[1]: is empty"),
        (rule(names="a"), "linux.seccomp.syscalls[0].names: expected an array"),
        (rule(action="SCMP_ACT_DENY"), 'linux.seccomp.syscalls[0].action: "SCMP_ACT_DENY" is no action'),
        (rule(action="SCMP_ACT_NOTIFY"), "linux.seccomp.listenerPath: is missing, and SCMP_ACT_NOTIFY of syscalls[0]"),
        (
            rule(action="SCMP_ACT_NOTIFY", names=["write"]),
            "linux.seccomp.syscalls[0].action: SCMP_ACT_NOTIFY for write",
        ),
        (rule(errnoRet=1), "linux.seccomp.syscalls[0].errnoRet: is of no use to SCMP_ACT_ALLOW"),
        (rule(action="SCMP_ACT_ERRNO", errnoRet=-1), "linux.seccomp.syscalls[0].errnoRet: -1 is not within"),
        (rule(args=[{"index": 6, "op": "SCMP_CMP_EQ", "value": 0}]), "linux.seccomp.syscalls[0].args[0].index: 6 is"),
        (rule(args=[{"index": 0, "op": "EQ", "value": 0}]), 'linux.seccomp.syscalls[0].args[0].op: "EQ" is no'),
        (rule(args=[{"index": 0, "op": "SCMP_CMP_EQ"}]), "linux.seccomp.syscalls[0].args[0].value: is missing"),
        (rule(args=[{"index": 0, "op": "SCMP_CMP_EQ", "value": 1 << 64}]), "linux.seccomp.syscalls[0].args[0].value: "),
    ],
)
def test_what_is_refused(raw: dict[str, Any], message: str) -> None:
    with pytest.raises(SpecError) as caught:
        parse_seccomp(raw)
    assert str(caught.value).startswith(message)


def test_it_is_part_of_linux() -> None:
    assert parse_linux({"seccomp": profile()}).seccomp == Seccomp(ACTIONS["SCMP_ACT_ERRNO"])
    assert parse_linux({}).seccomp is None
    with pytest.raises(SpecError, match=r"^linux\.seccomp\.defaultAction: is missing"):
        parse_linux({"seccomp": {}})


@pytest.mark.parametrize(
    ("flags", "notifies", "expected"),
    [
        (0, False, (0, False)),
        (seccomp.FLAG_LOG | seccomp.FLAG_TSYNC, False, (0b11, False)),
        (seccomp.FLAG_WAIT_KILLABLE_RECV, False, (0, False)),  # EINVAL without a listener
        (seccomp.FLAG_WAIT_KILLABLE_RECV, True, (0b101000, True)),
        (seccomp.FLAG_TSYNC, True, (0b11001, True)),  # EINVAL without TSYNC_ESRCH
    ],
)
def test_flags_that_the_kernel_takes_together(flags: int, notifies: bool, expected: tuple[int, bool]) -> None:
    rules = (Rule(("getpid",), seccomp.RET_USER_NOTIF),) if notifies else ()
    compiled = compile_filter(Seccomp(seccomp.RET_ALLOW, rules, flags=flags))
    assert compiled == CompiledFilter(compiled.program, *expected)


def test_a_filter_larger_than_the_kernel_takes_is_refused() -> None:
    names = [f"{name}{kind}" for name in ("get", "set") for kind in ("uid", "gid", "sid", "pgid", "reuid", "priority")]
    rules = tuple(
        Rule((name,), seccomp.RET_ERRNO, (Argument(0, "gt", 100 * place + number),))
        for place, name in enumerate(names)
        for number in range(70)
    )
    with pytest.raises(SeccompError, match=r"^compile a seccomp filter: \d+ instructions, of at most 4096$"):
        compile_filter(Seccomp(seccomp.RET_ALLOW, rules))

"""A compiled filter answers every call as the profile means it, on each architecture, and as libseccomp's would."""

from __future__ import annotations

import os

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from runtime.linux import capabilities, seccomp
from runtime.linux.filter import compile_filter
from runtime.linux.seccomp import Argument, Rule, Seccomp
from runtime.spec.profile import default_profile
from tests.support.bpf import verdict
from tests.support.seccomp_profiles import libseccomp_filter, podman_profile
from tests.support.seccomp_reference import (
    ENOSYS,
    KERNEL,
    X32,
    X32_BIT,
    X86,
    X86_64,
    expected,
    names_by_number,
    numbers_by_name,
)
from tests.support.seccomp_reference import TOKENS as TOKEN_OF

if os.uname().machine != "x86_64":
    pytest.skip("cannot run here: the numbers of these tests are x86-64", allow_module_level=True)

KERNEL_NAMES = {token: name for name, token in TOKEN_OF.items()}
EPERM = seccomp.RET_ERRNO | 1
TOKENS = (X86_64, X86, X32)
ALL = ("SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32")
EVERY = frozenset(capabilities.NAMES)
HELD = {"none": frozenset[str](), "default": capabilities.DEFAULT, "every": EVERY}
EDGES = (0x3FFFFFFF, X32_BIT, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, 0xFFFFFFFF)


def numbers(token: int) -> list[int]:
    """All that a process could call as this architecture, near enough."""
    first = X32_BIT if token == X32 else 0
    edges = [edge for edge in EDGES if token == X86 or (edge >= X32_BIT) == (token == X32)]
    return [*range(first, first + 600), *edges]


def probes(profile: Seccomp) -> list[list[int]]:
    """Arguments about the values that the profile asks for, one at a time, with and without high bits."""
    found = [[0] * 6]
    for argument in {test for rule in profile.rules for test in rule.arguments}:
        for value in near(argument):
            found.append([0] * 6)
            found[-1][argument.index] = value
    return found + [[selector, 9, 9, 9, 9, 9] for selector in range(26)]


def near(argument: Argument) -> set[int]:
    values = {argument.value, argument.value_two, argument.value | argument.value_two, 0}
    shifted = {value + change for value in values for change in (-1, 0, 1, 1 << 32, 1 << 63)}
    return {value & 0xFFFFFFFFFFFFFFFF for value in shifted}


def check(profile: Seccomp, program: bytes) -> None:
    asked = {argument.index for rule in profile.rules for argument in rule.arguments}
    conditional = {name for rule in profile.rules if rule.arguments for name in rule.names} | {"socketcall", "ipc"}
    every = probes(profile)
    assert asked <= set(range(6))
    for token in TOKENS:
        for number in numbers(token):
            looked_at = names_by_number(token).get(number) in conditional
            for arguments in every if looked_at else every[:1]:
                answer = verdict(program, number, arguments, KERNEL[token])
                assert answer == expected_at(profile, token, number, arguments), (hex(token), number, arguments)


def expected_at(profile: Seccomp, token: int, number: int, arguments: list[int]) -> int:
    if token == X32 and number == 0xFFFFFFFF and "SCMP_ARCH_X32" not in profile.architectures:
        return profile.default_action  # what a tracer leaves when it takes a call away
    return expected(profile, token, number, arguments)


@pytest.mark.parametrize("held", HELD.values(), ids=HELD)
@pytest.mark.parametrize("make", [default_profile, podman_profile], ids=["ours", "podman"])
def test_every_call_of_a_real_profile_is_decided_as_it_says(make: type[Seccomp], held: frozenset[str]) -> None:
    profile = make(held)  # type: ignore[arg-type]
    check(profile, compile_filter(profile).program)


def test_a_profile_that_decides_every_call_otherwise_outgrows_short_jumps() -> None:
    names = sorted({name for token in TOKENS for name in names_by_number(token).values()})
    distinct = (Rule((name,), seccomp.RET_ERRNO | number) for number, name in enumerate(names, start=1))
    profile = Seccomp(seccomp.RET_TRAP, tuple(distinct), ALL)
    program = compile_filter(profile).program
    assert len(program) // 8 > 4 * 256
    check(profile, program)


ACTIONS = st.sampled_from([
    seccomp.RET_KILL_PROCESS, seccomp.RET_KILL_THREAD, seccomp.RET_TRAP, EPERM, seccomp.RET_ERRNO | 22,
    seccomp.RET_ERRNO, seccomp.RET_TRACE | 7, seccomp.RET_LOG, seccomp.RET_ALLOW,
])  # fmt: skip
NAMES = st.sampled_from([
    "read", "write", "getpid", "socket", "socketpair", "accept", "send", "semop", "shmget", "ipc", "socketcall",
    "clone", "clone3", "personality", "stat64", "execve", "set_mempolicy_home_node", "no_such_call", "waitpid",
    "arm_fadvise64_64",
])  # fmt: skip
VALUES = st.sampled_from([0, 1, 2, 9, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 1 << 32, (1 << 32) + 1, (1 << 64) - 1])
WORDS = st.integers(0, (1 << 64) - 1)
ARGUMENTS = st.builds(
    Argument,
    st.integers(0, 5),
    st.sampled_from(["ne", "lt", "le", "eq", "ge", "gt", "masked_eq"]),
    VALUES | WORDS,
    VALUES,
)
RULES = st.builds(
    Rule,
    st.lists(NAMES, min_size=1, max_size=4).map(tuple),
    ACTIONS,
    st.just(()) | st.lists(ARGUMENTS, max_size=3).map(tuple),
)
# Calls whose arguments are in sight on every architecture, and one conditional rule for each: of several that look at
# several arguments libseccomp 2.5.4 makes a tree that allows what neither of them does.
PLAIN = ("read", "write", "getpid", "clone", "clone3", "personality", "execve", "no_such_call", "kill", "stat64")
AGREEING = st.builds(
    lambda default, whole, partly, architectures: Seccomp(default, (*whole, *partly), architectures),
    ACTIONS,
    st.lists(st.builds(Rule, st.lists(NAMES, min_size=1, max_size=3).map(tuple), ACTIONS), max_size=4),
    st.lists(
        st.builds(
            Rule,
            st.tuples(st.sampled_from(PLAIN)),
            ACTIONS,
            st.lists(ARGUMENTS, min_size=1, max_size=3, unique_by=lambda argument: argument.index).map(tuple),
        ),
        max_size=3,
        unique_by=lambda rule: rule.names,
    ),
    st.sampled_from([ALL, ALL[:2], ALL[::2], ()]),
)
PROFILES = st.builds(
    Seccomp,
    ACTIONS | st.just(seccomp.RET_USER_NOTIF),
    st.lists(RULES, max_size=6).map(tuple),
    st.lists(st.sampled_from([*ALL, "SCMP_ARCH_ARM", "SCMP_ARCH_S390X"]), max_size=4).map(tuple),
)


ACCEPT = Rule(("read", "accept"), seccomp.RET_TRAP)  # 32-bit x86 has it by way of socketcall(2) alone


@settings(max_examples=60, deadline=None)
@given(PROFILES)
@example(Seccomp(seccomp.RET_KILL_PROCESS, (ACCEPT,), ("SCMP_ARCH_X86",)))
def test_every_call_of_any_profile_is_decided_as_it_says(profile: Seccomp) -> None:
    check(profile, compile_filter(profile).program)


@settings(max_examples=300, deadline=None)
@given(RULES.filter(lambda rule: bool(rule.arguments)), st.lists(VALUES | WORDS, min_size=6, max_size=6))
def test_arguments_are_compared_as_numbers(rule: Rule, arguments: list[int]) -> None:
    profile = Seccomp(seccomp.RET_TRAP, (rule,), ALL)
    program = compile_filter(profile).program
    for token in TOKENS:
        for name in rule.names:
            if name in numbers_by_name(token):
                number = numbers_by_name(token)[name]
                assert verdict(program, number, arguments, KERNEL[token]) == expected(profile, token, number, arguments)


@settings(max_examples=60, deadline=None)
@given(AGREEING)
def test_libseccomp_would_say_the_same(profile: Seccomp) -> None:
    compare(profile)


@pytest.mark.parametrize("held", HELD.values(), ids=HELD)
def test_libseccomp_would_say_the_same_of_a_real_profile(held: frozenset[str]) -> None:
    compare(podman_profile(held))


def compare(profile: Seccomp) -> None:
    """Where ours is meant to differ is left out: calls newer than the profile, how a foreign one is killed, and the
    upper halves of x32's registers, which libseccomp does not look at.
    """
    ours, theirs = compile_filter(profile).program, libseccomp_filter(profile)
    kills = {seccomp.RET_KILL_PROCESS, seccomp.RET_KILL_THREAD}
    wide = any(max(test.value, test.value_two) >> 32 for rule in profile.rules for test in rule.arguments)
    for token in TOKENS:
        foreign = token != X86_64 and KERNEL_NAMES[token] not in profile.architectures
        for number in names_by_number(token):
            every = [] if token == X32 and wide else probes(profile)
            for arguments in every if names_by_number(token)[number] in PLAIN else [[0] * 6]:
                words = [argument & 0xFFFFFFFF for argument in arguments] if token == X32 else arguments
                answers = {verdict(program, number, words, KERNEL[token]) for program in (ours, theirs)}
                if foreign:
                    assert answers <= kills
                elif ENOSYS in answers:
                    assert answers <= {ENOSYS, profile.default_action}
                else:
                    assert len(answers) == 1, (hex(token), number, words)

"""The default seccomp profile: what its filter answers, and that it allows no more than Docker's and podman's."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import tomllib
from importlib import resources
from typing import TYPE_CHECKING

import pytest

from runtime.linux import capabilities, seccomp
from runtime.linux.filter import compile_filter
from runtime.spec.profile import default_profile
from tests.support.bpf import verdict
from tests.support.seccomp_profiles import podman_profile, resolve
from tests.support.seccomp_reference import KERNEL, LIBRARY, TOKENS, X32, X86, X86_64, names_by_number, numbers_by_name

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from runtime.linux.seccomp import Argument, Seccomp

if os.uname().machine != "x86_64":
    pytest.skip("cannot run here: the numbers of these tests are x86-64", allow_module_level=True)

EVERY = frozenset(capabilities.NAMES)
HELD = {
    "none": frozenset[str](),
    "default": capabilities.DEFAULT,
    "every": EVERY,
    **{name: capabilities.DEFAULT | {name} for name in capabilities.NAMES},
    **{f"not-{name}": EVERY - {name} for name in capabilities.NAMES},
}
ALLOW, DENIED = seccomp.RET_ALLOW, seccomp.RET_ERRNO | errno.EPERM
ENOSYS = seccomp.RET_ERRNO | errno.ENOSYS


@pytest.fixture(scope="module")
def program() -> bytes:
    return compile_filter(default_profile(capabilities.DEFAULT)).program


def names(held: frozenset[str]) -> set[str]:
    """What the profile allows at least in part."""
    return {name for rule in default_profile(held).rules if rule.action == ALLOW for name in rule.names}


def test_the_library_knows_every_name() -> None:
    resolve = LIBRARY.seccomp_syscall_resolve_name_arch
    assert {name for name in names(EVERY) if resolve(X86_64, name.encode()) == -1} == set()


def test_no_name_is_there_twice_without_a_reason() -> None:
    seen: set[tuple[str, tuple[Argument, ...]]] = set()
    for rule in default_profile(capabilities.DEFAULT).rules:
        for name in rule.names:
            assert (name, rule.arguments) not in seen
            seen.add((name, rule.arguments))


def test_every_condition_names_a_capability() -> None:
    text = resources.files("runtime.spec").joinpath("seccomp.toml").read_text()
    assert set(tomllib.loads(text)["when"]) <= EVERY


@pytest.mark.parametrize("flag", [0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000])
@pytest.mark.parametrize("token", TOKENS.values(), ids=TOKENS)
def test_no_new_namespace_by_clone(program: bytes, token: int, flag: int) -> None:
    clone, every = numbers_by_name(token)["clone"], compile_filter(default_profile(EVERY)).program
    assert verdict(program, clone, [flag | 17], KERNEL[token]) == DENIED
    assert verdict(program, clone, [0x50F00], KERNEL[token]) == ALLOW  # what threads are made with
    assert verdict(every, clone, [flag], KERNEL[token]) == ALLOW


@pytest.mark.parametrize("token", TOKENS.values(), ids=TOKENS)
@pytest.mark.parametrize(
    ("call", "arguments", "expected"),
    [
        ("clone3", [], ENOSYS),
        ("socket", [1], ALLOW),
        ("socket", [10], ALLOW),
        ("socket", [40], DENIED),
        ("personality", [0], ALLOW),
        ("personality", [0xFFFFFFFF], ALLOW),
        ("personality", [0x40000], DENIED),
        ("unshare", [0], DENIED),
        ("mount", [], DENIED),
        ("setns", [], DENIED),
        ("bpf", [], DENIED),
        ("keyctl", [], DENIED),
        ("add_key", [], DENIED),
        ("io_uring_setup", [], DENIED),
        ("userfaultfd", [], DENIED),
        ("ptrace", [], ALLOW),
        ("chroot", [], ALLOW),
    ],
)
def test_single_calls(program: bytes, token: int, call: str, arguments: list[int], expected: int) -> None:
    assert verdict(program, numbers_by_name(token)[call], arguments, KERNEL[token]) == expected


@pytest.mark.parametrize("token", [X86_64, X32])
def test_the_upper_half_of_a_register_hides_nothing(program: bytes, token: int) -> None:
    ours = numbers_by_name(token)
    assert verdict(program, ours["socket"], [40 | 1 << 32], KERNEL[token]) == DENIED
    assert verdict(program, ours["clone"], [0x10000000 | 1 << 40], KERNEL[token]) == DENIED


def test_there_is_no_way_round_by_socketcall(program: bytes) -> None:
    answers = {selector: verdict(program, 102, [selector], KERNEL[X86]) for selector in range(24)}
    assert {selector for selector, answer in answers.items() if answer == ALLOW} == set(range(2, 21))  # linux/net.h


def test_a_call_newer_than_the_profile_is_as_if_the_kernel_lacked_it(program: bytes) -> None:
    for token, first in ((X86_64, 0), (X86, 0), (X32, 0x40000000)):
        assert verdict(program, first + 900, [], KERNEL[token]) == ENOSYS
        assert verdict(program, first + 400 - 65, [], KERNEL[token]) in {DENIED, ALLOW}


def test_an_architecture_that_nobody_knows_is_killed(program: bytes) -> None:
    assert verdict(program, 20, architecture=0xC00000B7) == seccomp.RET_KILL_PROCESS


# What Linux has had since the release that the reference is of, and what it lets a process do: no more than it can do
# with what was there before. Docker's and podman's later releases allow all of them.
EXCEPTIONS = {
    "clock_settime64": "5.1: with CAP_SYS_TIME, clock_settime(2) of 32 bits beyond 2038; podman allows it",
    "futex_waitv": "5.16: futex(2) for several of them",
    "cachestat": "6.5: tells how much of an open file is cached, as mincore(2) does of a mapping",
    "fchmodat2": "6.6: fchmodat(2) with flags",
    "futex_requeue": "6.7: futex(2) under another number",
    "futex_wait": "6.7: futex(2) under another number",
    "futex_wake": "6.7: futex(2) under another number",
    "map_shadow_stack": "6.6: memory of the process itself",
    "set_mempolicy_home_node": "5.17: with CAP_SYS_NICE, as set_mempolicy(2)",
    "pkey_alloc": "4.9: protection keys of the process's own memory",
    "pkey_free": "4.9: protection keys of the process's own memory",
    "pkey_mprotect": "4.9: protection keys of the process's own memory",
}


def allowed_beyond(ours: Seccomp, theirs: Seccomp) -> set[str]:
    """Calls that our filter allows with some arguments with which the other does not, on any architecture."""
    programs = compile_filter(ours).program, compile_filter(theirs).program
    rules = (*ours.rules, *theirs.rules)
    conditional = {name for rule in rules if rule.arguments for name in rule.names}
    beyond = set()
    for token in TOKENS.values():
        for number, name in names_by_number(token).items():
            for arguments in probes() if name in conditional | {"socketcall", "ipc"} else [[0] * 6]:
                answers = [verdict(program, number, arguments, KERNEL[token]) for program in programs]
                if answers[0] == ALLOW != answers[1]:
                    beyond.add(name)
    return beyond


def probes() -> Iterator[list[int]]:
    """The first argument about everything that either profile compares it with, the third with and without audit."""
    bits = [1 << bit for bit in range(64)]
    for first in [*range(64), *bits, 0x20008, 0x20009, 0x7E020000, 0xFFFFFFFF, (1 << 64) - 1]:
        for third in (0, 9):
            yield [first, 0, third, 0, 0, 0]


@pytest.mark.parametrize("held", HELD.values(), ids=HELD)
def test_nothing_is_allowed_that_podman_denies(held: frozenset[str]) -> None:
    assert allowed_beyond(default_profile(held), podman_profile(held)) <= set(EXCEPTIONS)


@pytest.mark.slow
def test_nothing_is_allowed_that_docker_denies(tmp_path: Path) -> None:
    document = json.loads(docker_profile(tmp_path).read_text())
    assert len(document["syscalls"]) > 20
    for held in HELD.values():
        assert allowed_beyond(default_profile(held), resolve(document, held)) <= set(EXCEPTIONS)


def docker_profile(directory: Path) -> Path:
    """Docker's published profile, from Debian's package of its source."""
    command = ("apt-get", "-o", "APT::Sandbox::User=root", "download", "golang-github-docker-docker-dev")
    try:
        subprocess.run(command, cwd=directory, check=True, capture_output=True, timeout=120)
        (package,) = directory.glob("*.deb")
        subprocess.run(("dpkg-deb", "-x", package, directory), check=True, capture_output=True)
    except (OSError, subprocess.SubprocessError) as error:
        pytest.skip(f"cannot run here: download Docker's profile: {error}")
    (profile,) = directory.rglob("profiles/seccomp/default.json")
    return profile

"""The default seccomp profile: what its compiled filter answers, and that it allows no more than Docker's does."""

from __future__ import annotations

import ctypes
import errno
import json
import os
import subprocess
import tomllib
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

from runtime.linux import capabilities, libseccomp
from runtime.linux.libseccomp import Argument, Profile, Rule, SeccompError, compile_profile
from runtime.spec.seccomp import default_profile
from tests.support.bpf import ALLOW, ERRNO, I386, KILL_PROCESS, KILL_THREAD, verdict

if os.uname().machine != "x86_64":
    pytest.skip("cannot run here: the numbers of these tests are x86-64", allow_module_level=True)

EVERY = frozenset(capabilities.NAMES)
LIBRARY = libseccomp._library()
DENIED = ERRNO | errno.EPERM


def number(name: str) -> int:
    return int(LIBRARY.seccomp_syscall_resolve_name(name.encode()))


def names(held: frozenset[str]) -> set[str]:
    """What the profile allows at least in part."""
    return {name for rule in default_profile(held).rules if rule.errno is None for name in rule.names}


@pytest.fixture(scope="module")
def program() -> bytes:
    return compile_profile(default_profile(capabilities.DEFAULT))


def test_the_library_knows_every_name() -> None:
    known = {name for name in names(EVERY) | {"clone3"} if number(name) != -1}
    assert (names(EVERY) | {"clone3"}) - known == set()


def test_no_name_is_there_twice_without_a_reason() -> None:
    seen: set[tuple[str, tuple[Argument, ...]]] = set()
    for rule in default_profile(capabilities.DEFAULT).rules:
        for name in rule.names:
            assert (name, rule.arguments) not in seen
            seen.add((name, rule.arguments))


def test_every_condition_names_a_capability() -> None:
    text = resources.files("runtime.spec").joinpath("seccomp.toml").read_text()
    assert set(tomllib.loads(text)["when"]) <= EVERY


@pytest.mark.parametrize("held", [frozenset[str](), capabilities.DEFAULT, EVERY], ids=["none", "default", "every"])
def test_the_filter_says_what_the_profile_says(held: frozenset[str]) -> None:
    program = compile_profile(default_profile(held))
    whole = [rule for rule in default_profile(held).rules if not rule.arguments and rule.errno is None]
    plain = {name for rule in whole for name in rule.names}
    conditional = names(held) - plain
    assert len(program) % 8 == 0
    for call in range(470):
        name = LIBRARY.seccomp_syscall_resolve_num_arch(libseccomp_native(), call)
        text = name.decode() if name else ""
        if text in conditional or text == "clone3":
            continue
        assert verdict(program, call) == (ALLOW if text in plain else DENIED), text or call


def libseccomp_native() -> int:
    LIBRARY.seccomp_syscall_resolve_num_arch.restype = ctypes.c_char_p
    LIBRARY.seccomp_syscall_resolve_num_arch.argtypes = (ctypes.c_uint32, ctypes.c_int)
    LIBRARY.seccomp_arch_native.restype = ctypes.c_uint32
    return int(LIBRARY.seccomp_arch_native())


@pytest.mark.parametrize("flag", [0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000])
def test_no_new_namespace_by_clone(program: bytes, flag: int) -> None:
    assert verdict(program, number("clone"), [flag | 17]) == DENIED
    assert verdict(program, number("clone"), [0x50F00]) == ALLOW  # what threads are made with
    assert verdict(compile_profile(default_profile(EVERY)), number("clone"), [flag]) == ALLOW


@pytest.mark.parametrize(
    ("call", "arguments", "expected"),
    [
        ("clone3", [], ERRNO | errno.ENOSYS),
        ("socket", [1], ALLOW),
        ("socket", [10], ALLOW),
        ("socket", [40], DENIED),
        ("socket", [40 | 1 << 32], DENIED),  # of which the kernel takes the lower half
        ("clone", [0x10000000 | 1 << 40], DENIED),
        ("personality", [0], ALLOW),
        ("personality", [0xFFFFFFFF], ALLOW),
        ("personality", [0x40000], DENIED),
        ("unshare", [0], DENIED),
        ("mount", [], DENIED),
        ("setns", [], DENIED),
        ("bpf", [], DENIED),
        ("keyctl", [], DENIED),
        ("ptrace", [], ALLOW),
        ("chroot", [], ALLOW),
    ],
)
def test_single_calls(program: bytes, call: str, arguments: list[int], expected: int) -> None:
    assert verdict(program, number(call), arguments) == expected


def test_calls_of_other_architectures_are_killed(program: bytes) -> None:
    assert verdict(program, 20, architecture=I386) in {KILL_PROCESS, KILL_THREAD}
    assert verdict(program, 0x40000000 | 39) in {KILL_PROCESS, KILL_THREAD, DENIED}  # x32


def test_arguments_are_compared_as_asked() -> None:
    rule = Rule(("getpid",), errno.EXDEV, (Argument(0, "ge", 5), Argument(1, "masked_eq", 0xF0, 0x20)))
    program = compile_profile(Profile(errno.EACCES, (rule,)))
    answers = [verdict(program, 39, arguments) for arguments in ([5, 0x2F], [4, 0x2F], [5, 0x3F], [1 << 40, 0x20])]
    assert answers == [ERRNO | errno.EXDEV, ERRNO | errno.EACCES, ERRNO | errno.EACCES, ERRNO | errno.EXDEV]


def test_a_name_that_nobody_knows_is_left_out() -> None:
    program = compile_profile(Profile(errno.EPERM, (Rule(("getpid", "no_such_call", "socketcall")),)))
    assert verdict(program, 39) == ALLOW
    assert verdict(program, 1) == DENIED


def test_a_rule_that_cannot_be_is_named() -> None:
    with pytest.raises(SeccompError, match=r"^compile the seccomp profile: getpid: "):
        compile_profile(Profile(errno.EPERM, (Rule(("getpid",), errno.EPERM),)))  # the default action again


# Calls that came to Linux after the release that Docker's profile is of, and do nothing that others do not.
NEWER = {
    "cachestat": "6.5", "fchmodat2": "6.6", "futex_requeue": "6.7", "futex_wait": "6.7", "futex_wake": "6.7",
    "map_shadow_stack": "6.6", "set_mempolicy_home_node": "5.17",
    # Protection keys are a process's own business; later releases of Docker's profile have them.
    "pkey_alloc": "4.9", "pkey_free": "4.9", "pkey_mprotect": "4.9",
}  # fmt: skip


@pytest.fixture(scope="module")
def docker(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Docker's published profile, from Debian's package of its source."""
    directory = tmp_path_factory.mktemp("docker")
    command = ("apt-get", "-o", "APT::Sandbox::User=root", "download", "golang-github-docker-docker-dev")
    try:
        subprocess.run(command, cwd=directory, check=True, capture_output=True, timeout=120)
        (package,) = directory.glob("*.deb")
        subprocess.run(("dpkg-deb", "-x", package, directory), check=True, capture_output=True)
    except (OSError, subprocess.SubprocessError) as error:
        pytest.skip(f"cannot run here: download Docker's profile: {error}")
    (profile,) = directory.rglob("profiles/seccomp/default.json")
    return json.loads(Path(profile).read_text())  # type: ignore[no-any-return]


def applies(rule: dict[str, Any], held: frozenset[str]) -> bool:
    includes, excludes = rule.get("includes") or {}, rule.get("excludes") or {}
    return (
        set(includes.get("caps", ())) <= held
        and not set(excludes.get("caps", ())) & held
        and ("amd64" in includes["arches"] if "arches" in includes else True)
        and "amd64" not in excludes.get("arches", ())
    )


@pytest.mark.slow
@pytest.mark.parametrize("held", [frozenset[str](), capabilities.DEFAULT, EVERY], ids=["none", "default", "every"])
def test_nothing_is_allowed_that_docker_denies(docker: dict[str, Any], held: frozenset[str]) -> None:
    rules = [rule for rule in docker["syscalls"] if rule["action"] == "SCMP_ACT_ALLOW" and applies(rule, held)]
    theirs = {name for rule in rules for name in rule["names"]}
    ours = {name for name in names(held) if number(name) >= 0}
    assert len(theirs) > 300
    assert ours - theirs - set(NEWER) == set()


@pytest.mark.slow
@pytest.mark.parametrize(("name", "op"), [("personality", "EQ"), ("clone", "MASKED_EQ")])
def test_arguments_are_looked_at_as_docker_does(docker: dict[str, Any], name: str, op: str) -> None:
    rules = [rule for rule in docker["syscalls"] if name in rule["names"] and applies(rule, capabilities.DEFAULT)]
    theirs = {(test["index"], test["value"], test["op"]) for rule in rules for test in rule["args"]}
    own = [rule for rule in default_profile(capabilities.DEFAULT).rules if name in rule.names]
    assert theirs
    assert all(len(rule.arguments) == 1 for rule in own)
    assert {(test.index, test.value, f"SCMP_CMP_{op}") for rule in own for test in rule.arguments} == theirs

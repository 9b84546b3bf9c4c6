"""Profiles of others, and their compilers: podman's profile of this host, and libseccomp."""

from __future__ import annotations

import ctypes
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from runtime.spec.seccomp import parse_seccomp
from tests.support.seccomp_reference import LIBRARY, TOKENS

if TYPE_CHECKING:
    from runtime.linux.seccomp import Seccomp

PODMAN = Path("/usr/share/containers/seccomp.json")
_ARCHITECTURES = {"amd64", "x86", "x32"}
_OPERATORS = {"ne": 1, "lt": 2, "le": 3, "eq": 4, "ge": 5, "gt": 6, "masked_eq": 7}
_CONTROL_OPTIMIZE, _BINARY_TREE = 8, 2


class _Comparison(ctypes.Structure):
    _fields_ = (
        ("arg", ctypes.c_uint),
        ("op", ctypes.c_int),
        ("datum_a", ctypes.c_uint64),
        ("datum_b", ctypes.c_uint64),
    )


LIBRARY.seccomp_init.restype = ctypes.c_void_p
LIBRARY.seccomp_init.argtypes = (ctypes.c_uint32,)
LIBRARY.seccomp_release.argtypes = (ctypes.c_void_p,)
LIBRARY.seccomp_attr_set.argtypes = (ctypes.c_void_p, ctypes.c_int, ctypes.c_uint32)
LIBRARY.seccomp_arch_add.argtypes = (ctypes.c_void_p, ctypes.c_uint32)
LIBRARY.seccomp_syscall_resolve_name.argtypes = (ctypes.c_char_p,)
LIBRARY.seccomp_rule_add_array.argtypes = (
    ctypes.c_void_p, ctypes.c_uint32, ctypes.c_int, ctypes.c_uint, ctypes.c_void_p,
)  # fmt: skip
LIBRARY.seccomp_export_bpf.argtypes = (ctypes.c_void_p, ctypes.c_int)


def podman_profile(held: frozenset[str]) -> Seccomp:
    """What podman makes of the profile of Debian's golang-github-containers-common for these capabilities."""
    if not PODMAN.exists():
        pytest.skip(f"cannot run here: {PODMAN} (Debian package golang-github-containers-common)")
    return resolve(json.loads(PODMAN.read_text()), held)


def resolve(document: dict[str, Any], held: frozenset[str]) -> Seccomp:
    """A profile in the engines' format, whose rules depend on capabilities and architectures, as config.json has it."""
    wanted = ("names", "action", "args", "errnoRet")
    return parse_seccomp(
        {
            "defaultAction": document["defaultAction"],
            "defaultErrnoRet": document.get("defaultErrnoRet"),
            "architectures": [*TOKENS],
            "syscalls": [
                {name: rule[name] for name in wanted if name in rule}
                for rule in document["syscalls"]
                if applies(rule, held)
            ],
        }
    )


def applies(rule: dict[str, Any], held: frozenset[str]) -> bool:
    includes, excludes = rule.get("includes") or {}, rule.get("excludes") or {}
    return (
        set(includes.get("caps", ())) <= held
        and not set(excludes.get("caps", ())) & held
        and ("arches" not in includes or bool(_ARCHITECTURES & set(includes["arches"])))
        and not _ARCHITECTURES & set(excludes.get("arches", ()))
    )


def libseccomp_filter(profile: Seccomp) -> bytes:
    """The profile compiled by libseccomp, rule by rule, as runc does it."""
    context = LIBRARY.seccomp_init(profile.default_action)
    try:
        LIBRARY.seccomp_attr_set(context, _CONTROL_OPTIMIZE, _BINARY_TREE)
        for name in profile.architectures:
            LIBRARY.seccomp_arch_add(context, TOKENS[name])
        for rule in profile.rules:
            comparisons = [
                _Comparison(test.index, _OPERATORS[test.op], test.value, test.value_two) for test in rule.arguments
            ]
            array = (_Comparison * len(comparisons))(*comparisons)
            for name in rule.names if rule.action != profile.default_action else ():
                number = LIBRARY.seccomp_syscall_resolve_name(name.encode())
                if number != -1:
                    LIBRARY.seccomp_rule_add_array(context, rule.action, number, len(comparisons), ctypes.byref(array))
        with os.fdopen(os.memfd_create("seccomp"), "r+b") as file:
            assert LIBRARY.seccomp_export_bpf(context, file.fileno()) == 0
            file.seek(0)
            return file.read()
    finally:
        LIBRARY.seccomp_release(context)

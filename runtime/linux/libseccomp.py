"""Compile a seccomp profile to BPF with libseccomp (Debian's libseccomp2), ahead of time: never in a child."""

from __future__ import annotations

import ctypes
import os
from typing import TYPE_CHECKING

from runtime.values import value

if TYPE_CHECKING:
    from collections.abc import Iterator

# seccomp.h of libseccomp 2.5
_ACT_ALLOW = 0x7FFF0000
_ACT_ERRNO = 0x00050000
_ATTR_CTL_OPTIMIZE = 8
_OPTIMIZE_BINARY_TREE = 2
COMPARE = {"ne": 1, "lt": 2, "le": 3, "eq": 4, "ge": 5, "gt": 6, "masked_eq": 7}


class SeccompError(Exception):
    """The profile could not be compiled."""


@value
class Argument:
    """A comparison of one argument: ``masked_eq`` tests ``arg & value == value_two``."""

    index: int
    op: str
    value: int
    value_two: int = 0


@value
class Rule:
    """System calls with one outcome; ``errno`` None allows, a number fails with it. All ``arguments`` must hold."""

    names: tuple[str, ...]
    errno: int | None = None
    arguments: tuple[Argument, ...] = ()


@value
class Profile:
    """What is not named by a rule fails with ``default_errno``."""

    default_errno: int
    rules: tuple[Rule, ...]


class _ArgCmp(ctypes.Structure):
    _fields_ = (
        ("arg", ctypes.c_uint),
        ("op", ctypes.c_int),
        ("datum_a", ctypes.c_uint64),
        ("datum_b", ctypes.c_uint64),
    )


def compile_profile(profile: Profile) -> bytes:
    """The profile as an array of ``struct sock_filter`` for this machine's architecture.

    Names that this libseccomp does not know are left out, and so denied: the profile only ever gets stricter.
    """
    library = _library()
    context = library.seccomp_init(_ACT_ERRNO | profile.default_errno)
    if not context:
        raise SeccompError("compile the seccomp profile: libseccomp refused to start")
    try:
        library.seccomp_attr_set(context, _ATTR_CTL_OPTIMIZE, _OPTIMIZE_BINARY_TREE)
        for rule in profile.rules:
            _add(library, context, rule)
        return _export(library, context)
    finally:
        library.seccomp_release(context)


def _library() -> ctypes.CDLL:
    try:
        library = ctypes.CDLL("libseccomp.so.2")
    except OSError as error:
        raise SeccompError(f"load libseccomp.so.2: {error} (Debian package libseccomp2)") from error
    library.seccomp_init.restype = ctypes.c_void_p
    library.seccomp_init.argtypes = (ctypes.c_uint32,)
    library.seccomp_release.argtypes = (ctypes.c_void_p,)
    library.seccomp_attr_set.argtypes = (ctypes.c_void_p, ctypes.c_int, ctypes.c_uint32)
    library.seccomp_syscall_resolve_name.argtypes = (ctypes.c_char_p,)
    rule_add = (ctypes.c_void_p, ctypes.c_uint32, ctypes.c_int, ctypes.c_uint, ctypes.c_void_p)
    library.seccomp_rule_add_array.argtypes = rule_add
    library.seccomp_export_bpf.argtypes = (ctypes.c_void_p, ctypes.c_int)
    return library


def _add(library: ctypes.CDLL, context: int, rule: Rule) -> None:
    action = _ACT_ALLOW if rule.errno is None else _ACT_ERRNO | rule.errno
    arguments = (_ArgCmp * len(rule.arguments))(
        *(_ArgCmp(test.index, COMPARE[test.op], test.value, test.value_two) for test in rule.arguments)
    )
    for name, number in _numbers(library, rule):
        result = library.seccomp_rule_add_array(context, action, number, len(rule.arguments), ctypes.byref(arguments))
        if result:
            raise SeccompError(f"compile the seccomp profile: {name}: {os.strerror(-result)}")


def _numbers(library: ctypes.CDLL, rule: Rule) -> Iterator[tuple[str, int]]:
    for name in rule.names:
        number = library.seccomp_syscall_resolve_name(name.encode())
        if number >= 0:  # negative: unknown, or a pseudo number of another architecture
            yield name, number


def _export(library: ctypes.CDLL, context: int) -> bytes:
    with open(os.memfd_create("seccomp"), "r+b") as file:
        result = library.seccomp_export_bpf(context, file.fileno())
        if result:
            raise SeccompError(f"compile the seccomp profile: export: {os.strerror(-result)}")
        file.seek(0)
        return file.read()

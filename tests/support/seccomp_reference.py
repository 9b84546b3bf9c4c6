"""What a seccomp profile means, said as plainly as possible: no tree, no ranges, no halves.

Written from runtime-spec (config-linux.md, "Seccomp") and the choices in `runtime.linux.decisions`; the compiled filter
is compared with it.
"""

from __future__ import annotations

import ctypes
import errno
import operator
from functools import lru_cache
from typing import TYPE_CHECKING

from runtime.linux import seccomp

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runtime.linux.seccomp import Argument, Rule, Seccomp

X86_64, X86, X32 = 0xC000003E, 0x40000003, 0x4000003E  # libseccomp's tokens
TOKENS = {"SCMP_ARCH_X86_64": X86_64, "SCMP_ARCH_X86": X86, "SCMP_ARCH_X32": X32}
KERNEL = {X86_64: 0xC000003E, X86: 0x40000003, X32: 0xC000003E}
X32_BIT = 0x40000000
ENOSYS = seccomp.RET_ERRNO | errno.ENOSYS
SOCKETCALL, IPC = 102, 117

LIBRARY = ctypes.CDLL("libseccomp.so.2")
LIBRARY.seccomp_syscall_resolve_name_arch.argtypes = (ctypes.c_uint32, ctypes.c_char_p)
LIBRARY.seccomp_syscall_resolve_num_arch.argtypes = (ctypes.c_uint32, ctypes.c_int)
LIBRARY.seccomp_syscall_resolve_num_arch.restype = ctypes.c_void_p
_free = ctypes.CDLL(None).free
_free.argtypes = (ctypes.c_void_p,)

# The kernel's own precedence, strictest first (seccomp(2)).
ORDER = (
    seccomp.RET_KILL_PROCESS, seccomp.RET_KILL_THREAD, seccomp.RET_TRAP, seccomp.RET_ERRNO, seccomp.RET_USER_NOTIF,
    seccomp.RET_TRACE, seccomp.RET_LOG, seccomp.RET_ALLOW,
)  # fmt: skip
_COMPARE = {
    "eq": operator.eq, "ne": operator.ne, "lt": operator.lt, "le": operator.le, "gt": operator.gt, "ge": operator.ge,
}  # fmt: skip


@lru_cache(maxsize=8)
def names_by_number(token: int) -> dict[int, str]:
    """All calls of an architecture, of what libseccomp itself answers when asked by number."""
    first = X32_BIT if token == X32 else 0
    return {number: name for number in range(first, first + 600) if (name := _name(token, number))}


def _name(token: int, number: int) -> str | None:
    pointer = LIBRARY.seccomp_syscall_resolve_num_arch(token, number)
    if not pointer:
        return None
    text = ctypes.string_at(pointer).decode()
    _free(pointer)
    return text


@lru_cache(maxsize=8)
def numbers_by_name(token: int) -> dict[str, int]:
    return {name: number for number, name in names_by_number(token).items()}


def way_round(name: str) -> tuple[int, int] | None:
    """How 32-bit x86 can make this call through another: that one, and the first argument it takes then."""
    number = LIBRARY.seccomp_syscall_resolve_name_arch(X86, name.encode())
    if -200 < number < -100:
        return SOCKETCALL, -100 - number
    return (IPC, -200 - number) if -300 < number < -200 else None


def strictness(action: int) -> int:
    return ORDER.index(action & 0xFFFF0000)


def expected(profile: Seccomp, token: int, number: int, arguments: Sequence[int]) -> int:
    """What the profile answers to a call of this architecture; arguments as they are in the registers."""
    values = [argument & (0xFFFFFFFF if token == X86 else 0xFFFFFFFFFFFFFFFF) for argument in arguments]
    listed = [name for name, known in TOKENS.items() if known == token and name in profile.architectures]
    if token != X86_64 and not listed:
        return seccomp.RET_KILL_PROCESS
    ours = numbers_by_name(token)
    named = {ours[name] for rule in profile.rules for name in rule.names if name in ours}
    if token == X86:
        named |= {way[0] for rule in profile.rules for each in rule.names if (way := way_round(each))}
    name = names_by_number(token).get(number)
    loud = [rule for rule in profile.rules if rule.action != profile.default_action]
    for rule in loud:
        if name in rule.names and not rule.arguments:
            return rule.action
    holding = [rule.action for rule in loud if name in rule.names and _holds(rule, values, narrow=token == X86)]
    if token == X86 and number in {SOCKETCALL, IPC}:
        holding += _by_way_round(profile, loud, number, values[0])
    if holding:
        return min(holding, key=strictness)
    newer = bool(named) and number > max(named)
    permissive = strictness(profile.default_action) > ORDER.index(seccomp.RET_USER_NOTIF)
    return ENOSYS if newer and not permissive else profile.default_action


def _by_way_round(profile: Seccomp, loud: list[Rule], number: int, selector: int) -> list[int]:
    return [
        rule.action
        for rule in loud
        for name in rule.names
        if way_round(name) == (number, selector)
        and (not rule.arguments or strictness(rule.action) < strictness(profile.default_action))
    ]


def _holds(rule: Rule, values: Sequence[int], *, narrow: bool) -> bool:
    answers = [_compare(argument, values[argument.index], narrow=narrow) for argument in rule.arguments]
    indices = [argument.index for argument in rule.arguments]
    return all(answers) if len(set(indices)) == len(indices) else any(answers)


def _compare(argument: Argument, value: int, *, narrow: bool) -> bool:
    bits = 0xFFFFFFFF if narrow else 0xFFFFFFFFFFFFFFFF
    if argument.op == "masked_eq":
        return value & argument.value & bits == argument.value_two & argument.value & bits
    return bool(_COMPARE[argument.op](value, argument.value & bits))

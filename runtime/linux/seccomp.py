"""What a seccomp filter is to decide, in the kernel's numbers (seccomp(2)), and the filter itself in memory."""

from __future__ import annotations

import struct

from runtime.linux.program import Memory
from runtime.values import Value

# include/uapi/linux/seccomp.h. ERRNO and TRACE carry 16 bits of data in their lower half.
RET_KILL_PROCESS = 0x80000000
RET_KILL_THREAD = 0x00000000
RET_TRAP = 0x00030000
RET_ERRNO = 0x00050000
RET_USER_NOTIF = 0x7FC00000
RET_TRACE = 0x7FF00000
RET_LOG = 0x7FFC0000
RET_ALLOW = 0x7FFF0000

FLAG_TSYNC = 1 << 0
FLAG_LOG = 1 << 1
FLAG_SPEC_ALLOW = 1 << 2
FLAG_NEW_LISTENER = 1 << 3
FLAG_TSYNC_ESRCH = 1 << 4
FLAG_WAIT_KILLABLE_RECV = 1 << 5

SET_MODE_FILTER = 1

_INSTRUCTION_BYTES = 8
_POINTER_AT = 8
_known: dict[bytes, Memory] = {}  # a launcher has one or two


class SeccompError(Exception):
    """A profile could not be compiled."""


class Argument(Value):
    """A comparison of an argument; ``masked_eq`` is ``argument & value == value_two & value`` (seccomp_rule_add(3))."""

    index: int
    op: str
    value: int
    value_two: int = 0


class Rule(Value):
    """System calls with one outcome, ``action``, if all ``arguments`` hold."""

    names: tuple[str, ...]
    action: int
    arguments: tuple[Argument, ...] = ()


class Seccomp(Value):
    """A profile; actions are what a filter returns, flags are seccomp(2)'s, architectures have libseccomp's names.

    The running architecture belongs to it whether it is listed or not.
    """

    default_action: int
    rules: tuple[Rule, ...] = ()
    architectures: tuple[str, ...] = ()
    flags: int = 0
    listener_path: str | None = None
    listener_metadata: str | None = None

    @property
    def notifies(self) -> bool:
        """Whether somebody has to listen."""
        return any(rule.action == RET_USER_NOTIF for rule in self.rules)


class CompiledFilter(Value):
    """Instructions as an array of ``struct sock_filter``, and how seccomp(2) is to be asked to install them.

    With ``listener`` the call returns a descriptor, of which notifications can be read.
    """

    program: bytes
    flags: int = 0
    listener: bool = False


def sock_fprog(program: bytes) -> Memory:
    """``struct sock_fprog``: how many instructions, and where; the same object for the same program."""
    if program not in _known:
        count = struct.pack("=H14x", len(program) // _INSTRUCTION_BYTES)
        _known[program] = Memory(count, ((_POINTER_AT, Memory(program)),))
    return _known[program]


def strictness(action: int) -> int:
    """Where an action stands when several filters answer: the lowest wins (seccomp(2), as signed 32-bit numbers)."""
    kind = action & 0xFFFF0000
    return kind - (1 << 32) if kind & 0x80000000 else kind

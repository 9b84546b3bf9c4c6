"""What a seccomp profile decides for every number that a process can call, whatever the architecture.

What it means where runtime-spec leaves it open is what runc 1.1 and libseccomp 2.5 make of it:

- A rule whose action is the default's says nothing. A name that the library does not know is passed over.
- Of the rules for a call the first without arguments decides, whatever else there is. Of others that hold together
  the strictest does, in the order that seccomp(2) has for several filters: libseccomp leaves that to how its tree grew.
- All arguments of a rule must hold; but if two are of the same argument, one of them all is enough.
- Calls newer than all that the profile names fail with ENOSYS and not as the default has it, unless that lets calls
  through: C libraries then do without them, and whoever wrote the profile cannot have meant them. Other than with runc
  this goes for the running architecture even when it is not listed.
- Calls of an architecture that is not in the profile kill, and so does the x32 bit where x32 is not.
- 32-bit x86 can make some calls through socketcall(2) and ipc(2) too, where the arguments are out of sight. A rule
  without arguments goes for both ways. One with arguments goes for all such calls if it is stricter than the default,
  and for none if not.
"""

from __future__ import annotations

import errno

from runtime.linux import libseccomp, seccomp
from runtime.linux.seccomp import Argument, strictness

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from runtime.linux.libseccomp import Architecture
    from runtime.linux.seccomp import Rule, Seccomp

    Clause = tuple[tuple[Argument, ...], int]
    """An action, and what must hold for it."""
    Decision = tuple[Clause, ...]
    """The first clause that holds counts; the last has no condition."""
    Range = tuple[int, Decision]
    """The first number, up to the next range's."""

_NO_SUCH_CALL = seccomp.RET_ERRNO | errno.ENOSYS
_KILL: Decision = (((), seccomp.RET_KILL_PROCESS),)
_TRACED_AWAY = 0xFFFFFFFF  # a tracer's -1: the call is to be left out (ptrace(2)), which is no call of x32
_PERMISSIVE = frozenset({seccomp.RET_ALLOW, seccomp.RET_LOG, seccomp.RET_TRACE})


def decide(profile: Seccomp, architectures: Sequence[Architecture]) -> dict[Architecture, list[Range]]:
    """For each of the architectures its numbers in order, with no gap from its first one on."""
    resolve = libseccomp.resolver()
    rules = [([name.encode("utf-8", "surrogateescape") for name in rule.names], rule) for rule in profile.rules]
    decided = {}
    for architecture in architectures:
        table = _Table(architecture, profile.default_action, resolve)
        for names, rule in rules:
            table.add(names, rule)
        decided[architecture] = _merged(table.ranges())
    return decided


def without_x32(profile: Seccomp) -> list[Range]:
    """What follows the numbers of x86-64 in a profile that has no x32."""
    return [(libseccomp.X32_BIT, _KILL), (_TRACED_AWAY, (((), profile.default_action),))]


class _Table:
    """What is known so far of one architecture's calls."""

    def __init__(self, architecture: Architecture, default: int, resolve: Callable[[int, bytes], int]) -> None:
        self._architecture, self._default, self._resolve = architecture, default, resolve
        self._last = -1
        self._whole: dict[int, int] = {}
        self._partly: dict[int, list[Clause]] = {}

    def add(self, names: Sequence[bytes], rule: Rule) -> None:
        clauses = _clauses(rule)
        silent = rule.action == self._default
        token, resolve = self._architecture.token, self._resolve
        for name in names:
            number = resolve(token, name)
            if number < 0:
                number = self._multiplexed(name, number, rule)
            self._last = max(self._last, number)
            if silent or number < 0:
                continue
            if rule.arguments:
                self._partly.setdefault(number, []).extend(clauses)
            else:
                self._whole.setdefault(number, rule.action)

    def ranges(self) -> Iterator[Range]:
        default = ((), self._default)
        position = self._architecture.first
        for number in sorted(self._whole.keys() | self._partly):
            if number > position:
                yield position, (default,)
            yield number, self._decision(number, default)
            position = number + 1
        if position <= self._last or self._last < 0:
            yield position, (default,)
        if self._last >= 0:
            yield self._last + 1, (default if self._default & 0xFFFF0000 in _PERMISSIVE else ((), _NO_SUCH_CALL),)

    def _decision(self, number: int, default: Clause) -> Decision:
        if number in self._whole:
            return (((), self._whole[number]),)
        return (*sorted(self._partly[number], key=lambda clause: strictness(clause[1])), default)

    def _multiplexed(self, name: bytes, number: int, rule: Rule) -> int:
        """Note the way round; the number of the straight one, or a negative one."""
        way = libseccomp.multiplexer(number) if self._architecture.multiplexed else None
        if way is None:
            return number
        through, selector = way
        self._last = max(self._last, through)
        stricter = strictness(rule.action) < strictness(self._default)
        if rule.action != self._default and (stricter or not rule.arguments):
            self._partly.setdefault(through, []).append(((Argument(0, "eq", selector),), rule.action))
        return libseccomp.direct(name) or number


def _clauses(rule: Rule) -> list[Clause]:
    if len({argument.index for argument in rule.arguments}) == len(rule.arguments):
        return [(rule.arguments, rule.action)]
    return [((argument,), rule.action) for argument in rule.arguments]


def _merged(ranges: Iterator[Range]) -> list[Range]:
    merged: list[Range] = []
    for start, decision in ranges:
        if not merged or merged[-1][1] != decision:
            merged.append((start, decision))
    return merged

"""A child's whole life as data: the system calls from clone to execve, in order, compiled to a table in memory.

A table can be executed by a few instructions that need no interpreter, no stack and no library
(`runtime.linux.interpreter`). So the child may share the launcher's memory until it executes, or be a program of its
own of a few kilobytes (`runtime.linux.elf`): no code of ours runs that a hostile image could lead astray.

In memory, 64-bit words throughout: a header of three (the entry that failed, its errno, where to go on then), entries
of eleven (number, six arguments, result, the errnos that are no failure as a bit set, and how far on the next entry is
after success and after such an errno), and behind them everything that arguments point to.
"""

from __future__ import annotations

import os
import struct

from runtime.linux.numbers import numbers
from runtime.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

# Not system calls:
COPY = -1  # memcpy(3) of target, source and length
CHECK = -2  # the result is the 32-bit number at argument 0, such as a netlink reply's error
REFUSE = -3  # fails with EPERM if the 32-bit number at argument 0 is argument 1
CLONE = -4  # clone3(2); the child goes on with the next entry, and after a failure at argument 2
RETURN = -5  # to whoever had the table executed; a table without it ends by execve(2) or exit_group(2)

_ENTRY = struct.Struct("=11q")
_WORD = struct.Struct("=q")
ENTRY_BYTES = _ENTRY.size
HEADER_BYTES = 24
RESULT_WORD, ALLOWED_WORD, ON_SUCCESS_WORD, ON_FAILURE_WORD = 7, 8, 9, 10
_ARGUMENTS = 6
_GO_ON_AT = 16
_NUMBERS = numbers() | {"copy": COPY, "check": CHECK, "refuse": REFUSE, "clone": CLONE, "return": RETURN}
_ALIGNMENT = 8
_FAILED = 127


class AnyErrno:
    """As the errnos that are no failure: none is one."""


ANY_ERRNO = AnyErrno()


class Memory:
    """Bytes that calls read and write; everybody who holds this object means the same bytes.

    ``pointers`` are put into it as addresses, each at its offset: a ``struct iovec`` points to what it describes.
    """

    __slots__ = ("content", "pointers")

    def __init__(self, content: bytes, pointers: tuple[tuple[int, Argument], ...] = ()) -> None:
        self.content = content
        self.pointers = pointers


class Slot(Memory):
    """Bytes that differ each time a program is executed: at most ``capacity``, and always a NUL behind them."""

    __slots__ = ("capacity",)

    def __init__(self, capacity: int) -> None:
        super().__init__(bytes(capacity + 1))
        self.capacity = capacity


class LengthOf(Value):
    """How many bytes are in a slot now."""

    slot: Slot


class At(Value):
    """A place in a `Memory`."""

    memory: Memory
    offset: int


class Vector(Value):
    """An array of strings that ends in NULL, as execve(2) takes it."""

    strings: tuple[bytes, ...]


class ResultOf(Value):
    """Where the result of a call is, for whoever copies it from there."""

    call: Call


class EntryOf(Value):
    """Where the entry of a call is, to go on there."""

    call: Call


class FailureReport:
    """Where the place of the entry that failed and its errno are: two words."""


FAILURE_REPORT = FailureReport()
FAILURE_REPORT_BYTES = 16


class Call:
    """One system call: ``what`` it is for, the kernel's ``name``, and its arguments.

    A string is bytes, which the kernel gets NUL-terminated; another call as an argument means its result. The errnos
    ``allowed`` are no failure. ``leave_out`` is how many of the calls that follow are left out after success,
    ``otherwise`` after an allowed errno: there is no way back. What is in the slot ``about`` completes the ``what``.
    """

    __slots__ = ("about", "allowed", "args", "leave_out", "name", "otherwise", "what")

    def __init__(  # noqa: PLR0913 - it is one row of a table
        self,
        what: str,
        name: str,
        args: tuple[Argument, ...] = (),
        allowed: tuple[int, ...] | AnyErrno = (),
        *,
        leave_out: int = 0,
        otherwise: int = 0,
        about: Slot | None = None,
    ) -> None:
        self.what = what
        self.name = name
        self.args = args
        self.allowed = allowed
        self.leave_out = leave_out
        self.otherwise = otherwise
        self.about = about

    def __repr__(self) -> str:
        return f"Call({self.what!r}, {self.name!r}, {len(self.args)} arguments)"


Argument = int | bytes | Memory | LengthOf | At | Vector | Call | ResultOf | EntryOf | FailureReport

_IN_PLACE = (int, Call)  # the number itself, or the result that is copied there
_UNUSED = [0] * _ARGUMENTS

EXIT = (Call("end", "exit_group", (_FAILED,)),)
RETURN_OR_EXIT = (Call("return", "return"), *EXIT)
"""After a failure, for a program that clones: it returns itself, and its child ends (``EntryOf(EXIT[0])``)."""


class Assembly:
    """Calls laid out in one piece; `at` gives the bytes for the address where they are to be.

    ``places`` are where the entries of the calls are, counted from the base, and ``end`` is where they end.
    """

    def __init__(self, calls: tuple[Call, ...], on_failure: tuple[Call, ...] = EXIT) -> None:
        self._rows = [*_with_copies(calls), *_with_copies(on_failure)]
        self.length = len(self._rows)
        self._content = bytearray(HEADER_BYTES + self.length * ENTRY_BYTES)
        self._addresses: list[int] = []
        self._slots: dict[Slot, list[int]] = {}  # and where their lengths are
        self._places: dict[object, int] = {}
        self._row_of = {id(row): index for index, row in enumerate(self._rows)}
        self.end = self._entry(len(_with_copies(calls)))
        self.places = tuple(self._entry(self._row_of[id(call)]) for call in calls)
        self._put_address(_GO_ON_AT, self.end)
        for index, row in enumerate(self._rows):
            self._assemble(index, row)

    def __len__(self) -> int:
        return len(self._content)

    def at(self, base: int) -> bytes:
        """The bytes, for whoever puts them at the address ``base``."""
        content = bytearray(self._content)
        with memoryview(content) as view, view.cast("q") as words:
            for offset in self._addresses:
                words[offset >> 3] += base
        return bytes(content)

    @property
    def addresses(self) -> tuple[int, ...]:
        """The places of all words that count from the base."""
        return tuple(self._addresses)

    @property
    def slots(self) -> tuple[Slot, ...]:
        """Each that the calls use."""
        return tuple(self._slots)

    def fillings(self, slot: Slot, content: bytes) -> tuple[tuple[int, bytes], ...]:
        """What stands where once ``content`` is in the slot; raises `ValueError` for one that does not fit."""
        if len(content) > slot.capacity:
            raise ValueError(f"{len(content)} bytes do not fit into {slot.capacity}: {content[:64]!r}")
        length = _WORD.pack(len(content))
        return ((self._places[id(slot)], content + b"\0"), *[(place, length) for place in self._slots[slot]])

    def place(self, argument: Argument) -> int:
        """Where that which is meant by an argument of the calls is, counted from the base."""
        return self._place(argument)

    def purposes(self) -> tuple[tuple[int, str], ...]:
        """The place of each entry, counted from the base, and what it is for."""
        return tuple((self._entry(index), row.what) for index, row in enumerate(self._rows))

    def about(self, place: int) -> Slot | None:
        """The slot that completes what the entry at this place is for."""
        return self._row(place).about

    def _row(self, place: int) -> Call | _Copy:
        return self._rows[(place - HEADER_BYTES) // ENTRY_BYTES]

    def _entry(self, index: int) -> int:
        return HEADER_BYTES + index * ENTRY_BYTES

    def _put_address(self, offset: int, place: int) -> None:
        _WORD.pack_into(self._content, offset, place)
        self._addresses.append(offset)

    def _assemble(self, index: int, row: Call | _Copy) -> None:
        start = self._entry(index)
        if isinstance(row, _Copy):
            source = self._entry(self._row_of[id(row.source)]) + RESULT_WORD * 8
            target = self._entry(index + row.distance) + (1 + row.argument) * 8
            _ENTRY.pack_into(self._content, start, COPY, 0, 0, 8, 0, 0, 0, 0, 0, ENTRY_BYTES, ENTRY_BYTES)
            self._put_address(start + 8, target)
            self._put_address(start + 16, source)
            return
        steps = (self._distance(index, row.leave_out), self._distance(index, row.otherwise))
        plain = [argument if isinstance(argument, int) else 0 for argument in row.args]
        plain += _UNUSED[len(plain) :]
        _ENTRY.pack_into(self._content, start, _NUMBERS[row.name], *plain, 0, _mask(row.allowed), *steps)
        for number, argument in enumerate(row.args):
            if isinstance(argument, LengthOf):
                self._slots.setdefault(argument.slot, []).append(start + (1 + number) * 8)
            elif not isinstance(argument, _IN_PLACE):
                self._put_address(start + (1 + number) * 8, self._place(argument))

    def _distance(self, index: int, leave_out: int) -> int:
        """From an entry to the first one of the call that comes after those that are left out."""
        if not leave_out:
            return ENTRY_BYTES
        following = index + 1
        for _ in range(leave_out):
            while isinstance(self._rows[following], _Copy):
                following += 1
            following += 1
        return (following - index) * ENTRY_BYTES

    def _place(self, argument: Argument) -> int:
        if isinstance(argument, bytes):  # most are
            return self._kept(argument, argument)
        match argument:
            case At():
                return self._place(argument.memory) + argument.offset
            case ResultOf():
                return self._entry(self._row_of[id(argument.call)]) + RESULT_WORD * 8
            case EntryOf():
                return self._entry(self._row_of[id(argument.call)])
            case FailureReport():
                return 0
            case Vector():
                return self._kept(argument, argument)
            case Memory():
                return self._kept(id(argument), argument)
        raise TypeError(f"{argument!r} has no place")

    def _kept(self, key: object, argument: bytes | Vector | Memory) -> int:
        if key not in self._places:
            content, pointers = _data(argument)
            place = len(self._content)
            self._places[key] = place
            if isinstance(argument, Slot):
                self._slots.setdefault(argument, [])
            self._content += content + bytes(-len(content) % _ALIGNMENT)
            for offset, target in pointers:
                self._put_address(place + offset, self._place(target))
        return self._places[key]


def _data(argument: bytes | Vector | Memory) -> tuple[bytes, Iterable[tuple[int, Argument]]]:
    match argument:
        case bytes():
            return argument + b"\0", ()
        case Vector():
            return bytes(8 * len(argument.strings) + 8), ((8 * index, s) for index, s in enumerate(argument.strings))
        case Memory():
            return argument.content, argument.pointers


def _mask(allowed: tuple[int, ...] | AnyErrno) -> int:
    if isinstance(allowed, AnyErrno):
        return -1
    mask = 0
    for number in allowed:
        mask |= 1 << number
    return mask


def is_allowed(mask: int, number: int) -> bool:
    """Whether a bit set of errnos, as entries have it, has this one."""
    return mask == -1 or (number < 64 and mask >> number & 1 == 1)


class Failure(Exception):
    """A call failed: ``what`` it was for, and its ``errno``."""

    def __init__(self, what: str, errno: int) -> None:
        super().__init__(f"{what}: {os.strerror(errno).lower()}")
        self.what = what
        self.errno = errno


class _Copy:
    """Put the result of ``source`` into an argument of the call that is ``distance`` entries on."""

    __slots__ = ("about", "argument", "distance", "source", "what")

    def __init__(self, source: Call, distance: int, argument: int, target: Call) -> None:
        self.source = source
        self.distance = distance
        self.argument = argument
        self.what = target.what
        self.about = target.about


def _with_copies(calls: tuple[Call, ...]) -> list[Call | _Copy]:
    rows: list[Call | _Copy] = []
    for call in calls:
        wanted = [(number, argument) for number, argument in enumerate(call.args) if isinstance(argument, Call)]
        for position, (number, source) in enumerate(wanted):
            rows.append(_Copy(source, len(wanted) - position, number, call))
        rows.append(call)
    return rows

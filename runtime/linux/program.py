"""A child's whole life as data: the system calls from clone to execve, in order, compiled to a table in memory.

A table can be executed by a few instructions that need no interpreter, no stack and no library
(`runtime.linux.interpreter`). So the child may share the launcher's memory until it executes: nothing is copied,
no page is faulted, and no code of ours runs that a hostile image could lead astray.

An entry is nine 64-bit words: number, six arguments, result, and the errno that is no failure.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import struct
from dataclasses import dataclass
from functools import lru_cache

from runtime.linux.numbers import numbers

COPY = -1  # not a system call: memcpy(3) of target, source and length
CHECK = -2  # not a system call: the result is the 32-bit number at argument 0, such as a netlink reply's error

ANY_ERRNO = -1  # as the errno that is no failure: none is

_ENTRY = struct.Struct("=9q")
ENTRY_BYTES = _ENTRY.size
RESULT_WORD, ALLOWED_WORD = 7, 8
_NUMBERS = numbers() | {"copy": COPY, "check": CHECK}


class Memory:
    """Bytes that calls read and write; everybody who holds this object means the same bytes."""

    __slots__ = ("content",)

    def __init__(self, content: bytes) -> None:
        self.content = content


@dataclass(frozen=True, slots=True)
class At:
    """A place in a `Memory`."""

    memory: Memory
    offset: int


@dataclass(frozen=True, slots=True)
class Vector:
    """An array of strings that ends in NULL, as execve(2) takes it."""

    strings: tuple[bytes, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Call:
    """One system call: ``what`` it is for, the kernel's ``name``, its arguments, and an errno that is no failure.

    A string is bytes, which the kernel gets NUL-terminated; another call as an argument means its result.
    """

    what: str
    name: str
    args: tuple[Argument, ...] = ()
    allowed: int = 0


Argument = int | bytes | Memory | At | Vector | Call


class Program:
    """Calls, compiled: ``address`` is the table's, and ``failure`` tells afterwards where it ended."""

    def __init__(self, calls: tuple[Call, ...]) -> None:
        self._keep: dict[int, ctypes.Array[ctypes.c_char]] = {}
        self._constants: list[ctypes.Array[ctypes.c_char]] = []
        self._rows = _with_copies(calls)
        # Shared, so that a child with a memory of its own can still leave its results to us.
        self._table = mmap.mmap(-1, len(self._rows) * ENTRY_BYTES)
        self.address = ctypes.addressof(ctypes.c_char.from_buffer(self._table))
        self._compile()

    @property
    def length(self) -> int:
        """How many entries the table has."""
        return len(self._rows)

    def failure(self) -> str | None:
        """The call that failed and why, in words; None if every call that was made succeeded."""
        for index, row in enumerate(self._rows):
            *_, result, allowed = _ENTRY.unpack_from(self._table, index * ENTRY_BYTES)
            if result < 0 and allowed not in {-result, ANY_ERRNO}:
                return f"{row.what}: {os.strerror(-result).lower()}"
        return None

    def _compile(self) -> None:
        places = {id(row): index for index, row in enumerate(self._rows) if isinstance(row, Call)}
        for index, row in enumerate(self._rows):
            if isinstance(row, _Copy):
                source = self.address + places[id(row.source)] * ENTRY_BYTES + RESULT_WORD * 8
                target = self.address + (index + row.distance) * ENTRY_BYTES + (1 + row.argument) * 8
                self._write(index, COPY, [target, source, 8], 0)
            else:
                arguments = [0 if isinstance(argument, Call) else self._word(argument) for argument in row.args]
                self._write(index, _NUMBERS[row.name], arguments, row.allowed)

    def _write(self, index: int, number: int, arguments: list[int], allowed: int) -> None:
        unused = (0,) * (6 - len(arguments))
        _ENTRY.pack_into(self._table, index * ENTRY_BYTES, number, *arguments, *unused, 0, allowed)

    def _word(self, argument: int | bytes | Memory | At | Vector) -> int:
        """The argument as the kernel takes it: a number, or where its bytes are."""
        match argument:
            case int():
                return argument
            case bytes():
                self._constants.append(_constant(argument))
                return ctypes.addressof(self._constants[-1])
            case Memory():
                return self._address(argument, argument.content)
            case At():
                return self._word(argument.memory) + argument.offset
            case Vector():
                pointers = (*(self._word(string) for string in argument.strings), 0)
                return self._address(argument, struct.pack(f"={len(pointers)}q", *pointers))

    def _address(self, owner: object, content: bytes) -> int:
        if id(owner) not in self._keep:
            self._keep[id(owner)] = ctypes.create_string_buffer(content)
        return ctypes.addressof(self._keep[id(owner)])


@lru_cache(maxsize=4096)
def _constant(content: bytes) -> ctypes.Array[ctypes.c_char]:
    """A string in memory, for all programs: most are the same for every container, and none is ever written to."""
    return ctypes.create_string_buffer(content)


@dataclass(frozen=True, slots=True)
class _Copy:
    """Put the result of ``source`` into an argument of the call that is ``distance`` entries on."""

    source: Call
    distance: int
    argument: int
    what: str


def _with_copies(calls: tuple[Call, ...]) -> list[Call | _Copy]:
    rows: list[Call | _Copy] = []
    for call in calls:
        wanted = [number for number, argument in enumerate(call.args) if isinstance(argument, Call)]
        for position, number in enumerate(wanted):
            source = call.args[number]
            if isinstance(source, Call):
                rows.append(_Copy(source, len(wanted) - position, number, call.what))
        rows.append(call)
    return rows

"""What `floor.c` replays: the very programs that our launcher executes, one for each container."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from runtime.linux import constants
from runtime.linux.capabilities import bounding_set, members
from runtime.linux.program import RETURN_OR_EXIT, Assembly, Call, Slot
from runtime.process.launch import kind_of, plan_launch, slot_contents

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from runtime.process.launch import Surroundings
    from runtime.spec.container import ContainerSpec

_RETURN = Call("return", "return")


class Script:
    """Programs for containers of one kind."""

    def __init__(self, specs: Sequence[ContainerSpec], surroundings: Surroundings) -> None:
        self._surroundings = surroundings
        self._contents = [slot_contents(spec, surroundings.hierarchy) for spec in specs]
        self._slots = {name: Slot(max(len(one[name]) for one in self._contents)) for name in self._contents[0]}
        self.plan = plan_launch(kind_of(specs[0]), self._slots, surroundings)
        self._assembly = Assembly(self.plan.calls, RETURN_OR_EXIT)
        self._purposes = dict(self._assembly.purposes())

    @property
    def count(self) -> int:
        """How many containers."""
        return len(self._contents)

    def write(self, path: Path) -> None:
        """Write it where `floor.c` reads it."""
        with path.open("wb") as file:
            file.writelines(self._records())

    def purpose(self, place: int) -> str:
        """What the call at this place of a table is for."""
        return self._purposes.get(place, "prepare")

    def _records(self) -> Iterator[bytes]:
        setup = Assembly(plan_setup(self._surroundings.bounds.capabilities), RETURN_OR_EXIT)
        yield _record(setup, setup.at(0))
        for contents in self._contents:
            yield _record(self._assembly, self._filled(contents))

    def _filled(self, contents: dict[str, bytes]) -> bytes:
        table = bytearray(self._assembly.at(0))
        for name, content in contents.items():
            for place, piece in self._assembly.fillings(self._slots[name], content):
                table[place : place + len(piece)] = piece
        return bytes(table)


def plan_setup(rights: int) -> tuple[Call, ...]:
    """What the launcher does once, before its first container."""
    dropped = members(bounding_set() & ~rights)
    return (
        *(Call("limit the bounding set", "prctl", (constants.PR_CAPBSET_DROP, number)) for number in dropped),
        Call("set the umask", "umask", (0o022,)),
        Call("enter /", "chdir", (b"/",)),
        _RETURN,
    )


def _record(assembly: Assembly, table: bytes) -> bytes:
    addresses = assembly.addresses
    return struct.pack(f"=2q{len(addresses)}q", len(table), len(addresses), *addresses) + table

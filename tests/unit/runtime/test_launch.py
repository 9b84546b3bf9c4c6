"""A program that is filled in for one container after another is each time the one that would be compiled for it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from runtime.cgroups.hierarchy import Hierarchy
from runtime.linux.program import RETURN_OR_EXIT, Assembly, Slot
from runtime.network.addresses import InstanceAddress
from runtime.network.requests import container_network
from runtime.process.init import Bounds
from runtime.process.launch import Surroundings, kind_of, plan_launch, slot_contents
from runtime.rootfs.plan import Masked
from runtime.spec.container import ContainerSpec, Process, Resources, Rootfs

V1 = Hierarchy(1, (("cpu", "/cg/cpu"), ("memory", "/cg/memory"), ("pids", "/cg/pids")))
V2 = Hierarchy(2, (("memory", "/cg"), ("cpu", "/cg"), ("pids", "/cg")))
PROCESS = Process(("/bin/sleep", "1"), ("PATH=/bin",), seccomp=bytes(64))
LAYERS = ("/layers/a", "/layers/b")


def spec(number: int, *, connected: bool = True) -> ContainerSpec:
    name, address = f"c{number}", InstanceAddress(number)
    network = container_network(address, 42, f"tarev{number}") if connected else None
    rootfs = Rootfs(LAYERS, f"/data/{name}/upper", f"/data/{name}/work")
    limits = Resources(memory_bytes=1 << 27, cpus=1.5, pids=64)
    return ContainerSpec(name, f"host-{name}", f"/data/{name}", f"tare/run/{name}", PROCESS, rootfs, limits, network)


def surroundings(hierarchy: Hierarchy) -> Surroundings:
    bounds = Bounds(1 << 40, (1024, 4096))
    return Surroundings(hierarchy, "/run/rootfs", (Masked("/proc/kcore", "/dev/null"),), 5, bounds, 6)


def compile_for(one: ContainerSpec, hierarchy: Hierarchy) -> tuple[Assembly, dict[str, Slot]]:
    slots = {name: Slot(255) for name in slot_contents(one, hierarchy)}
    return Assembly(plan_launch(kind_of(one), slots, surroundings(hierarchy)).calls, RETURN_OR_EXIT), slots


def fill(content: bytearray, assembly: Assembly, slots: dict[str, Slot], contents: dict[str, bytes]) -> bytes:
    for name, filling in contents.items():
        for place, piece in assembly.fillings(slots[name], filling.ljust(1)):
            content[place : place + len(piece)] = piece
    return bytes(content)


@pytest.mark.parametrize("hierarchy", [V1, V2], ids=["version 1", "version 2"])
@pytest.mark.parametrize("connected", [True, False])
def test_a_program_filled_again_is_the_one_compiled_afresh(hierarchy: Hierarchy, connected: bool) -> None:
    one, other = spec(7, connected=connected), spec(1234, connected=connected)
    assembly, slots = compile_for(one, hierarchy)
    used = bytearray(fill(bytearray(assembly.at(0x1000)), assembly, slots, slot_contents(one, hierarchy)))
    blank = {name: bytes(slot.capacity) for name, slot in slots.items()}
    used = bytearray(fill(used, assembly, slots, blank))
    again = fill(used, assembly, slots, slot_contents(other, hierarchy))
    fresh, fresh_slots = compile_for(other, hierarchy)
    expected = fill(bytearray(fresh.at(0x1000)), fresh, fresh_slots, slot_contents(other, hierarchy))
    assert again == expected
    assert b"host-c1234\0" in again
    assert b"host-c7\0" not in again


def test_containers_are_of_one_kind_that_differ_in_names_and_addresses_only() -> None:
    assert kind_of(spec(7)) == kind_of(spec(1234))
    assert kind_of(spec(7)) != kind_of(spec(7, connected=False))
    changed = (replace(spec(7), resources=Resources()), replace(spec(7), process=replace(PROCESS, uid=1)))
    assert all(kind_of(one) != kind_of(spec(7)) for one in changed)


def test_on_version_1_the_child_writes_itself_into_its_groups_and_on_version_2_it_is_born_there() -> None:
    for hierarchy, writes, copies in ((V1, 3, 0), (V2, 0, 1)):
        one = spec(7)
        slots = {name: Slot(255) for name in slot_contents(one, hierarchy)}
        whats = [call.what for call in plan_launch(kind_of(one), slots, surroundings(hierarchy)).calls]
        assert whats.count("join the control group") == writes
        assert whats.count("name the control group") == copies

"""Containers where control groups are version 2 only: in a guest, whose kernel and mounts are ours to choose."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from hypervisor.guest.build import GuestRoot, build_guest
from tests.support.guest_python import argv_of, python_layer
from tests.support.machines import Machines, until_off

if TYPE_CHECKING:
    from hypervisor.connection import Connection
    from hypervisor.guest.build import Guest
    from hypervisor.guest.kernel import Kernel

pytestmark = [pytest.mark.vm, pytest.mark.root, pytest.mark.slow]

SCRIPT = Path(__file__).parents[2] / "support/guest_containers.py"


@pytest.fixture
def python_guest(data_root: Path, kernel: Kernel, tmp_path: Path) -> Guest:
    layer = python_layer(tmp_path / "layer", SCRIPT, ("sh", "sleep", "cat", "dd", "true"))
    return build_guest(data_root, kernel, GuestRoot(f"sha256:{'c' * 64}", (layer,), argv_of(SCRIPT)))


def test_containers_on_version_2(connection: Connection, run_directory: Path, python_guest: Guest, bridge: str) -> None:
    machines = Machines(connection, run_directory, python_guest, bridge)
    try:
        domain = machines.domain(9, memory_bytes=512 << 20)
        domain.start()
        until_off(domain, within_s=240)
        console = domain.console().decode(errors="replace")
    finally:
        machines.remove_all()
    line = next((line for line in console.splitlines() if line.startswith("FOUND ")), None)
    assert line is not None, console[-4000:]
    assert json.loads(line.removeprefix("FOUND ")) == {
        "version": 2,
        "limits": [str(16 << 20), "50000 100000", "10"],
        "processes are its own": True,
        "charged": True,
        "seen from outside": "0::/tare/run/limited",
        "seen from inside": "0::/",
        "status of another": 0,
        "another is in the group": True,
        "ways out": [],
        "another went along": 137,
        "removed": True,
        "too much memory": 137,
        "inside": [0, "0::/\n"],
        "bounded": True,
        "left": [],
    }

"""The tests of containers' control groups on version 2: in a guest, since a host has only one version."""

from __future__ import annotations

import importlib.util
import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from hypervisor.guest.build import GuestRoot, build_guest
from tests.support.guest_python import PLACE, argv_of, python_layer
from tests.support.machines import Machines, until_off

if TYPE_CHECKING:
    from hypervisor.connection import Connection
    from hypervisor.guest.build import Guest
    from hypervisor.guest.kernel import Kernel

pytestmark = [pytest.mark.vm, pytest.mark.root, pytest.mark.slow]

TESTS = Path(__file__).parents[2]
SCRIPT = TESTS / "support/guest_groups.py"
OF_THE_TESTS = (
    "integration/test_cgroup_group.py",
    "integration/test_cgroup_v2.py",
    "support/groups.py",
    "support/waiting.py",
)
OF_PYTEST = ("_pytest", "iniconfig", "packaging", "pluggy", "py", "pygments", "pytest")
APPLETS = ("sh", "cat", "dd", "grep", "head", "mknod", "sleep", "timeout", "true", "wc")


def copy_module(name: str, target: Path) -> None:
    spec = importlib.util.find_spec(name)
    assert spec is not None
    assert spec.origin is not None
    origin = Path(spec.origin)
    if origin.name == "__init__.py":
        shutil.copytree(origin.parent, target / name, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        shutil.copy2(origin, target)


@pytest.fixture
def testing_guest(data_root: Path, kernel: Kernel, tmp_path: Path) -> Guest:
    layer = python_layer(tmp_path / "layer", SCRIPT, APPLETS)
    for name in OF_PYTEST:
        copy_module(name, layer / PLACE)
    for name in OF_THE_TESTS:
        target = layer / PLACE / "tests" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(TESTS / name, target)
    return build_guest(data_root, kernel, GuestRoot(f"sha256:{'d' * 64}", (layer,), argv_of(SCRIPT)))


def test_groups_on_version_2(connection: Connection, run_directory: Path, testing_guest: Guest, bridge: str) -> None:
    machines = Machines(connection, run_directory, testing_guest, bridge)
    try:
        domain = machines.domain(10, memory_bytes=768 << 20)
        domain.start()
        until_off(domain, within_s=270)
        console = domain.console().decode(errors="replace")
    finally:
        machines.remove_all()
    line = next((line for line in console.splitlines() if line.startswith("FOUND ")), None)
    assert line is not None, console[-4000:]
    found = json.loads(line.removeprefix("FOUND "))
    assert found["others"] == {}, console[-4000:]
    assert len(found["passed"]) > 40, console[-4000:]

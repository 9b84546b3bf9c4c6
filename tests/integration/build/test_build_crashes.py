"""SIGKILL at any moment: the store is whole, the next build undoes what was left, and a retry completes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from runtime.build.workspace import GROUPS, sweep
from tests.integration.build.conftest import BASE, leftovers
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from tests.integration.build.conftest import Builder

pytestmark = pytest.mark.root

_SCRIPT = """
import sys
from runtime.build.builder import build
from runtime.build.options import BuildOptions
build(sys.argv[1], BuildOptions(sys.argv[2], tags=("killed",), network=sys.argv[3]))
"""
_FILE = (
    f"FROM {BASE}\nCOPY big /big\nRUN head -c 3000000 /dev/zero > /a; sleep 0.05\nRUN rm /big; echo 1 > /one\n"
    "COPY big /second\nRUN cp /second /third; cat /proc/self/cgroup > /dev/null\nCMD done\n"
)


def start(builder: Builder, network: str = "none") -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", _SCRIPT, str(builder.root), str(builder.context), network]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def groups(root: Path) -> set[str]:
    """Control groups of the engine's, and who is in them."""
    assert root.exists()
    found = Path("/sys/fs/cgroup").glob(f"*{GROUPS}/*")
    return {path.name for path in found if path.is_dir()}


def containers_of(root: Path) -> set[str]:
    """Ids of what the builds below this root directory run."""
    return {path.name for path in (root / "build/work").glob("*/runtime/*")}


def check(builder: Builder, ids: set[str]) -> None:
    assert leftovers(builder.root) == []
    assert not ids & groups(builder.root)
    for image in builder.store.images():
        builder.store.verify(image)


@pytest.mark.slow
@pytest.mark.parametrize("after_s", [0.1, 0.25, 0.4, 0.55, 0.7, 0.85, 1.0])
def test_killed_at_some_moment(builder: Builder, after_s: float) -> None:
    (builder.context / "big").write_bytes(os.urandom(3_000_000))
    builder.write(Dockerfile=_FILE)
    process = start(builder)
    try:
        process.wait(after_s)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    ids = containers_of(builder.root)
    sweep(str(builder.root))
    check(builder, ids)
    built, _ = builder.build(tags=("killed",))
    assert builder.read(built, "/one") == "1\n"
    check(builder, ids)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_killed_while_a_command_runs(builder: Builder, number: signal.Signals) -> None:
    builder.write(Dockerfile=f"FROM {BASE}\nRUN echo x > /x\nRUN sleep 987654\n")
    process = start(builder)
    try:
        assert eventually(lambda: any((builder.root / "build/work").glob("*/runtime/*/state.json")), timeout_s=60)
        assert eventually(lambda: bool(sleeping(builder.root)), timeout_s=60)
        ids = containers_of(builder.root)
        process.send_signal(number)
        process.wait(timeout=60)
    finally:
        process.kill()
    if number == signal.SIGINT:
        assert leftovers(builder.root) == []
    sweep(str(builder.root))
    assert eventually(lambda: not sleeping(builder.root), timeout_s=60)
    check(builder, ids)


def sleeping(root: Path) -> list[str]:
    """Pids of first processes whose root is a mount of ours."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            mounts = (path / "mountinfo").read_text()
            words = (path / "cmdline").read_bytes()
        except OSError:
            continue
        if b"987654" in words and f"upperdir={root}/" in mounts:
            found.append(path.name)
    return found


def test_two_builds_at_once_leave_each_other_alone(builder: Builder) -> None:
    (builder.context / "big").write_bytes(os.urandom(3_000_000))
    builder.write(Dockerfile=_FILE)
    processes = [start(builder) for _ in range(3)]
    assert [process.wait(timeout=120) for process in processes] == [0, 0, 0]
    check(builder, set())
    assert builder.store.resolve("killed").reference == "killed:latest"


def test_the_network_goes_with_a_build_that_was_killed(builder: Builder) -> None:
    builder.write(Dockerfile=f"FROM {BASE}\nRUN sleep 987654\n")
    process = start(builder, "default")
    try:
        assert eventually(lambda: bool(sleeping(builder.root)), timeout_s=60)
    finally:
        process.kill()
        process.wait()
    leases = builder.root / "networks"
    assert eventually(
        lambda: not [path for path in leases.rglob("*") if path.is_file() and "lease" in str(path)], timeout_s=60
    )
    sweep(str(builder.root))
    check(builder, set())

"""The launcher as a supervisor: what it leaves behind (nothing), and what happens when an end of it goes away."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import runtime
from runtime.cgroups.cgroup import Cgroup, remove_directory
from runtime.cgroups.hierarchy import host_hierarchy
from runtime.process import messages
from runtime.process.client import LauncherError
from runtime.spec.container import Resources
from tests.support.containers import make_ground
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from tests.support.containers import Ground

HOME = Path(runtime.__file__).parents[1]
HEAVY = {"pyroute2", "pandas", "numpy", "libvirt", "click", "msgspec", "pathlib", "asyncio", "rich", "hypothesis"}

CLIENT = """
import sys, time
from pathlib import Path
from tests.support.containers import make_ground
with make_ground(Path(sys.argv[1]), tuple(map(Path, sys.argv[2:]))) as ground:
    specs = [ground.spec(ground.process("sleep", "1000")) for _ in range(3)]
    pids = [ground.launcher.launch(spec) for spec in specs]
    print(ground.group, ground.launcher.pid, *pids, flush=True)
    time.sleep(1000)
"""


def children(pid: int) -> list[int]:
    return [int(text) for text in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def alive(pid: int) -> bool:
    """Whether it is there, and more than a zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.mark.root
@pytest.mark.slow
def test_three_hundred_launches_leave_nothing(ground: Ground) -> None:
    ground.run("true")
    fds = len(list(Path(f"/proc/{ground.launcher.pid}/fd").iterdir()))
    for number in range(300):
        outcome = ground.run("sh", "-c", f"exit {number % 100}")
        assert outcome.status == number % 100
    assert len(list(Path(f"/proc/{ground.launcher.pid}/fd").iterdir())) == fds
    assert children(ground.launcher.pid) == []
    assert ground.leftovers() == []


@pytest.mark.root
def test_an_end_is_noticed_without_being_asked_for(ground: Ground) -> None:
    spec = ground.spec(ground.process("true"))
    ground.launcher.launch(spec)
    assert eventually(lambda: children(ground.launcher.pid) == [])  # reaped: no zombie waits for a question
    assert ground.launcher.exit_status(spec.id) == 0
    ground.launcher.remove(spec.id)


@pytest.mark.root
def test_closing_removes_what_still_runs(tmp_path: Path, busybox_layers: tuple[Path, ...]) -> None:
    with make_ground(tmp_path / "ground", busybox_layers) as ground:
        pids = [ground.launcher.launch(ground.spec(ground.process("sleep", "1000"))) for _ in range(5)]
        assert all(map(alive, pids))
        assert len(ground.leftovers()) > 5
        ground.launcher.close()
        assert not any(map(alive, pids))
        assert ground.leftovers() == []


@pytest.mark.root
def test_the_death_of_the_client_ends_everything(tmp_path: Path, busybox_layers: tuple[Path, ...]) -> None:
    command = [sys.executable, "-c", CLIENT, str(tmp_path / "ground"), *map(str, busybox_layers)]
    with subprocess.Popen(command, cwd=HOME, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as client:
        assert client.stdout
        assert client.stderr
        group, *pids = client.stdout.readline().split()
        assert all(alive(int(pid)) for pid in pids)
        client.send_signal(signal.SIGKILL)
        assert eventually(lambda: not any(alive(int(pid)) for pid in pids))
        assert client.stderr.read() == ""
    assert list((tmp_path / "ground/containers").iterdir()) == []
    for directory in Cgroup(host_hierarchy(), group).directories:
        assert [entry for entry in Path(directory).iterdir() if entry.is_dir()] == []
        remove_directory(directory)


@pytest.mark.root
def test_the_death_of_the_launcher_is_an_error_and_no_hang(tmp_path: Path, busybox_layers: tuple[Path, ...]) -> None:
    with make_ground(tmp_path / "ground", busybox_layers) as ground:
        spec = ground.spec(ground.process("sleep", "1000"))
        pid = ground.launcher.launch(spec)
        try:
            os.kill(ground.launcher.pid, signal.SIGKILL)
            with pytest.raises(LauncherError, match=f"launcher \\(pid {ground.launcher.pid}\\).*gone"):
                ground.launcher.wait(spec.id, 30)
            with pytest.raises(LauncherError, match="gone"):
                ground.launcher.remove(spec.id)
        finally:
            os.kill(pid, signal.SIGKILL)
            ground.cgroup(spec).remove()


@pytest.mark.root
def test_an_interrupt_of_the_terminal_does_not_reach_the_launcher(ground: Ground) -> None:
    assert os.getsid(ground.launcher.pid) == ground.launcher.pid != os.getsid(0)


@pytest.mark.root
def test_a_memory_limit_too_small_to_start_in_does_not_take_the_launcher_along(ground: Ground) -> None:
    spec = ground.spec(ground.process("true"), resources=Resources(memory_bytes=4096))
    with pytest.raises(LauncherError, match=r"memory|resource"):
        ground.launcher.launch(spec)
    assert ground.leftovers() == []
    assert ground.run("true").status == 0


def test_the_launcher_loads_nothing_heavy() -> None:
    code = (
        "import sys; sys.path.append(sys.argv[1]); import runtime.process.launcher;"
        "print(*{name.partition('.')[0] for name in sys.modules})"
    )
    command = [sys.executable, "-I", "-S", "-c", code, str(HOME)]
    loaded = set(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())
    assert "runtime" in loaded
    assert loaded & HEAVY == set()


@pytest.mark.root
def test_the_running_launcher_maps_no_heavy_library(ground: Ground) -> None:
    ground.run("true")
    maps = Path(f"/proc/{ground.launcher.pid}/maps").read_text()
    assert "_ctypes" in maps
    heavy = ("_ssl", "numpy", "pandas", "libvirt", "msgspec", "_asyncio", "sqlite")
    assert [name for name in heavy if name in maps] == []


@pytest.mark.root
@pytest.mark.parametrize(
    ("size_bytes", "outcome"),
    [(100_000, "launched"), (140_000, "refused"), (190_000, "refused"), (1 << 20, "refused")],
)
def test_a_request_that_is_too_long_is_refused_and_harms_nobody(ground: Ground, size_bytes: int, outcome: str) -> None:
    with ground.running() as (bystander, pid):
        env = tuple(f"A{number}={'x' * 1000}" for number in range(size_bytes // 1000))
        spec = ground.spec(ground.process("true", env=("PATH=/bin", *env)))
        if outcome == "launched":
            ground.launcher.launch(spec)
            assert ground.launcher.wait(spec.id, 10) == 0
        else:
            with pytest.raises(LauncherError, match=r"^ask the launcher: a request of \d+ bytes is longer than \d+$"):
                ground.launcher.launch(spec)
        ground.launcher.remove(spec.id)
        assert ground.launcher.exit_status(bystander.id) is None
        assert alive(pid)


@pytest.mark.root
@pytest.mark.parametrize(
    "changes", [{"argv": ()}, {"groups": (1 << 40,)}, {"uid": 1 << 70}, {"env": ("A=\udcff\ud800",)}]
)
def test_a_request_that_makes_no_sense_is_refused_and_harms_nobody(ground: Ground, changes: dict[str, Any]) -> None:
    with ground.running() as (bystander, _):
        spec = ground.spec(ground.process("true"))
        for name, value in changes.items():
            object.__setattr__(spec.process, name, value)
        with pytest.raises(LauncherError, match=r"^(?!.*gone)[a-z]"):
            ground.launcher.launch(spec)
        assert ground.launcher.exit_status(bystander.id) is None


@pytest.mark.root
@pytest.mark.parametrize("requests", [1, 3])
def test_a_client_that_goes_before_it_is_answered_is_no_error(
    tmp_path: Path, busybox_layers: tuple[Path, ...], capfd: pytest.CaptureFixture[str], requests: int
) -> None:
    with make_ground(tmp_path / "ground", busybox_layers) as ground:
        for _ in range(requests):
            spec = ground.spec(ground.process("sleep", "1000"))
            messages.send(ground.launcher._channel, messages.Launch(spec))
        ground.launcher.close()
        assert ground.leftovers() == []
    assert capfd.readouterr().err == ""

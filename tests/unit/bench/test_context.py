"""A run's claim on the host: one at a time, named, released by the kernel; and what killed runs leave."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from bench.context import (
    Busy,
    LeftOver,
    Roots,
    RunContext,
    host_lock,
    killed_runs,
    new_run_id,
    refuse_leftovers,
    run_directories,
)
from bench.workload import HostCannot

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HOLD = """
import sys
from pathlib import Path
from bench.context import Roots, host_lock
with host_lock(Roots(Path(sys.argv[1]), Path(sys.argv[2]))):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def roots(tmp_path: Path) -> Roots:
    return Roots(tmp_path / "data", tmp_path / "run")


@pytest.fixture
def holder(roots: Roots) -> Iterator[subprocess.Popen[bytes]]:
    """Another process that holds the host."""
    command = [sys.executable, "-c", HOLD, str(roots.data), str(roots.run)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        yield process
        process.kill()


def test_a_second_holder_is_refused_and_told_who_has_it(roots: Roots, holder: subprocess.Popen[bytes]) -> None:
    who = rf"another run is under way \(pid {holder.pid}, since \d\d:\d\d:\d\d\)"
    with pytest.raises(Busy, match=who), host_lock(roots):
        pytest.fail("held twice")


def test_a_killed_holder_holds_no_more(roots: Roots, holder: subprocess.Popen[bytes]) -> None:
    holder.kill()
    holder.wait()
    with host_lock(roots):
        pass


def test_it_may_be_held_again_after_release(roots: Roots) -> None:
    for _ in range(2):
        with host_lock(roots):
            assert roots.lock.read_text().startswith("pid ")
    assert roots.lock.read_text() == ""


def test_a_place_that_cannot_be_made_is_the_hosts_fault(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    roots = Roots(tmp_path / "file/data", tmp_path)
    with pytest.raises(HostCannot, match="hold the host by") as caught, host_lock(roots):
        pytest.fail("held")
    assert caught.value.hint


def test_a_runs_directories_are_gone_with_it(roots: Roots) -> None:
    context = RunContext("20300101-000000-abcd", roots)
    with run_directories(context):
        assert (context.directory / "run.json").is_file()
        assert context.containers.is_dir()
        assert killed_runs(roots) == (context.run_id,)
        (context.containers / "upper").mkdir()
    assert killed_runs(roots) == ()
    assert not roots.run.exists()
    assert not roots.containers.exists()


def test_the_directories_of_another_run_stay(roots: Roots) -> None:
    (roots.run / "other").mkdir(parents=True)
    with run_directories(RunContext("mine", roots)):
        pass
    assert (roots.run / "other").is_dir()


def test_directories_go_also_when_the_run_fails(roots: Roots) -> None:
    context = RunContext("mine", roots)
    with pytest.raises(ValueError, match="broke"), run_directories(context):
        raise ValueError("broke")
    assert not context.directory.exists()


@pytest.mark.parametrize("place", ["run", "containers"])
def test_what_a_killed_run_left_is_refused_by_name(roots: Roots, place: str) -> None:
    (getattr(roots, place) / "20300101-000000-dead").mkdir(parents=True)
    with pytest.raises(LeftOver, match="20300101-000000-dead"):
        refuse_leftovers(roots)


def test_without_leftovers_nothing_is_refused(roots: Roots) -> None:
    refuse_leftovers(roots)


def test_run_ids_are_unlike_and_sort_by_time() -> None:
    ids = [new_run_id() for _ in range(50)]
    assert len(set(ids)) == 50
    assert [identity[:15] for identity in ids] == sorted(identity[:15] for identity in ids)

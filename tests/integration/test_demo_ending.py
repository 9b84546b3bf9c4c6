"""The end of an engine that belongs to a run, as a kill has left it: pretended by processes, a mount and a group."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bench.cleaning import clean
from bench.context import Roots, RunContext
from bench.demo.ending import container_ids, end_engine, engine_groups, engine_leftovers

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.root]


def freezer() -> Path:
    """A hierarchy in which processes can be put into groups of ours."""
    version_1 = Path("/sys/fs/cgroup/freezer")
    return version_1 if version_1.is_dir() else Path("/sys/fs/cgroup")


@pytest.fixture
def killed(tmp_path: Path) -> Iterator[tuple[RunContext, list[subprocess.Popen[bytes]], subprocess.Popen[bytes]]]:
    """What a killed run leaves; the last process is somebody else's, in a group beside."""
    context = RunContext("20300101-000000-00000000", Roots(tmp_path / "data", tmp_path / "run"))
    one, other = os.urandom(32).hex(), os.urandom(32).hex()
    merged = context.engine / "containers" / one / "merged"
    merged.mkdir(parents=True)
    (context.engine / "containers" / "names").mkdir()
    subprocess.run(("mount", "-t", "tmpfs", "tmpfs", str(merged)), check=True)
    groups = [freezer() / "tare-engine" / name for name in (one, other)]
    for group in groups:
        group.mkdir(parents=True)
    environment = {"TARE_ROOT": str(context.engine)}
    sleeps = [subprocess.Popen(("sleep", "1000"), env=env) for env in ({}, environment)]
    titles = (f"tare-keeper {context.engine}/supervision", f"tare-keeper {context.engine}s/supervision")
    sleeps += [subprocess.Popen((title, "1000"), executable="/usr/bin/sleep", env={}) for title in titles]
    for group, sleep in zip(groups, (sleeps[0], sleeps[3]), strict=True):
        (group / "cgroup.procs").write_text(str(sleep.pid))
    try:
        yield context, sleeps[:3], sleeps[3]
    finally:
        for sleep in sleeps:
            sleep.kill()
            sleep.wait()
        subprocess.run(("umount", "--lazy", str(merged)), check=False, capture_output=True)
        for group in (*groups, groups[0].parent):
            subprocess.run(("rmdir", str(group)), check=False, capture_output=True)


def test_all_of_it_ends_and_nobody_else(
    killed: tuple[RunContext, list[subprocess.Popen[bytes]], subprocess.Popen[bytes]],
) -> None:
    context, ours, other = killed
    assert len(container_ids(context.engine)) == 2
    assert {line.split()[0] for line in engine_leftovers(context.engine)} == {"process", "mount", "cgroup"}
    end_engine(context.engine)
    end_engine(context.engine)
    assert [process.wait(timeout=30) for process in ours] == [-9, -9, -9]
    assert other.poll() is None
    assert engine_leftovers(context.engine) == ()
    assert engine_groups(context.engine) == []


def test_cleaning_finds_it_in_a_killed_runs_directory(
    killed: tuple[RunContext, list[subprocess.Popen[bytes]], subprocess.Popen[bytes]],
) -> None:
    context, ours, _ = killed
    shown = clean(context.roots, dry_run=True)
    assert sum(f"of the engine in {context.engine}" in line for line in shown) == 3
    assert any(line.startswith(f"mount {context.engine}/") for line in shown)
    assert all(process.poll() is None for process in ours)

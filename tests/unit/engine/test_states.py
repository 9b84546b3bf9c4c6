"""How a container is, from what the supervisor has left on disk."""

from __future__ import annotations

import fcntl
import json
import os
from typing import TYPE_CHECKING, Any

import pytest

from runtime.engine.home import Home, new_id
from runtime.engine.states import NEVER, UNKNOWN_EXIT, State, read_state
from runtime.linux.processes import boot_id, start_time_of
from runtime.supervision.life import Exit, Life, Phase, ProcessId
from runtime.supervision.record import Record
from runtime.supervision.terms import Terms
from runtime.values import replace

if TYPE_CHECKING:
    from pathlib import Path

STARTED, FINISHED = "2026-01-01T00:00:00.000000000Z", "2026-01-01T00:00:01.000000000Z"


class Root:
    def __init__(self, path: str) -> None:
        self.home = Home(path)
        self.id = new_id()

    def has(self, **life: Any) -> State:
        """What is made of a record with this life."""
        directory = self.home.supervised(self.id)
        os.makedirs(directory, exist_ok=True)
        record = Record(Terms(self.id, "/bundle"), replace(Life.fresh(stdin=False), **life))
        with open(f"{directory}/record.json", "w") as file:
            json.dump(record.to_json(), file)
        return read_state(self.home, self.id)


@pytest.fixture
def root(tmp_path: Path) -> Root:
    return Root(str(tmp_path))


def ourselves() -> ProcessId:
    return ProcessId(os.getpid(), start_time_of(os.getpid()) or 0)


def test_one_that_was_never_started(root: Root) -> None:
    assert read_state(root.home, root.id) == State("created", started_at=NEVER, finished_at=NEVER)
    assert root.has().status == "created"


def test_one_that_runs(root: Root) -> None:
    state = root.has(phase=Phase.RUNNING, process=ourselves(), started=STARTED)
    assert (state.status, state.pid, state.started_at, state.finished_at) == ("running", os.getpid(), STARTED, NEVER)
    assert state.is_running
    assert state.is_active


@pytest.mark.parametrize("other", [ProcessId(os.getpid(), 1), ProcessId((1 << 22) - 1, 7)])
def test_one_whose_process_is_another_by_now(root: Root, other: ProcessId) -> None:
    """The host, or the supervisor, was killed: nobody has written down how it ended."""
    state = root.has(phase=Phase.RUNNING, process=other, started=STARTED)
    assert (state.status, state.pid, state.exit_code) == ("exited", 0, UNKNOWN_EXIT)


def test_one_of_another_boot(root: Root) -> None:
    assert boot_id()
    assert root.has(phase=Phase.RUNNING, process=ourselves(), started=STARTED, boot="other").status == "exited"


def test_one_that_the_supervisor_is_about_to_notice(root: Root) -> None:
    state = root.has(phase=Phase.RUNNING, process=ProcessId(os.getpid(), 1), started=STARTED)
    assert state.status == "exited"
    with open(f"{root.home.supervision}/lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert read_state(root.home, root.id).status == "running"


def test_one_that_has_ended(root: Root) -> None:
    ended = {"phase": Phase.EXITED, "started": STARTED, "finished": FINISHED}
    state = root.has(**ended, exit=Exit(3, "wait", True))
    assert (state.status, state.exit_code, state.oom_killed, state.finished_at) == ("exited", 3, True, FINISHED)
    assert root.has(**ended, exit=Exit()).exit_code == UNKNOWN_EXIT


def test_one_that_did_not_start_is_as_it_was(root: Root) -> None:
    """As with Docker, whose exit code it has, too."""
    missing = root.has(phase=Phase.EXITED, error='exec: "foo": executable file not found in $PATH')
    assert (missing.status, missing.exit_code) == ("created", 127)
    assert "foo" in missing.error
    assert root.has(phase=Phase.EXITED, error="exec: /etc: permission denied").exit_code == 126


def test_one_that_restarts(root: Root) -> None:
    state = root.has(phase=Phase.RESTARTING, started=STARTED, finished=FINISHED, exit=Exit(1, "wait"), restarts=4)
    assert (state.status, state.exit_code, state.restart_count) == ("restarting", 1, 4)
    assert state.is_active
    assert not state.is_running


def test_a_record_that_is_none(root: Root) -> None:
    os.makedirs(root.home.supervised(root.id))
    with open(f"{root.home.supervised(root.id)}/record.json", "w") as file:
        file.write("{")
    assert read_state(root.home, root.id).status == "created"

"""The deck's demonstrations as a user gives them, and a giving that is killed."""

from __future__ import annotations

import contextlib
import json
import signal
import socket
from typing import TYPE_CHECKING

import pytest

from tests.support.command import (
    DATA,
    bench,
    document,
    finish,
    kill,
    start,
    wait_for_host,
    wait_until,
)
from tests.support.registry import free_port
from tests.support.traces import Traces, assert_nothing_is_left

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

pytestmark = [pytest.mark.root, pytest.mark.slow]


def traces() -> Traces:
    """Of the run that is under way."""
    (engine,) = DATA.glob("runs/*/engine")
    containers = {path.name for path in engine.glob("containers/*") if path.name != "names"}
    ids = {json.loads(path.read_text())["id"] for path in engine.glob("networks/[!.]*.json")}
    assert containers
    assert ids
    return Traces(engine.parent.name, frozenset(containers), frozenset(ids))


def test_all_five_go_as_in_the_deck_and_nothing_is_left() -> None:
    outcome = bench("demo", "--port", str(free_port()), "--json", within_s=280)
    found = document(outcome)
    differing = [(step["command"], step["seen"], step["output"]) for step in found["steps"] if not step["agrees"]]
    assert differing == []
    assert outcome.code == 0, outcome.stderr
    assert {step["demonstration"] for step in found["steps"]} == {1, 2, 3, 4, 5}
    assert found["certificate"]["left"] == []
    assert_nothing_is_left(Traces(found["run_id"]))


def test_a_port_that_is_taken_is_said_before_anything_is_done() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        outcome = bench("demo", "--port", str(taken.getsockname()[1]))
    assert outcome.code == 3
    assert "choose another with --port" in outcome.stderr


def test_a_dry_run_shows_the_commands() -> None:
    outcome = bench("demo", "--dry-run", "--port", "5555")
    assert outcome.code == 0
    assert "$ tare run -d -p 5555:5000 docker-registry" in outcome.stdout


def has_a_container() -> bool:
    """With a root and a place in a network."""
    parts = ("containers/*/merged/usr", "networks/[!.]*.leases/*")
    return all(any(DATA.glob(f"runs/*/engine/{part}")) for part in parts)


@contextlib.contextmanager
def under_way() -> Iterator[tuple[subprocess.Popen[str], Traces]]:
    """A giving that has a container running, and its traces; it has ended afterwards, and all of it is cleaned up."""
    wait_for_host()
    process = start(("demo", "--port", str(free_port())))
    try:
        wait_until(has_a_container, "a container runs", 200)
        yield process, traces()
    finally:
        kill(process)
        if any(DATA.glob("runs/*/engine")):
            bench("clean")


def test_an_interrupted_giving_takes_all_down() -> None:
    with under_way() as (process, found):
        process.send_signal(signal.SIGINT)
        outcome = finish(process)
        assert outcome.code == 130
        assert "interrupted; all is taken down" in outcome.stderr
        assert_nothing_is_left(found)


def test_what_a_killed_giving_has_left_is_cleaned_up() -> None:
    with under_way() as (process, found):
        kill(process)
        refused = bench("demo", "--port", str(free_port()))
        assert (refused.code, refused.errors[1]) == (5, "  try: bench clean")
        assert found.processes()
        assert "of the engine in" in bench("clean", "--dry-run").stdout
        cleaned = bench("clean")
        assert cleaned.code == 0, cleaned.stderr
        assert_nothing_is_left(found)

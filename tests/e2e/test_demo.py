"""The deck's demonstrations as a user gives them, and a giving that is killed."""

from __future__ import annotations

import signal
import socket
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.command import (
    DATA,
    bench,
    document,
    finish,
    host_inventory,
    kill,
    start,
    wait_for_host,
    wait_until,
    wait_until_equal,
)
from tests.support.registry import free_port

if TYPE_CHECKING:
    import subprocess

pytestmark = [pytest.mark.root, pytest.mark.slow]


def test_all_five_go_as_in_the_deck_and_nothing_is_left() -> None:
    wait_for_host()
    before = host_inventory()
    outcome = bench("demo", "--port", str(free_port()), "--json", within_s=280)
    found = document(outcome)
    differing = [(step["command"], step["seen"], step["output"]) for step in found["steps"] if not step["agrees"]]
    assert differing == []
    assert outcome.code == 0
    assert {step["demonstration"] for step in found["steps"]} == {1, 2, 3, 4, 5}
    assert found["certificate"]["left"] == []
    wait_until_equal(before)


def test_a_port_that_is_taken_is_said_before_anything_is_done() -> None:
    wait_for_host()
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


def processes_of_runs() -> list[str]:
    """Whatever belongs to an engine in a run's directory, by its environment, command line or control group."""
    containers = {path.name for path in DATA.glob("runs/*/engine/containers/*") if path.name != "names"}
    marks = [f"{DATA}/runs/".encode(), *(name.encode() for name in containers)]
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            text = b"".join((process / name).read_bytes() for name in ("cmdline", "environ", "cgroup"))
        except OSError:
            continue
        if any(mark in text for mark in marks):
            found.append(process.name)
    return found


def is_alive(pid: str) -> bool:
    """Whether it runs; one that has ended may wait for whoever reaps it."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def under_way() -> subprocess.Popen[str]:
    """A giving that has a container running."""
    wait_for_host()
    process = start(("demo", "--port", str(free_port())))
    try:
        wait_until(lambda: any(DATA.glob("runs/*/engine/containers/*/merged/usr")), "a container runs", 200)
    except BaseException:
        kill(process)
        raise
    return process


def test_an_interrupted_giving_takes_all_down() -> None:
    before = host_inventory()
    process = under_way()
    process.send_signal(signal.SIGINT)
    outcome = finish(process)
    assert outcome.code == 130
    assert "interrupted; all is taken down" in outcome.stderr
    assert processes_of_runs() == []
    wait_until_equal(before)


def test_what_a_killed_giving_has_left_is_cleaned_up() -> None:
    wait_for_host()
    before = host_inventory()
    kill(under_way())
    refused = bench("demo", "--port", str(free_port()))
    assert (refused.code, refused.errors[1]) == (5, "  try: bench clean")
    left = processes_of_runs()
    assert left
    shown = bench("clean", "--dry-run").stdout
    assert "of the engine in" in shown
    cleaned = bench("clean")
    assert cleaned.code == 0, cleaned.stderr
    assert [pid for pid in left if is_alive(pid)] == []
    assert processes_of_runs() == []
    wait_until_equal(before)
    assert bench("clean").stdout == "nothing to remove\n"

"""The deck's demonstrations as a user gives them, and a giving that is killed."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import pytest

from tests.support.command import (
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
    from pathlib import Path

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
    import socket

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

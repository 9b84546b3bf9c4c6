"""The comparison of engines as a user asks for it: tiny."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.support.command import bench, document
from tests.support.traces import Traces, assert_nothing_is_left

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.root, pytest.mark.slow, pytest.mark.engines]

TINY = ("engines", "--rounds", "1", "--size", "2", "--containers", "2", "--seed", "7")


def chosen(option: str, *names: str) -> tuple[str, ...]:
    return tuple(word for name in names for word in (option, name))


def test_engines_take_turns_and_leave_nothing(tmp_path: Path) -> None:
    outcome = bench(*TINY, "--json", "--output", str(tmp_path / "run"), within_s=280)
    events = (tmp_path / "run/events.jsonl").read_text()
    assert outcome.code == 0, (outcome.stderr, events)
    found = document(outcome)
    assert_nothing_is_left(Traces(found["run_id"]))
    assert found["certificate"]["left"] == []
    measured = {(one["engine"], one["operation"]): one for one in found["measured"]}
    whole = ("pull", "push", "load", "build", "rebuild", "run", "first-run", "ps")
    assert set(measured) == {
        *((engine, operation) for engine in ("tare", "docker", "podman") for operation in whole),
        *(("skopeo", operation) for operation in whole[:3]),
    }
    assert all((one["n"], one["failed"]) == (1, 0) and one["median_ms"] > 0 for one in measured.values())
    assert {one["operation"] for one in found["targets"]} == set(whole)
    assert all(one["found"] > 0 for one in found["targets"])
    manifest = json.loads((tmp_path / "run/manifest.json").read_text())
    assert manifest["status"] == "complete"


def test_a_dry_run_shows_the_order_and_does_nothing(tmp_path: Path) -> None:
    arguments = (*chosen("--engine", "docker"), *chosen("--operation", "pull", "ps"), "--output", str(tmp_path / "run"))
    outcome = bench(*TINY, *arguments, "--dry-run")
    assert outcome.code == 0
    assert outcome.stdout.splitlines()[:2] == ["round 1: docker pull", "round 2: docker ps"]
    assert not (tmp_path / "run").exists()

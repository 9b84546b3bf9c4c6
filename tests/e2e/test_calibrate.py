"""The calibration as a user gives it: small, with what is always there and one of the others."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from tests.support.command import bench, document, host_inventory, wait_until_equal

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.root, pytest.mark.slow]

PROGRAMS = ("floor", "tare", "tare-pool", "runc")
SMALL = ("calibrate", "-n", "4", "--rounds", "2", "--parallel", "1", "--parallel", "2", "--seed", "7")


def chosen(*names: str) -> tuple[str, ...]:
    return tuple(word for name in names for word in ("--program", name))


def test_a_small_run_measures_every_treatment_and_leaves_nothing(tmp_path: Path) -> None:
    assert shutil.which("runc", path="/usr/sbin:/usr/bin"), "runc is not installed: ./run pytest does it"
    before = host_inventory()
    outcome = bench(*SMALL, *chosen(*PROGRAMS), "--json", "--output", str(tmp_path / "run"))
    assert (outcome.code, outcome.errors) == (0, [])
    found = document(outcome)
    wait_until_equal(before)
    assert found["status"] == "complete"
    assert found["certificate"]["left"] == []
    treatments = {(one["name"], one["network"], one["parallel"]): one for one in found["treatments"]}
    both = {(name, network, at_once) for name in PROGRAMS[:3] for network in (False, True) for at_once in (1, 2)}
    assert set(treatments) == both | {("runc", False, 1), ("runc", False, 2)}
    for (name, _, parallel), one in treatments.items():
        assert (one["n"], one["failed"]) == (4, 0)
        assert one["per_container_ms"]["median"] > 0
        assert one["teardown_ms"] > 0
        assert (one["memory_bytes"] is None) == (parallel > 1)
        assert one["to_floor"] is None if name == "runc" and parallel > 2 else one["to_floor"] > 0
    assert [(one["name"], one["network"]) for one in found["absent"]] == [("runc", "net")]
    assert (tmp_path / "run/report.html").exists()


def test_a_dry_run_shows_the_order_and_what_is_absent_and_does_nothing(tmp_path: Path) -> None:
    outcome = bench(*SMALL, *chosen("tare", "runc"), "--dry-run", "--output", str(tmp_path / "run"))
    assert outcome.code == 0
    rounds = [line for line in outcome.stdout.splitlines() if line.startswith("round ")]
    assert len(rounds) == 2
    assert all("2 x tare net x2" in line and "2 x runc alone x1" in line for line in rounds)
    assert "not measured: runc (net): " in outcome.stdout
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("-n", "0"), "0 is not in the range"),
        (("-n", "2", "--parallel", "4"), "launch 4 at once: there are only 2"),
        (("--program", "lxc"), "'lxc' is not one of"),
    ],
)
def test_what_makes_no_sense_is_refused(arguments: tuple[str, ...], words: str) -> None:
    outcome = bench("calibrate", *arguments, "--dry-run")
    assert outcome.code == 2
    assert words in outcome.errors[0]

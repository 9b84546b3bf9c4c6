"""Ctrl-C in every phase, kills in every phase, two runs at once: the host is always brought back to what it was."""

from __future__ import annotations

import json
import signal
from typing import TYPE_CHECKING

import pytest

from bench.results import read_manifest
from tests.support.command import (
    ONE_CONTAINER,
    RUNS,
    bench,
    finish,
    host_inventory,
    kill,
    start,
    wait_for_host,
    wait_for_record,
    wait_until,
    wait_until_equal,
)

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

pytestmark = [pytest.mark.root, pytest.mark.slow]

CONTAINERS = ("density", "--containers", "100", "--vms", "0", "--processes", "0")
BOTH = ("density", "--containers", "20", "--vms", "0", "--processes", "20")
MACHINES = ("density", "--containers", "0", "--vms", "2", "--processes", "0")
# What the run writes just before the phase begins.
PHASES = {
    "preparing": ("events.jsonl", '"prepare"'),
    "settling": ("events.jsonl", '"treatment"'),
    "launching": ("samples.csv", ",first_answer,"),
    "removing": ("samples.csv", ",answering,"),
    "taking everything down": ("samples.csv", ",teardown,"),
}


def under_way(options: tuple[str, ...], run_dir: Path, file: str, text: str) -> subprocess.Popen[str]:
    """A run that has come as far as to write ``text``; others' runs are waited for."""
    while True:
        wait_for_host()
        process = start((*options, "--output", str(run_dir)))
        wait_until(lambda at=process: run_dir.exists() or at.poll() is not None, "the run has begun")  # type: ignore[misc]
        if process.poll() is None:
            wait_for_record(process, run_dir / file, text)
            return process
        assert "another run is under way" in finish(process).stderr


def check_interrupted(process: subprocess.Popen[str], run_dir: Path, before: dict[str, set[str]]) -> None:
    outcome = finish(process)
    assert outcome.code == 130, outcome.stderr
    assert outcome.errors == [f"error: interrupted; taken down, results so far are in {run_dir}"]
    wait_until_equal(before)
    manifest = read_manifest(run_dir)
    assert manifest.status == "interrupted"
    assert manifest.reason is not None
    assert manifest.certificate is not None
    assert manifest.certificate.left == ()
    assert manifest.finished_at is not None


@pytest.mark.parametrize("phase", PHASES)
def test_ctrl_c_takes_everything_down(phase: str, tmp_path: Path) -> None:
    wait_for_host()
    before = host_inventory()
    process = under_way(CONTAINERS, tmp_path / "run", *PHASES[phase])
    process.send_signal(signal.SIGINT)
    check_interrupted(process, tmp_path / "run", before)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_the_systems_signals_do_the_same(number: signal.Signals, tmp_path: Path) -> None:
    wait_for_host()
    before = host_inventory()
    process = under_way(CONTAINERS, tmp_path / "run", *PHASES["launching"])
    process.send_signal(number)
    check_interrupted(process, tmp_path / "run", before)


def test_an_impatient_user_does_not_break_the_taking_down(tmp_path: Path) -> None:
    wait_for_host()
    before = host_inventory()
    process = under_way(CONTAINERS, tmp_path / "run", *PHASES["launching"])
    while process.poll() is None:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(0.05)
        except Exception:  # noqa: BLE001, S112 - still going
            continue
    check_interrupted(process, tmp_path / "run", before)


@pytest.mark.vm
def test_ctrl_c_while_machines_boot(tmp_path: Path) -> None:
    wait_for_host()
    before = host_inventory()
    process = under_way(MACHINES, tmp_path / "run", *PHASES["settling"])
    wait_until(lambda: machines(before), "QEMU runs")
    process.send_signal(signal.SIGINT)
    check_interrupted(process, tmp_path / "run", before)


def machines(before: dict[str, set[str]]) -> set[str]:
    new = host_inventory()["processes"] - before["processes"]
    return {line for line in new if f"{RUNS}/" in line and "qemu" in line}


def check_clean_up(before: dict[str, set[str]], tmp_path: Path) -> None:
    """After a kill: refused, shown, cleaned, and well again."""
    refused = bench(*ONE_CONTAINER, "--output", str(tmp_path / "refused"))
    assert refused.code == 5
    assert "a killed run left something behind" in refused.errors[0]
    assert refused.errors[1] == "  try: bench clean"
    assert not (tmp_path / "refused").exists()
    shown = bench("clean", "--dry-run")
    assert shown.code == 0
    assert "would remove run directory" in shown.stdout
    assert bench(*ONE_CONTAINER, "--output", str(tmp_path / "refused")).code == 5
    cleaned = bench("clean")
    assert cleaned.code == 0, cleaned.stderr
    assert "removed run directory" in cleaned.stdout
    wait_until_equal(before)
    again = bench(*ONE_CONTAINER, "--output", str(tmp_path / "again"), "--json")
    assert again.code == 0, again.stderr
    assert json.loads(again.stdout)["certificate"]["clean"] is True


def test_a_killed_run_with_containers_is_cleaned_up(tmp_path: Path) -> None:
    wait_for_host()
    before = host_inventory()
    process = under_way(BOTH, tmp_path / "run", *PHASES["launching"])
    kill(process)
    assert read_manifest(tmp_path / "run").status == "running"
    check_clean_up(before, tmp_path)


@pytest.mark.vm
def test_a_killed_run_with_machines_is_cleaned_up(tmp_path: Path) -> None:
    wait_for_host()
    before = host_inventory()
    process = under_way(MACHINES, tmp_path / "run", *PHASES["settling"])
    wait_until(lambda: machines(before), "QEMU runs")
    kill(process)
    assert machines(before)
    check_clean_up(before, tmp_path)


def test_a_second_run_is_refused_and_the_first_goes_on(tmp_path: Path) -> None:
    process = under_way(CONTAINERS, tmp_path / "first", *PHASES["settling"])
    second = finish(start((*BOTH, "--output", str(tmp_path / "second"))))
    cleaning = finish(start(("clean",)))
    for refused in (second, cleaning):
        assert refused.code == 5
        assert f"pid {process.pid}" in refused.errors[0]
        assert len(refused.errors) == 2
    assert not (tmp_path / "second").exists()
    first = finish(process)
    assert first.code == 0, first.stderr
    manifest = read_manifest(tmp_path / "first")
    assert manifest.status == "complete"
    assert manifest.certificate is not None
    assert manifest.certificate.clean


def test_clean_with_nothing_to_do_says_so() -> None:
    wait_for_host()
    outcome = bench("clean")
    assert outcome.code == 0
    assert outcome.stdout == "nothing to remove\n"

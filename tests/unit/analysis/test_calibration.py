"""What is said of a calibration whose truth is known."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

from bench.analysis.calibration import calibrate_summary, calibration_document
from bench.cli.calibrate import row
from bench.loading import load_run
from reports.page import write_report
from tests.support.calibrated import KIB, TRUTHS, write_calibration

if TYPE_CHECKING:
    from pathlib import Path

    from bench.analysis.calibration import CalibrationSummary


@pytest.fixture(scope="module")
def summary(tmp_path_factory: pytest.TempPathFactory) -> CalibrationSummary:
    return calibrate_summary(load_run(write_calibration(tmp_path_factory.mktemp("calibration") / "run")))


def test_times_memory_and_teardown_are_the_true_ones(summary: CalibrationSummary) -> None:
    for one in summary.treatments:
        each, memory, teardown = TRUTHS[one.key]
        median, mean, gone = one.each.median(), one.mean.median(), one.teardown.median()
        assert median is not None
        assert mean is not None
        assert gone is not None
        assert (one.each.n, one.each.censored) == (200, 0)
        assert median.value == pytest.approx(each, rel=0.03)
        assert mean.value == pytest.approx(each / one.key.parallel, rel=0.03)
        assert gone.value == pytest.approx(teardown)
        if one.key.parallel == 1:
            assert one.memory is not None
            assert one.memory.value == pytest.approx(memory * KIB, rel=0.1)
        else:
            assert one.memory is None
            assert one.missing_memory


def test_ratios_are_to_the_like_of_the_floor_and_to_runc_without_a_network(summary: CalibrationSummary) -> None:
    ours, pool, runc = (summary.named(name, network=name != "runc") for name in ("tare", "tare-pool", "runc"))
    assert ours is not None
    assert ours.to_floor is not None
    assert ours.to_floor.value == pytest.approx(1.25, rel=0.05)
    assert ours.to_runc is not None
    assert ours.to_runc.value == pytest.approx(0.05, rel=0.05)
    assert pool is not None
    assert pool.to_floor is not None
    assert pool.to_floor.value == pytest.approx(0.5, rel=0.05)
    assert runc is not None
    assert runc.to_floor is None  # the floor was not measured without a network
    two = summary.named("tare", network=True, parallel=2)
    assert two is not None
    assert two.to_floor is two.to_runc is None


def test_the_document_is_json_with_the_promised_fields(summary: CalibrationSummary) -> None:
    document = json.loads(json.dumps(calibration_document(summary)))
    fields = {"name", "n", "network", "parallel", "per_container_ms", "teardown_ms", "memory_bytes"}
    for one in document["treatments"]:
        assert fields <= set(one)
        assert {"median", "p99"} <= set(one["per_container_ms"])
    assert {one["name"] for one in document["treatments"]} == {key.name for key in TRUTHS}
    assert document["absent"][0] == {"name": "docker", "network": "all", "reason": "dockerd is not installed"}
    assert next(one for one in document["treatments"] if one["parallel"] == 2)["memory_bytes"] is None


def test_failed_launches_are_counted_and_never_fast(tmp_path: Path) -> None:
    summary = calibrate_summary(load_run(write_calibration(tmp_path / "run", failed=10)))
    runc = summary.named("runc", network=False)
    assert runc is not None
    assert (runc.each.n, runc.each.censored) == (200, 40)
    assert runc.each.quantile(0.99) is None
    assert "-" in row(runc)
    none = calibrate_summary(load_run(write_calibration(tmp_path / "none", failed=50)))
    all_failed = none.named("runc", network=False)
    assert all_failed is not None
    document = calibration_document(summary)
    assert next(one for one in document["treatments"] if one["name"] == "runc")["failed"] == 40
    assert all_failed.each.median() is None


def test_the_page_holds_the_figures_and_what_is_absent(tmp_path: Path) -> None:
    page = write_report(write_calibration(tmp_path / "run", failed=1)).read_text()
    for part in ("launch-1", "launch-2", "memory-each"):
        assert f'data-for="{part}"' in page
    assert "dockerd is not installed" in page
    assert re.search(r"1\.2\d\stimes the floor", page)
    assert "4 of 200 failed" in page
    assert "The host is as it was" in page


def test_a_run_that_was_broken_off_at_once_has_a_page_all_the_same(tmp_path: Path) -> None:
    run_dir = write_calibration(tmp_path / "run")
    (run_dir / "samples.csv").write_text((run_dir / "samples.csv").read_text().splitlines()[0] + "\n")
    page = write_report(run_dir).read_text()
    assert "No container of ours was launched" in page
    assert "Nothing was launched one by one." in page

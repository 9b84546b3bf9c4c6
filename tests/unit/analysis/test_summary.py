"""The whole analysis on runs whose truth is known."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import pytest

from bench.analysis.document import summary_document
from bench.analysis.headline import headline_text
from bench.analysis.summary import Summary, summarise
from bench.loading import load_run
from tests.support.synthetic import MIB, TRUTHS, Scenario, write_run

if TYPE_CHECKING:
    from pathlib import Path

    from bench.analysis.estimate import Estimate
    from bench.analysis.treatments import Treatment

ODD_RUNS = {
    "nothing": Scenario(counts={}),
    "no VMs": Scenario(counts={"container": 30, "vm": 0}),
    "no containers": Scenario(counts={"vm": 10}),
    "one of each": Scenario(counts={"container": 1, "vm": 1}),
    "control only": Scenario(counts={"process": 5}),
    "a stranger": Scenario(counts={"gvisor": 5}, truths={**TRUTHS, "gvisor": TRUTHS["container"]}),
    "none answered": Scenario(counts={"container": 20, "vm": 5}, timeouts={"container": 20, "vm": 5}),
    "interrupted": Scenario(counts={"container": 20}, status="interrupted", reason="interrupted by the user"),
    "killed": Scenario(counts={"container": 20}, status="running"),
    "nested": Scenario(counts={"vm": 5}, accelerator="kvm"),
}


def analysed(tmp_path: Path, scenario: Scenario) -> Summary:
    return summarise(load_run(write_run(tmp_path / "run", scenario)))


def treatment(summary: Summary, driver: str) -> Treatment:
    found = summary.treatment(driver)
    assert found is not None
    return found


def holds(estimate: Estimate | None, truth: float) -> bool:
    assert estimate is not None
    assert estimate.low is not None
    assert estimate.high is not None
    return estimate.low <= truth <= estimate.high


@pytest.fixture(scope="module")
def main_run(tmp_path_factory: pytest.TempPathFactory) -> Summary:
    return analysed(tmp_path_factory.mktemp("main"), Scenario())


def test_slopes_find_the_truth(main_run: Summary) -> None:
    for driver in ("container", "vm", "process"):
        assert holds(treatment(main_run, driver).memory.estimate, TRUTHS[driver].marginal)


def test_the_box_is_what_the_control_does_not_take(main_run: Summary) -> None:
    assert holds(main_run.box, TRUTHS["container"].marginal - TRUTHS["process"].marginal)


def test_the_lower_half_foretells_the_rest(main_run: Summary) -> None:
    checked = treatment(main_run, "container").memory.held_out
    assert checked is not None
    assert checked.largest_error < 0.05


def test_definitions_stand_side_by_side(main_run: Summary) -> None:
    found = {one.metric: one.estimate for one in treatment(main_run, "vm").definitions}
    assert holds(found["pss"], TRUTHS["vm"].memory["pss"])
    assert found["configured"] is not None
    assert found["configured"].value == 128 * MIB


def test_what_a_container_cannot_have_is_absent_with_a_reason(main_run: Summary) -> None:
    guest = next(one for one in treatment(main_run, "container").definitions if one.metric == "guest_used")
    assert guest.estimate is None
    assert guest.missing


def test_ratios_by_definition(main_run: Summary) -> None:
    assert holds(main_run.ratios["host_available"], TRUTHS["vm"].marginal / TRUTHS["container"].marginal)
    assert main_run.ratios["guest_used"] is None
    assert main_run.ratio_curve[0].ratio == main_run.ratios["host_available"]


def test_the_binding_limit_is_the_scarcest(main_run: Summary) -> None:
    container, vm = main_run.density("container"), main_run.density("vm")
    assert container is not None
    assert container.binding is not None
    assert vm is not None
    assert vm.binding is not None
    assert (container.binding.resource, container.binding.holds) == ("bridge ports", 4 * 1023)
    assert (vm.binding.resource, vm.binding.measured) == ("memory", True)
    expected = (Scenario().available - 200 * MIB) / TRUTHS["vm"].marginal
    assert vm.binding.low is not None
    assert vm.binding.high is not None
    assert vm.binding.low < expected < vm.binding.high


def test_several_blocks_make_the_block_the_unit(tmp_path: Path) -> None:
    summary = analysed(tmp_path, Scenario(blocks=3, counts={"container": 40, "process": 40}))
    container = treatment(summary, "container")
    assert container.requested == 120
    assert container.memory.estimate is not None
    assert (container.memory.estimate.of, container.memory.estimate.n) == ("blocks", 3)
    assert summary.box is not None
    assert (summary.box.of, summary.box.n) == ("blocks", 3)
    assert container.fleet_answer.n == 3


def test_failures_are_counted_and_never_dropped(tmp_path: Path) -> None:
    found = treatment(analysed(tmp_path, Scenario(counts={"container": 100}, timeouts={"container": 7})), "container")
    assert (found.requested, found.answered, found.failed, found.never_tried) == (100, 93, 7, 0)
    assert (found.first_answer.n, found.first_answer.censored) == (100, 7)
    assert found.first_answer.quantile(0.99) is None


def test_the_same_run_gives_the_same_document(tmp_path: Path) -> None:
    run_dir = write_run(tmp_path / "run", Scenario(counts={"container": 30, "vm": 10}))
    first, again = (summary_document(summarise(load_run(run_dir))) for _ in range(2))
    assert first == again


@pytest.mark.parametrize("name", ODD_RUNS)
def test_any_run_is_summarised_without_a_false_number(tmp_path: Path, name: str) -> None:
    summary = analysed(tmp_path, ODD_RUNS[name])
    document = summary_document(summary)
    json.dumps(document, allow_nan=False)
    lines = headline_text(summary).splitlines()
    assert 2 <= len(lines) <= 6
    assert all(line.endswith(".") for line in lines)
    assert "nan" not in headline_text(summary).split()
    assert len(document["claims"]) == 6


def test_the_document_has_what_programs_rely_on(main_run: Summary) -> None:
    document = summary_document(main_run)
    assert {"schema_version", "run_dir", "report", "elapsed_s", "accelerator", "treatments"} <= set(document)
    assert document["accelerator"]["name"] == "tcg"
    assert document["certificate"]["clean"] is True
    first = document["treatments"][0]
    assert (first["driver"], first["requested"], first["answered"], first["failed"]) == ("container", 200, 200, 0)
    assert {"n", "median", "median_low", "median_high", "p95", "min", "max"} <= set(first["launch_ms"])
    assert {"estimate", "low", "high", "n", "unit_of_analysis"} <= set(first["marginal_memory_bytes"])


def test_what_does_not_exist_is_null(tmp_path: Path) -> None:
    document = summary_document(analysed(tmp_path, ODD_RUNS["one of each"]))
    container: dict[str, Any] = document["treatments"][0]
    assert container["launch_ms"]["median_low"] is None
    assert container["marginal_memory_bytes"]["low"] is None
    assert container["marginal_memory_bytes"]["held_out"] is None
    assert not math.isclose(container["launch_ms"]["median"], 0)
    assert document["report"] is None

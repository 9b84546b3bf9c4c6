"""Verdicts: what the interval says of the threshold, and what emulation may not decide."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from bench.analysis.estimate import Estimate
from bench.analysis.evidence import Evidence, gather
from bench.analysis.registry import Claim, registry
from bench.analysis.summary import summarise
from bench.analysis.verdicts import Judgement, Verdict, judge
from bench.loading import load_run
from tests.support.synthetic import MIB, TRUTHS, Scenario, write_run

if TYPE_CHECKING:
    from pathlib import Path

FLOOR = Claim("X1", "it is much", "vm_memory", "at least", 100.0, "it is less")
CEILING = replace(FLOOR, sense="at most")


def evidence(low: float | None, high: float | None, **changes: object) -> Evidence:
    return replace(Evidence("it", Estimate(100.0, low, high, 9, "instances", "steps")), **changes)  # type: ignore[arg-type]


def verdicts(run_dir: Path, scenario: Scenario) -> dict[str, Judgement]:
    return {one.claim.id: one for one in summarise(load_run(write_run(run_dir, scenario))).claims}


@pytest.mark.parametrize(
    ("claim", "low", "high", "expected"),
    [
        (FLOOR, 101.0, 120.0, Verdict.SUPPORTED),
        (FLOOR, 80.0, 99.0, Verdict.REFUTED),
        (FLOOR, 99.0, 101.0, Verdict.INCONCLUSIVE),
        (FLOOR, 101.0, None, Verdict.SUPPORTED),
        (FLOOR, 99.0, None, Verdict.INCONCLUSIVE),
        (FLOOR, None, None, Verdict.INCONCLUSIVE),
        (CEILING, 80.0, 99.0, Verdict.SUPPORTED),
        (CEILING, 101.0, 120.0, Verdict.REFUTED),
        (CEILING, 101.0, None, Verdict.REFUTED),
        (CEILING, 99.0, 101.0, Verdict.INCONCLUSIVE),
    ],
)
def test_the_whole_interval_decides(claim: Claim, low: float | None, high: float | None, expected: Verdict) -> None:
    judgement = judge(claim, evidence(low, high))
    assert judgement.verdict is expected
    assert judgement.reason.endswith(".")
    assert judgement.flips_when == "It is less."


def test_without_a_number_nothing_is_testable() -> None:
    judgement = judge(FLOOR, Evidence("it", None, "this run had none"))
    assert (judgement.verdict, judgement.reason) == (Verdict.NOT_TESTABLE, "This run had none.")


def test_where_too_few_came_to_an_end_nothing_is_decided() -> None:
    assert judge(FLOOR, Evidence("it", None, "5 of 9 failed", tried=True)).verdict is Verdict.INCONCLUSIVE


def test_what_cannot_be_timed_here_keeps_its_number() -> None:
    judgement = judge(FLOOR, evidence(150.0, 160.0, untestable="it ran in slow motion"))
    assert judgement.verdict is Verdict.NOT_TESTABLE
    assert judgement.estimate is not None
    assert "slow motion" in judgement.reason


def test_a_verdict_that_hangs_on_emulation_is_none() -> None:
    less = Estimate(40.0, 30.0, 50.0, 9, "instances", "steps")
    assert judge(FLOOR, evidence(101.0, 120.0, least=less)).verdict is Verdict.INCONCLUSIVE
    assert judge(FLOOR, evidence(80.0, 99.0, least=less)).verdict is Verdict.REFUTED


def test_every_claim_names_a_quantity_that_is_measured(tmp_path: Path) -> None:
    assert {claim.id for claim in registry().claims} == {"V2", "V3", "V4", "C2", "C3", "C4"}
    found = verdicts(tmp_path / "run", Scenario(counts={}))
    assert {one.verdict for one in found.values()} == {Verdict.NOT_TESTABLE}


def test_an_unknown_quantity_is_a_mistake_of_the_registry(tmp_path: Path) -> None:
    run = load_run(write_run(tmp_path / "run", Scenario(counts={})))
    assert summarise(run).claims
    with pytest.raises(KeyError):
        gather("weight", None, 1.0)  # type: ignore[arg-type]


def test_emulated_times_are_not_testable_and_shown(tmp_path: Path) -> None:
    found = verdicts(tmp_path / "run", Scenario())["V4"]
    assert found.verdict is Verdict.NOT_TESTABLE
    assert found.estimate is not None
    assert found.estimate.value == pytest.approx(TRUTHS["vm"].first_answer, rel=0.2)
    assert "TCG" in found.reason


def test_hardware_times_are_judged(tmp_path: Path) -> None:
    assert verdicts(tmp_path / "run", Scenario(accelerator="kvm"))["V4"].verdict is Verdict.SUPPORTED


def test_emulated_memory_says_what_is_in_it(tmp_path: Path) -> None:
    found = verdicts(tmp_path / "run", Scenario())
    assert found["V3"].verdict is Verdict.SUPPORTED
    assert "translation cache" in found["V2"].reason
    assert "64 MiB" in found["V3"].reason


def test_a_lean_vm_refutes_the_claim_with_or_without_emulation(tmp_path: Path) -> None:
    lean = {**TRUTHS, "vm": replace(TRUTHS["vm"], marginal=40 * MIB)}
    for accelerator in ("tcg", "kvm"):
        found = verdicts(tmp_path / accelerator, Scenario(accelerator=accelerator, truths=lean))
        assert found["V2"].verdict is Verdict.REFUTED


def test_containers_that_fail_are_not_fast(tmp_path: Path) -> None:
    found = verdicts(tmp_path / "run", Scenario(counts={"container": 200}, timeouts={"container": 30}))["C4"]
    assert found.verdict is Verdict.INCONCLUSIVE
    assert "30 of 200 never answered" in found.reason


def test_few_containers_are_judged_by_their_median(tmp_path: Path) -> None:
    found = verdicts(tmp_path / "run", Scenario(counts={"container": 20}))["C4"]
    assert found.verdict is Verdict.SUPPORTED
    assert "median" in found.reason


def test_the_ratio_says_at_which_size_it_turns(tmp_path: Path) -> None:
    # (96.5 + x) / (0.82 + x) = 10 where x = (96.5 - 8.2) / 9 = 9.81
    flips_when = verdicts(tmp_path / "run", Scenario(accelerator="kvm"))["V3"].flips_when
    found = re.search(r"below 10 times once it needs ([\d.]+) MiB more", flips_when)
    assert found is not None
    assert float(found[1]) == pytest.approx(9.81, rel=0.02)

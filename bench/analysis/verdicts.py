"""The verdict on each claim: supported, refuted, inconclusive or not testable here, and why."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from bench.analysis.evidence import gather
from bench.analysis.registry import registry
from bench.analysis.wording import amount, costs, sentence, size, spoken

if TYPE_CHECKING:
    from bench.analysis.estimate import Estimate
    from bench.analysis.evidence import Evidence, Findings
    from bench.analysis.registry import Claim


class Verdict(StrEnum):
    """What the interval says of the threshold; *inconclusive* when it lies on both sides or does not exist."""

    SUPPORTED = "supported"
    REFUTED = "refuted"
    INCONCLUSIVE = "inconclusive"
    NOT_TESTABLE = "not testable here"


@dataclass(frozen=True, slots=True)
class Judgement:
    """A claim with its verdict, the figure behind it, the reason, and what would turn the verdict."""

    claim: Claim
    verdict: Verdict
    estimate: Estimate | None
    reason: str
    flips_when: str


def judge_all(findings: Findings) -> tuple[Judgement, ...]:
    """Every claim of the registry, in its order."""
    return tuple(judge(claim, gather(claim.quantity, findings, claim.threshold)) for claim in registry().claims)


def judge(claim: Claim, evidence: Evidence) -> Judgement:
    """Hold the evidence against the claim's threshold."""
    verdict = _verdict(claim, evidence)
    flips_when = sentence(claim.flips_when) + (f" {sentence(evidence.flip)}" if evidence.flip else "")
    return Judgement(claim, verdict, evidence.estimate, sentence(_reason(claim, evidence)), flips_when)


def _verdict(claim: Claim, evidence: Evidence) -> Verdict:
    if evidence.untestable or (evidence.estimate is None and not evidence.tried):
        return Verdict.NOT_TESTABLE
    if evidence.estimate is None:
        return Verdict.INCONCLUSIVE
    verdict = compare(claim, evidence.estimate)
    if evidence.least is not None and compare(claim, evidence.least) is not verdict:
        return Verdict.INCONCLUSIVE
    return verdict


def compare(claim: Claim, estimate: Estimate) -> Verdict:
    """Where the whole interval lies: on the claimed side, on the other side, or on both."""
    above = estimate.low is not None and estimate.low >= claim.threshold
    below = estimate.high is not None and estimate.high <= claim.threshold
    claimed, contrary = (above, below) if claim.sense == "at least" else (below, above)
    if claimed:
        return Verdict.SUPPORTED
    return Verdict.REFUTED if contrary else Verdict.INCONCLUSIVE


def bar(claim: Claim, unit: str) -> str:
    """What the claim demands, in words: ``at most 10 MiB``."""
    return f"{claim.sense} {spoken(claim.threshold, unit)}"


def _reason(claim: Claim, evidence: Evidence) -> str:
    estimate = evidence.estimate
    if estimate is None:
        return evidence.missing
    subject = f"{evidence.subject} was {costs(estimate)}, {size(estimate)}"
    if evidence.untestable:
        return f"{subject}, but {evidence.untestable}: that decides nothing about time"
    return f"{subject}; {_position(claim, estimate)}{_emulation(claim, evidence)}"


def _position(claim: Claim, estimate: Estimate) -> str:
    if estimate.low is None and estimate.high is None:
        return f"without an interval it cannot be held against “{bar(claim, estimate.unit)}”"
    part = {
        Verdict.SUPPORTED: "the whole interval meets",
        Verdict.REFUTED: "no part of the interval meets",
    }.get(compare(claim, estimate), "only part of the interval meets")
    return f"{part} “{bar(claim, estimate.unit)}”"


def _emulation(claim: Claim, evidence: Evidence) -> str:
    if evidence.least is None or evidence.estimate is None:
        return ""
    text = ". A VM's memory here includes the emulator's translation cache"
    verdict = compare(claim, evidence.estimate)
    if verdict is Verdict.INCONCLUSIVE:
        return text
    aside, least = spoken(registry().emulated_memory_bytes, "bytes"), amount(evidence.least.value, evidence.least.unit)
    stands = compare(claim, evidence.least) is verdict
    said = "the verdict stands" if stands else "the verdict would be another, so nothing is decided"
    return f"{text}: with {aside} a VM set aside for it, {least} are left and {said}"

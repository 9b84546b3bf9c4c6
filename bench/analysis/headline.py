"""The answer in a few plain lines: numbers with their intervals first, where they hold second."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from bench.analysis.treatments import CONTAINER, CONTROL, VM
from bench.analysis.verdicts import Verdict
from bench.analysis.wording import amount, costs, interval, listed, measured, named

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.analysis.density import Density
    from bench.analysis.summary import Summary
    from bench.analysis.treatments import Treatment

_SHOWN = (CONTAINER, VM)


def headline_lines(summary: Summary) -> tuple[str, ...]:
    """Three to six sentences; each says what is missing rather than leaving it out."""
    parts: tuple[Callable[[Summary], str], ...] = (answered, first_answers, memory, densities, claims, certificate)
    lines = (part(summary) for part in parts)
    return tuple(line for line in lines if line)


def headline_text(summary: Summary) -> str:
    """The lines as one text for the terminal."""
    return "\n".join(headline_lines(summary))


def answered(summary: Summary) -> str:
    """How many of how many answered."""
    if not summary.treatments:
        return "Nothing was launched: the plan asks for no instances."
    counts = [_answered(summary, treatment) for treatment in summary.treatments if treatment.driver != CONTROL]
    if not counts:
        counts = [_answered(summary, treatment) for treatment in summary.treatments]
    return f"{listed(counts)} answered{_never_tried(summary)}{_ended(summary)}."


def _answered(summary: Summary, treatment: Treatment) -> str:
    what = described(summary, treatment.driver, treatment.requested)
    return f"{treatment.answered:,} of {treatment.requested:,} {what}"


def _never_tried(summary: Summary) -> str:
    left = [treatment for treatment in summary.treatments if treatment.never_tried]
    parts = [f"{one.never_tried:,} {described(summary, one.driver, one.never_tried)}" for one in left]
    return f"; {listed(parts)} never asked for" if parts else ""


def _ended(summary: Summary) -> str:
    status, reason = summary.manifest.status, summary.manifest.reason
    if status == "complete":
        return ""
    if status == "running":
        return "; the run has not ended, or was killed"
    if reason and status in reason:
        return f"; the run was {reason}"
    return f"; the run is {status}" + (f": {reason}" if reason else "")


def described(summary: Summary, driver: str, count: float) -> str:
    """The instances in words; VMs always with how they were run."""
    how = summary.virtualisation
    return f"{how.adjective if driver == VM and how else ''}{named(driver, count)}"


def first_answers(summary: Summary) -> str:
    """The median time to the first answer of each."""
    parts = [_first_answer(summary, treatment) for treatment in _treatments(summary)]
    return f"Median time to the first answer, 95 % interval: {'; '.join(parts)}." if parts else ""


def _first_answer(summary: Summary, treatment: Treatment) -> str:
    label, times = described(summary, treatment.driver, 1), treatment.first_answer
    median = times.median()
    if median:
        return f"{label} {measured(median)}, n = {median.n}"
    return f"{label} unknown, {unanswered(treatment)}"


def unanswered(treatment: Treatment) -> str:
    """Why there is no median of the first answers."""
    times = treatment.first_answer
    return f"{times.censored} of {times.n} never answered" if times.n else "none recorded"


def memory(summary: Summary) -> str:
    """What one more of each takes of the host, how the two compare, and what the box alone takes."""
    parts = []
    for treatment in _treatments(summary):
        estimate = treatment.memory.estimate
        label = f"one more {described(summary, treatment.driver, 1)}"
        parts.append(f"{label} {costs(estimate)}" if estimate else f"{label} unknown, as {treatment.memory.missing}")
    if not parts:
        return ""
    return f"Host memory: {'; '.join(parts)}{_compared(summary)}{_box(summary)}."


def _compared(summary: Summary) -> str:
    ratio = summary.ratios.get("host_available")
    return f"; {amount(ratio.value, 'times')} as much {interval(ratio)}" if ratio and ratio.bounded else ""


def _box(summary: Summary) -> str:
    if summary.box is None:
        return ""
    return f". Of a container's, {costs(summary.box)} is the box itself, beyond a bare process"


def densities(summary: Summary) -> str:
    """What the host would hold of each, and what stops the next one."""
    shown = [density for density in summary.densities if density.driver in _SHOWN and density.binding]
    return f"This host would hold {listed([_held(summary, density) for density in shown])}." if shown else ""


def _held(summary: Summary, density: Density) -> str:
    binding = density.binding
    if binding is None:
        return f"an unknown number of {named(density.driver, 2)}"
    count = holds(binding.holds, binding.low, binding.high)
    foretold = "" if binding.measured or binding.resource != "memory" else ", as the preflight reckons"
    return f"{count} {described(summary, density.driver, 2)} (the limit is {binding.resource}{foretold})"


def holds(value: float, low: float | None, high: float | None) -> str:
    """A number of instances, or the range within which it lies."""
    if low is None or high is None:
        return f"about {_floor(value)}"
    bounds = _floor(low), _floor(high)
    return bounds[0] if bounds[0] == bounds[1] else f"{bounds[0]} to {bounds[1]}"


def _floor(value: float) -> str:
    return f"{math.floor(value):,}" if math.isfinite(value) else "unlimited"


def claims(summary: Summary) -> str:
    """The verdicts, one list for each kind."""
    kinds = ((verdict, [one.claim.id for one in summary.claims if one.verdict is verdict]) for verdict in Verdict)
    parts = [f"{listed(ids)} {verdict}" for verdict, ids in kinds if ids]
    return f"Claims: {'; '.join(parts)}." if parts else ""


def certificate(summary: Summary) -> str:
    """Whether the host is as it was."""
    facts = summary.manifest.certificate
    if facts is None:
        return "Teardown certificate: none was written, the run did not get that far."
    if facts.clean:
        return "Teardown certificate: clean, nothing of the run is left on the host."
    return f"Teardown certificate: NOT clean, {len(facts.left)} left: {', '.join(facts.left[:5])}."


def _treatments(summary: Summary) -> list[Treatment]:
    return [treatment for treatment in summary.treatments if treatment.driver in _SHOWN]

"""Sentences and cells that several parts of the report share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.analysis.treatments import CONTROL, VM
from bench.analysis.wording import amount, cost, interval, listed, named, sentence, size

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bench.analysis.calibration import CalibrationSummary
    from bench.analysis.estimate import Estimate
    from bench.analysis.summary import Summary

    AnySummary = Summary | CalibrationSummary

NONE = "—"


def label(summary: AnySummary, driver: str) -> str:
    """The treatment's name beside a figure; VMs always with how they were run."""
    name = named(driver, 2)
    name = name[:1].upper() + name[1:]
    if driver == VM and summary.virtualisation:
        return f"{name}, {summary.virtualisation.label}"
    return f"{name} (no box)" if driver == CONTROL else name


def cell(estimate: Estimate | None, missing: str = "") -> str:
    """Value and interval; a dash and the reason where there is none."""
    if estimate is None:
        return f"{NONE} {missing}".rstrip()
    value = amount(estimate.value, estimate.unit)
    if estimate.low is None and estimate.high is None:
        return f"{value} (no interval, {size(estimate)})"
    return f"{value} {interval(estimate)}"


def value_cell(estimate: Estimate | None) -> str:
    """The value alone, or what it is at most."""
    return cost(estimate) if estimate else NONE


def how(summary: Summary, driver: str) -> str:
    """What is to be said before the treatment's name in a sentence: ``emulated (TCG) `` before VMs, or nothing."""
    return summary.virtualisation.adjective if driver == VM and summary.virtualisation else ""


def grouped(notes: Iterable[tuple[str, str]]) -> tuple[str, ...]:
    """(driver, note) as sentences, drivers with the same note named together."""
    drivers: dict[str, list[str]] = {}
    for driver, note in notes:
        drivers.setdefault(note, []).append(named(driver, 2))
    return tuple(sentence(f"{listed(names)}: {note}") for note, names in drivers.items())


def share(value: float) -> str:
    """A share in percent, with one decimal below ten."""
    percent = value * 100
    return f"{percent:.1f} %" if abs(percent) < 10 else f"{percent:.0f} %"

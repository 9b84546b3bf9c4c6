"""Sentences and cells that several parts of the report share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.analysis.treatments import CONTROL, VM
from bench.analysis.wording import amount, interval, named

if TYPE_CHECKING:
    from bench.analysis.estimate import Estimate
    from bench.analysis.summary import Summary

NONE = "—"


def label(summary: Summary, driver: str) -> str:
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
    return f"{value} {interval(estimate)}" if estimate.bounded else f"{value} (no interval: {reason(estimate)})"


def value_cell(estimate: Estimate | None) -> str:
    """The value alone."""
    return amount(estimate.value, estimate.unit) if estimate else NONE


def interval_cell(estimate: Estimate | None) -> str:
    """The interval alone, or why there is none."""
    if estimate is None:
        return NONE
    return interval(estimate) if estimate.low is not None or estimate.high is not None else reason(estimate)


def reason(estimate: Estimate) -> str:
    """Why an estimate has no interval."""
    return estimate.note or f"n = {estimate.n}"


def share(value: float) -> str:
    """A share in percent, with one decimal below ten."""
    percent = value * 100
    return f"{percent:.1f} %" if abs(percent) < 10 else f"{percent:.0f} %"

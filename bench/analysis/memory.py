"""What one more instance takes of the host's memory, by several definitions.

The first definition is the slope of what is missing from the host's available memory over the number of instances:
it sees kernel memory and shared pages that no sum over processes sees. The others are what is usually published.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.analysis.line import fit_line, held_out, robust_slope
from bench.analysis.slopes import combine, difference, mean_slope
from bench.analysis.tables import observed, readings

if TYPE_CHECKING:
    import pandas as pd

    from bench.analysis.estimate import Estimate, Slope
    from bench.analysis.line import HeldOut, Line, Point


@dataclass(frozen=True, slots=True)
class BlockFit:
    """Memory taken (bytes) against instances running, in one block, and the line through it.

    ``robust`` is the Theil-Sen slope: where it is far from the line's, a few readings have decided the line.
    """

    block: int
    points: tuple[Point, ...]
    line: Line | None
    robust: float | None


@dataclass(frozen=True, slots=True)
class MarginalMemory:
    """The slope over all blocks; where there is none, ``missing`` says why."""

    slope: Slope | None
    fits: tuple[BlockFit, ...]
    held_out: HeldOut | None
    available_bytes: float | None
    missing: str = ""

    @property
    def estimate(self) -> Estimate | None:
        """The slope's value and interval."""
        return self.slope.estimate if self.slope else None


@dataclass(frozen=True, slots=True)
class Definition:
    """One way to say what an instance's memory is, and what it gives here."""

    metric: str
    label: str
    estimate: Estimate | None
    missing: str = ""


# metric -> what readers call it. The order is that of the report.
DEFINITIONS: dict[str, str] = {
    "host_available": "Host: slope of MemAvailable",
    "pss": "Processes: PSS",
    "rss": "Processes: RSS",
    "cgroup": "Control group",
    "configured": "Configured limit or RAM",
    "guest_used": "The guest's own view",
}

NOT_MEASURED = {
    "guest_used": "no kernel of its own that could be asked, or it did not answer",
    "configured": "no limit was set",
    "cgroup": "it ran in no memory control group of its own",
}


def marginal_memory(samples: pd.DataFrame, driver: str) -> MarginalMemory:
    """The slope of memory taken over instances running, per block and over blocks."""
    blocks = readings(samples, driver, "host_available")
    fits = tuple(_fit_block(block, points) for block, points in blocks.items())
    lines = [fit.line for fit in fits if fit.line is not None]
    slope = combine(lines, "bytes")
    missing = "" if slope else _why_missing(fits)
    checked = held_out([point for fit in fits for point in fit.points])
    return MarginalMemory(slope, fits, checked, _available_at_start(blocks), missing)


def _fit_block(block: int, points: tuple[Point, ...]) -> BlockFit:
    start = points[0][1]
    taken = tuple((running, start - available) for running, available in points)
    return BlockFit(block, taken, fit_line(taken), robust_slope(taken))


def _available_at_start(blocks: dict[int, tuple[Point, ...]]) -> float | None:
    starts = [points[0][1] for points in blocks.values() if points[0][0] == 0]
    return sum(starts) / len(starts) if starts else None


def _why_missing(fits: tuple[BlockFit, ...]) -> str:
    if not fits:
        return "the host's memory was not read while it ran"
    return "the host's memory was read at one number of instances only: a slope needs two"


def box_cost(boxed: MarginalMemory, bare: MarginalMemory) -> Estimate | None:
    """What the box takes beyond the same workload without one: paired by block where there are blocks to pair."""
    if boxed.slope is None or bare.slope is None:
        return None
    without = {fit.block: fit.line.slope for fit in bare.fits if fit.line}
    pairs = [fit.line.slope - without[fit.block] for fit in boxed.fits if fit.line and fit.block in without]
    if len(pairs) > 1:
        return mean_slope(pairs, "bytes").estimate
    return difference(boxed.slope, bare.slope)


def definitions(samples: pd.DataFrame, driver: str, marginal: MarginalMemory) -> tuple[Definition, ...]:
    """Every definition of memory per instance, side by side: the slope, and medians over instances at full number."""
    first = Definition("host_available", DEFINITIONS["host_available"], marginal.estimate, marginal.missing)
    others = (_per_instance(samples, driver, metric) for metric in DEFINITIONS if metric != "host_available")
    return first, *others


def _per_instance(samples: pd.DataFrame, driver: str, metric: str) -> Definition:
    estimate = observed(samples, driver, metric, "bytes").median()
    missing = "" if estimate else NOT_MEASURED.get(metric, "it was not read in this run")
    return Definition(metric, DEFINITIONS[metric], estimate, missing)

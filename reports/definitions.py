"""The figure of definitions: the same instances, and as many answers as there are ways to ask."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.analysis.memory import DEFINITIONS
from bench.analysis.wording import amount, measured, size, spoken
from reports.axes import SIZES_BYTES
from reports.dots import Dot, dot_plot
from reports.figure import Figure, Panel, Table
from reports.words import NONE, cell, grouped, label

if TYPE_CHECKING:
    from bench.analysis.memory import Definition
    from bench.analysis.summary import Summary

_SHORT = {
    "host_available": "Host: slope of available memory",
    "pss": "Processes: PSS",
    "rss": "Processes: RSS",
    "cgroup": "Control group",
    "configured": "Configured limit or RAM",
    "guest_used": "The guest's own view",
}


def definitions_figure(summary: Summary) -> Figure:
    """Memory per instance by every definition that was measured."""
    dots = [
        Dot(_SHORT[one.metric], treatment.driver, one.estimate.value, one.estimate.low, one.estimate.high,
            amount(one.estimate.value, "bytes"))
        for metric in DEFINITIONS
        for treatment in summary.treatments
        for one in treatment.definitions
        if one.metric == metric and one.estimate and one.estimate.value > 0
    ]
    drivers = tuple(one.driver for one in summary.treatments if any(dot.driver == one.driver for dot in dots))
    return Figure(
        id="definitions",
        title=_title(summary),
        subtitle="Host: slope with interval. All others: median over the instances at full number, with exact rank "
        "interval, 95 %.",
        reading="Every row is a published way to say what “memory per instance” means, asked of the same instances. "
        "Compare treatments within one row only; a ratio between two rows has no meaning.",
        panels=_panels(dots, drivers),
        tables=(_table(summary),),
        drivers=drivers,
        notes=_notes(summary) if dots else ("No memory was read in this run.",),
    )


def _notes(summary: Summary) -> tuple[str, ...]:
    nowhere = "the slope is not above zero, and has no place on a logarithmic axis"
    slopes = ((one.driver, one.memory.estimate) for one in summary.treatments)
    return grouped((driver, nowhere) for driver, slope in slopes if slope and slope.value <= 0)


def _panels(dots: list[Dot], drivers: tuple[str, ...]) -> tuple[Panel, ...]:
    if not dots:
        return ()
    spec, height = dot_plot(dots, drivers, "logarithmic scale", SIZES_BYTES)
    said = "; ".join(f"{dot.row}, {dot.driver}: {dot.text}" for dot in dots)
    said = f"Memory per instance by definition. {said}."
    return (Panel("definitions-plot", "Memory per instance", "", said, height, spec),)


def _title(summary: Summary) -> str:
    known = {metric: ratio.value for metric, ratio in summary.ratios.items() if ratio}
    if len(known) < 2:
        return "What an instance's memory is depends on who is asked"
    least, most = min(known, key=lambda metric: known[metric]), max(known, key=lambda metric: known[metric])
    low = spoken(known[least], "times")
    as_much = "just the memory" if low == "1 times" else f"{low} the memory"
    return (f"A VM has {as_much} of a container, or {spoken(known[most], 'times')}, depending on who is asked: "
            f"{_asked(least)} or {_asked(most)}")


def _asked(metric: str) -> str:
    return {
        "host_available": "the host", "pss": "the PSS of its processes", "rss": "the RSS of its processes",
        "cgroup": "its control group", "configured": "its configuration", "guest_used": "its own kernel",
    }[metric]


def _table(summary: Summary) -> Table:
    drivers = [treatment.driver for treatment in summary.treatments]
    cells = {
        (one.metric, treatment.driver): _cell(one)
        for treatment in summary.treatments
        for one in treatment.definitions
    }
    rows = tuple(
        (name, *(cells[metric, driver] for driver in drivers), _ratio(summary, metric))
        for metric, name in DEFINITIONS.items()
    )
    columns = ("", *(label(summary, driver) for driver in drivers), "VM to container")
    return Table("Memory per instance by definition; intervals 95 %, of ratios by seeded bootstrap", columns, rows)


def _cell(one: Definition) -> str:
    return f"{cell(one.estimate)}, {size(one.estimate)}" if one.estimate else cell(None, one.missing)


def _ratio(summary: Summary, metric: str) -> str:
    ratio = summary.ratios.get(metric)
    return measured(ratio) if ratio else NONE

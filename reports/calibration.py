"""The page of a calibration: what launching a container costs, program by program."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.analysis.treatments import CONTAINER, CONTROL
from bench.analysis.wording import amount, bounds, digits, listed
from bench.calibration.treatment import FLOOR
from bench.metrics import METRICS
from reports.axes import SIZES_BYTES, TIMES_MS
from reports.dots import Dot, dot_plot
from reports.facts import environment_tables
from reports.figure import Figure, Panel, Table
from reports.typesetting import template
from reports.words import NONE, cell, value_cell

if TYPE_CHECKING:
    from bench.analysis.calibration import Calibrated, CalibrationSummary
    from bench.analysis.estimate import Estimate

# One lane with a network and one without, in the looks of two treatments that readers of other pages know.
_LANES = {True: CONTAINER, False: CONTROL}
_LANE_NAMES = {True: "with a network", False: "without"}


def render_calibration(summary: CalibrationSummary) -> str:
    """The page as text; the same summary gives the same page."""
    parallel = sorted({one.key.parallel for one in summary.treatments})
    return template("calibration.html.jinja").render(
        summary=summary,
        manifest=summary.manifest,
        lead=_lead(summary),
        figures=[*(_times(summary, several) for several in parallel), _memory(summary)],
        lanes=[(_LANES[network], name) for network, name in _LANE_NAMES.items()],
        environment=environment_tables(summary),
        metrics=[METRICS[name] for name in ("launch", "all_launched", "teardown", "host_available")],
    )


def _lead(summary: CalibrationSummary) -> str:
    ours = summary.named("tare", network=True) or summary.named("tare", network=False)
    median = ours.each.median() if ours else None
    if ours is None or median is None:
        return "No container of ours was launched"
    text = f"One container takes {amount(median.value, 'ms')}"
    return text + (f", {digits(ours.to_floor.value)} times the floor" if ours.to_floor else "")


def _times(summary: CalibrationSummary, parallel: int) -> Figure:
    shown = [one for one in summary.treatments if one.key.parallel == parallel]
    dots = [dot for one in shown if (dot := _time_dot(one)) is not None]
    name = "one by one" if parallel == 1 else f"{parallel} at once"
    identity = f"launch-{parallel}"
    label = f"Time to launch one container, {name}. {'; '.join(f'{dot.row}: {dot.text}' for dot in dots)}."
    panels: tuple[Panel, ...] = ()
    if dots:
        spec, height = dot_plot(dots, tuple(_LANES.values()), "time from the request until it runs", TIMES_MS)
        panels = (Panel(identity, f"Launched {name}", "", label, height, spec),)
    return Figure(
        id=identity,
        title=f"Launched {name}",
        subtitle="Each launch by itself, from the request until the container's process has been executed.",
        reading="The mark is the median, the bar reaches from the 5th to the 95th percentile. The axis is logarithmic.",
        panels=panels,
        tables=(_table(shown, name),),
        notes=_notes(summary, shown) if dots else (f"Nothing was launched {name}.",),
    )


def _time_dot(one: Calibrated) -> Dot | None:
    median, low, high = (one.each.quantile(p) for p in (0.5, 0.05, 0.95))
    if median is None:
        return None
    ratio = f" · {digits(one.to_floor.value)} × floor" if one.to_floor and one.key.name != FLOOR else ""
    text = amount(median.value, "ms") + ratio
    return Dot(one.key.name, _LANES[one.key.network], median.value, _bound(low), _bound(high), text)


def _bound(estimate: Estimate | None) -> float | None:
    return None if estimate is None else estimate.value


def _table(shown: list[Calibrated], name: str) -> Table:
    columns = ("", "median", "99th percentile", "mean of all together", "to the floor", "to runc", "teardown, each")
    rows = tuple(
        (
            f"{one.key.name}, {_LANE_NAMES[one.key.network]}",
            cell(one.each.median()),
            value_cell(one.each.quantile(0.99)),
            value_cell(one.mean.median()),
            value_cell(one.to_floor),
            value_cell(one.to_runc),
            value_cell(one.teardown.median()),
        )
        for one in shown
    )
    return Table(f"One container, launched {name}", columns, rows)


def _notes(summary: CalibrationSummary, shown: list[Calibrated]) -> tuple[str, ...]:
    failed = [
        f"{one.key.name}, {_LANE_NAMES[one.key.network]}: {one.each.censored} of {one.each.n} failed."
        for one in shown
        if one.each.censored
    ]
    absent = [
        f"Not measured: {one.name}{' with a network' if one.what == 'net' else ''}: {one.reason}."
        for one in summary.absent
    ]
    return (*failed, *absent)


def _memory(summary: CalibrationSummary) -> Figure:
    shown = [one for one in summary.treatments if one.key.parallel == 1]
    dots = [
        Dot(one.key.name, _LANES[one.key.network], max(one.memory.value, 1024.0), None, None,
            amount(one.memory.value, "bytes"))
        for one in shown
        if one.memory is not None
    ]  # fmt: skip
    panels: tuple[Panel, ...] = ()
    if dots:
        spec, height = dot_plot(dots, tuple(_LANES.values()), "memory of the host, each", SIZES_BYTES)
        label = f"Memory of one idle container. {'; '.join(f'{dot.row}: {dot.text}' for dot in dots)}."
        panels = (Panel("memory-each", "One more idle container", "", label, height, spec),)
    rows = tuple(
        (f"{one.key.name}, {_LANE_NAMES[one.key.network]}", value_cell(one.memory),
         bounds(one.memory) if one.memory else f"{NONE} {one.missing_memory}")
        for one in shown
    )  # fmt: skip
    return Figure(
        id="memory",
        title="What one more idle container takes of the host's memory",
        subtitle="The slope of what is missing from MemAvailable over containers: kernel, process, supervisor.",
        reading="What is made ahead for a pool counts too. A slope below 1 KiB is shown there.",
        panels=panels,
        tables=(Table("Memory of one container", ("", "slope", "95 % interval"), rows),),
        notes=() if dots else (listed([one.missing_memory for one in shown][:1]) or "Nothing was launched.",),
    )

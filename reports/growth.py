"""The figure of memory: what the host gives for each further instance."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import plotly.graph_objects as go

from bench.analysis.line import fit_line
from bench.analysis.treatments import CONTROL, VM
from bench.analysis.wording import amount, cost, costs, listed, named
from reports.axes import MIB
from reports.figure import Figure, Panel, Table, plot
from reports.style import style
from reports.words import NONE, cell, grouped, how, label, share

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.analysis.line import Line, Point
    from bench.analysis.memory import BlockFit
    from bench.analysis.summary import Summary
    from bench.analysis.treatments import Treatment
    from reports.style import Style


def growth_figure(summary: Summary) -> Figure:
    """Memory taken against instances running: one panel a treatment, since their scales differ."""
    shown = [treatment for treatment in summary.treatments if any(fit.points for fit in treatment.memory.fits)]
    return Figure(
        id="memory",
        title=_title(summary),
        subtitle="Slope of the host's available memory over the number of instances, with its 95 % interval; "
        "band: where one more reading would fall, 95 %.",
        reading="Each point is one reading of the host's memory with that many instances running; the slope of the "
        "line is the price of one more. It counts everything the host gave: processes, kernel structures, page tables. "
        "Mind that each panel has its own scale.",
        panels=tuple(_panel(summary, at, treatment) for at, treatment in enumerate(shown)),
        tables=(_fit_table(summary), _point_table(summary, shown)),
        drivers=tuple(treatment.driver for treatment in shown),
        notes=tuple(_notes(summary)),
    )


def _title(summary: Summary) -> str:
    costs = [
        f"one more {how(summary, one.driver)}{named(one.driver)} {'takes ' if at == 0 else ''}"
        f"{cost(one.memory.estimate)}"
        for at, one in enumerate(one for one in summary.treatments if one.driver != CONTROL)
        if one.memory.estimate
    ]
    if not costs:
        return "What one more instance takes of the host's memory could not be measured"
    ratio = summary.ratios.get("host_available")
    compared = f": {amount(ratio.value, 'times')} as much" if ratio else ""
    text = f"{listed(costs)} of the host's memory{compared}"
    return text[0].upper() + text[1:]


def _notes(summary: Summary) -> Iterator[str]:
    if not summary.treatments:
        yield "Nothing was launched."
    memories = ((one.driver, one.memory.estimate, one.memory.missing) for one in summary.treatments)
    said = ((driver, found.note if found else f"no slope, as {missing}") for driver, found, missing in memories)
    yield from grouped((driver, note) for driver, note in said if note)
    if summary.box:
        yield (f"The box itself: a container takes {costs(summary.box)} more than the same workload run as a bare "
               "process. The rest is the workload.")
    if summary.virtualisation and summary.virtualisation.emulated:
        yield (f"{label(summary, VM)}: their memory includes the emulator's translation cache, which hardware "
               "virtualisation does not need.")


def _panel(summary: Summary, at: int, treatment: Treatment) -> Panel:
    points = [point for fit in treatment.memory.fits for point in fit.points]
    line, look = fit_line(points), style(treatment.driver)
    last = max(running for running, _ in points)
    traces = [*_band(line, last, look), *_fitted(line, last, look), _readings(treatment.memory.fits, look)]
    name, each = label(summary, treatment.driver), cell(treatment.memory.estimate, "no slope")
    spec = plot(
        traces,
        xaxis={"title": {"text": "instances running"}, "range": [-0.04 * last, 1.04 * last], "nticks": 6,
               "dtick": 1 if last <= 5 else None},
        yaxis={"title": {"text": "memory taken, MiB"}, "rangemode": "tozero", "nticks": 6},
    )
    many = named(treatment.driver, 2)
    said = f"Memory taken from the host against {many} running, up to {last:,.0f}. {name}: {each} each."
    return Panel(f"memory-{at}", name, each, said, 300, spec)


def _readings(fits: tuple[BlockFit, ...], look: Style) -> go.Scatter:
    points = [(running, taken, fit.block) for fit in fits for running, taken in fit.points]
    return go.Scatter(
        x=[running for running, _, _ in points],
        y=[taken / MIB for _, taken, _ in points],
        customdata=[block + 1 for _, _, block in points],
        mode="markers",
        marker={"color": look.colour, "symbol": look.symbol, "size": 8},
        cliponaxis=False,
        hovertemplate="%{x} running: %{y:,.1f} MiB (block %{customdata})<extra></extra>",
    )


def _fitted(line: Line | None, last: float, look: Style) -> list[go.Scatter]:
    if line is None:
        return []
    ends = [0.0, last]
    return [go.Scatter(x=ends, y=[line.at(x) / MIB for x in ends], mode="lines", hoverinfo="skip",
                       line={"color": look.colour, "width": 2, "dash": look.dash})]


def _band(line: Line | None, last: float, look: Style) -> list[go.Scatter]:
    if line is None or line.prediction(0) is None:
        return []
    xs = [last * step / 24 for step in range(25)]
    bounds = [(x, bound) for x in xs if (bound := line.prediction(x))]
    return [_edge([(x, low) for x, (low, _) in bounds], None),
            _edge([(x, high) for x, (_, high) in bounds], look.faded(0.18))]


def _edge(points: list[Point], fill: str | None) -> go.Scatter:
    filled: dict[str, Any] = {"fill": "tonexty", "fillcolor": fill} if fill else {}
    return go.Scatter(x=[x for x, _ in points], y=[y / MIB for _, y in points], mode="lines", line={"width": 0},
                      hoverinfo="skip", **filled)


def _fit_table(summary: Summary) -> Table:
    rows = tuple(row for treatment in summary.treatments for row in _fit_rows(summary, treatment))
    columns = ("", "slope each", "95 % interval", "readings", "R²", "residual spread", "robust slope",
               "foretold from the lower half")
    return Table("The lines: slope per block, and how well the lower half foretold the rest", columns, rows)


def _fit_rows(summary: Summary, treatment: Treatment) -> Iterator[tuple[str, ...]]:
    checked = treatment.memory.held_out
    error = f"off by {share(checked.median_error)} (median), {share(checked.largest_error)} (most)" if checked else NONE
    for fit in treatment.memory.fits:
        name = f"{label(summary, treatment.driver)}, block {fit.block + 1}"
        robust = NONE if fit.robust is None else amount(fit.robust, "bytes")
        yield (name, *_line_cells(fit.line), robust, error)
    if not treatment.memory.fits:
        yield (label(summary, treatment.driver), *[NONE] * 7)


def _line_cells(line: Line | None) -> tuple[str, ...]:
    if line is None:
        return (NONE,) * 5
    bounds = line.slope_interval()
    interval = f"{amount(bounds[0], 'bytes')} to {amount(bounds[1], 'bytes')}" if bounds else NONE
    fit = "" if line.r_squared is None else f"{line.r_squared:.5f}"
    spread = "" if line.residual_sd is None else amount(line.residual_sd, "bytes")
    return amount(line.slope, "bytes"), interval, str(line.n), fit or NONE, spread or NONE


def _point_table(summary: Summary, shown: list[Treatment]) -> Table:
    rows = tuple(
        (label(summary, treatment.driver), str(fit.block + 1), f"{running:,.0f}", amount(taken, "bytes"),
         amount(fit.line.at(running), "bytes") if fit.line else NONE)
        for treatment in shown
        for fit in treatment.memory.fits
        for running, taken in fit.points
    )
    return Table("The readings", ("", "block", "running", "memory taken", "by the line"), rows)

"""The figure of startup: how many of the instances had started, and had answered, after which time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import plotly.graph_objects as go

from bench.analysis.treatments import CONTAINER, CONTROL, VM
from bench.analysis.wording import amount, digits, listed, named
from reports.axes import TIMES_MS, around
from reports.figure import Figure, Panel, Table, log_axis, plot
from reports.style import style
from reports.words import NONE, cell, how, label

if TYPE_CHECKING:
    from bench.analysis.estimate import Estimate
    from bench.analysis.ranks import Distribution
    from bench.analysis.summary import Summary
    from bench.analysis.treatments import Treatment

_CLOCKS = (("launch", "Request to start accepted"), ("first_answer", "Request to first answer"))


def startup_figure(summary: Summary) -> Figure:
    """Empirical distributions of both clocks, on one time axis."""
    shown = [treatment for treatment in summary.treatments if treatment.launch.n or treatment.first_answer.n]
    limits = around([value for treatment in shown for value in _times(treatment)], below=20, above=12)
    panels = tuple(_panel(summary, shown, clock, limits) for clock in _CLOCKS) if shown else ()
    return Figure(
        id="startup",
        title=_title(summary),
        subtitle=_subtitle(shown),
        reading="Follow a curve to the right until it reaches 50 %: half of the instances needed at most that long. "
        "The mark is the median and its bar the 95 % interval. The axis is logarithmic: each step is ten times the one "
        "before. A curve that ends below 100 % has instances that never answered.",
        panels=panels,
        tables=(_table(summary),),
        drivers=tuple(treatment.driver for treatment in shown),
        notes=_notes(summary, shown),
    )


def _times(treatment: Treatment) -> tuple[float, ...]:
    return (*treatment.launch.values, *treatment.first_answer.values)


def _title(summary: Summary) -> str:
    medians = {one.driver: median for one in summary.treatments if (median := one.first_answer.median())}
    parts = [_half(summary, driver, median) for driver, median in medians.items() if driver in {CONTAINER, VM}]
    parts = parts or [_half(summary, driver, median) for driver, median in medians.items()]
    if not parts:
        return "No instance answered, so there is no time to show"
    if CONTAINER in medians and VM in medians:
        parts[-1] += f": {digits(medians[VM].value / medians[CONTAINER].value)} times as long"
    return f"Half of {', half of '.join(parts)}"


def _half(summary: Summary, driver: str, median: Estimate) -> str:
    return f"the {how(summary, driver)}{named(driver, 2)} had answered after {amount(median.value, 'ms')}"


def _subtitle(shown: list[Treatment]) -> str:
    counts = listed([f"{one.first_answer.n:,} {named(one.driver, one.first_answer.n)}" for one in shown])
    if not shown:
        return ""
    return f"n = {counts}. Median with exact rank interval, 95 %, within this run."


def _notes(summary: Summary, shown: list[Treatment]) -> tuple[str, ...]:
    notes = [
        f"{label(summary, one.driver)}: {one.first_answer.censored} of {one.first_answer.n} never answered within the "
        "time allowed. They count as slower than all that did."
        for one in shown
        if one.first_answer.censored
    ]
    absent = [one for one in summary.treatments if one not in shown]
    notes += [f"{label(summary, one.driver)}: no startup was recorded." for one in absent]
    if not summary.treatments:
        notes.append("Nothing was launched.")
    if summary.virtualisation and summary.virtualisation.caveat:
        caveat = summary.virtualisation.caveat
        notes.append(f"{label(summary, VM)}: {caveat}. Their times say nothing of VMs elsewhere.")
    return tuple(notes)


def _panel(summary: Summary, shown: list[Treatment], clock: tuple[str, str], limits: tuple[float, float]) -> Panel:
    metric, title = clock
    traces = [trace for treatment in shown for trace in _traces(summary, treatment, getattr(treatment, metric), limits)]
    spec = plot(
        traces,
        xaxis=log_axis(*limits, "time since the request", TIMES_MS),
        yaxis={"range": [-0.03, 1.05], "tickformat": ".0%", "tickvals": [0, 0.25, 0.5, 0.75, 1],
               "title": {"text": "share of instances"}},
    )
    medians = ((one.driver, getattr(one, metric).median()) for one in shown)
    said = "; ".join(f"{named(driver, 2)} median {cell(median)}" for driver, median in medians)
    return Panel(f"startup-{metric}", title, "", f"{title}, distribution over instances. {said}.", 330, spec)


def _traces(
    summary: Summary, treatment: Treatment, times: Distribution, limits: tuple[float, float]
) -> list[go.Scatter]:
    if not times.values:
        return []
    look, name = style(treatment.driver), label(summary, treatment.driver)
    shares = [rank / times.n for rank in range(1, len(times.values) + 1)]
    curve = go.Scatter(
        x=[times.values[0], *times.values, limits[1]],
        y=[0, *shares, shares[-1]],
        mode="lines",
        line={"shape": "hv", "width": 2.5, "color": look.colour, "dash": look.dash},
        hovertemplate=f"{name}: %{{y:.0%}} within %{{x:,.3~g}} ms<extra></extra>",
    )
    return [curve, *_median(treatment.driver, times)]


def _median(driver: str, times: Distribution) -> list[go.Scatter]:
    median = times.median()
    if median is None:
        return []
    look = style(driver)
    # The control stands close to the containers: its number goes to the other side of its mark.
    side = "middle left" if driver == CONTROL else "middle right"
    return [go.Scatter(
        x=[median.value], y=[0.5], mode="markers+text", text=[f" {amount(median.value, 'ms')} "], textposition=side,
        cliponaxis=False, marker={"color": look.colour, "symbol": look.symbol, "size": 11},
        error_x=_bar(median.value, median.low, median.high, look.colour),
        hovertemplate=f"median {cell(median)}<extra></extra>",
    )]


def _bar(value: float, low: float | None, high: float | None, colour: str) -> dict[str, Any]:
    return {"type": "data", "symmetric": False, "array": [0 if high is None else high - value],
            "arrayminus": [0 if low is None else value - low], "color": colour, "thickness": 2, "width": 5}


def _table(summary: Summary) -> Table:
    rows = tuple(
        (f"{label(summary, treatment.driver)}: {title.lower()}", *_cells(getattr(treatment, metric)))
        for treatment in summary.treatments
        for metric, title in _CLOCKS
    )
    columns = ("", "n", "failed", "least", "median", "95th percentile", "99th percentile", "most")
    return Table("Startup times; intervals 95 %, by exact ranks", columns, rows)


def _cells(times: Distribution) -> tuple[str, ...]:
    if not times.n:
        return ("0", "0", *[NONE] * 5)
    ends = (amount(times.values[0], "ms"), amount(times.values[-1], "ms")) if times.values else (NONE, NONE)
    quantiles = (cell(times.quantile(p), "among those that failed") for p in (0.5, 0.95, 0.99))
    return str(times.n), str(times.censored), ends[0], *quantiles, ends[1]

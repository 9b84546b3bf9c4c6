"""The figure of application size: how the difference between the boxes drowns in what they carry."""

from __future__ import annotations

from typing import TYPE_CHECKING

import plotly.graph_objects as go

from bench.analysis.wording import amount, digits, measured, spoken
from reports.axes import APPLICATIONS_BYTES, MIB, RATIOS, around
from reports.figure import Figure, Panel, Table, log_axis, plot
from reports.style import style

if TYPE_CHECKING:
    from bench.analysis.ratio import RatioPoint
    from bench.analysis.summary import Summary

_EXAMPLE_BYTES = 64 * MIB


def application_figure(summary: Summary) -> Figure:
    """The ratio of memory, VM to container, over the application's own size."""
    curve = summary.ratio_curve
    return Figure(
        id="application",
        title=_title(curve),
        subtitle="Computed from the two slopes as (VM + size) / (container + size); band: 95 % interval.",
        reading="Read to the right: the more memory the application itself needs, the less the choice of box matters. "
        "At a ratio of 1 it makes no difference. This is arithmetic on the measured slopes; no application of that "
        "size was run.",
        panels=(_panel(curve),) if curve else (),
        tables=(_table(curve),) if curve else (),
        notes=() if curve else (_missing(summary),),
    )


def _missing(summary: Summary) -> str:
    absent = [name for name in ("container", "vm") if summary.treatment(name) is None]
    if absent:
        return f"A ratio needs both slopes; this run had no {'VMs' if absent[0] == 'vm' else 'containers'}."
    return "A ratio needs both slopes, and one of them is missing or not above zero."


def _title(curve: tuple[RatioPoint, ...]) -> str:
    if not curve:
        return "How the application's own size changes the ratio is not known from this run"
    example = next((point for point in curve if point.application_bytes == _EXAMPLE_BYTES), curve[-1])
    return (f"With an application of {spoken(example.application_bytes, 'bytes')} the ratio of "
            f"{digits(curve[0].ratio.value)} becomes {digits(example.ratio.value)}")


def _panel(curve: tuple[RatioPoint, ...]) -> Panel:
    shown = [point for point in curve if point.application_bytes > 0]
    sizes = [float(point.application_bytes) for point in shown]
    lows = [point.ratio.low or point.ratio.value for point in shown]
    highs = [point.ratio.high or point.ratio.value for point in shown]
    low, high = around([1.0, *lows, *highs], below=1.25, above=1.4)
    spec = plot(
        [_edge(sizes, lows, None), _edge(sizes, highs, style("ratio").faded(0.25)), _curve(shown)],
        xaxis=log_axis(sizes[0] / 1.15, sizes[-1] * 1.4, "the application's own memory", APPLICATIONS_BYTES),
        yaxis=log_axis(low, high, "ratio", RATIOS),
    )
    said = "; ".join(_named(point) for point in shown)
    label = f"Ratio of memory, VM to container, over the application's size: {said}."
    return Panel("application-plot", "Memory, VM to container", "", label, 320, spec)


def _edge(sizes: list[float], bounds: list[float], fill: str | None) -> go.Scatter:
    return go.Scatter(x=sizes, y=bounds, mode="lines", line={"width": 0}, hoverinfo="skip",
                      fill="tonexty" if fill else "none", fillcolor=fill)


def _curve(shown: list[RatioPoint]) -> go.Scatter:
    look = style("ratio")
    return go.Scatter(
        x=[float(point.application_bytes) for point in shown],
        y=[point.ratio.value for point in shown],
        text=[_named(point) for point in shown],
        mode="lines+markers",
        line={"width": 2.5, "color": look.colour},
        marker={"size": 7, "symbol": look.symbol, "color": look.colour},
        hovertemplate="%{text}<extra></extra>",
    )


def _named(point: RatioPoint) -> str:
    return f"{spoken(point.application_bytes, 'bytes')}: {amount(point.ratio.value, 'times')}"


def _table(curve: tuple[RatioPoint, ...]) -> Table:
    rows = tuple((spoken(point.application_bytes, "bytes"), measured(point.ratio)) for point in curve)
    return Table("Ratio by the application's own memory", ("application", "VM to container, 95 % interval"), rows)

"""A dot plot on a logarithmic axis: one row a category, in it one lane a treatment, the number beside each dot."""

from __future__ import annotations

from dataclasses import dataclass
from textwrap import wrap
from typing import TYPE_CHECKING, Any

import plotly.graph_objects as go

from reports.axes import around
from reports.figure import log_axis, plain, plot
from reports.style import style

if TYPE_CHECKING:
    from collections.abc import Sequence

LANE_PX, GAP_PX, FRAME_PX = 21, 16, 74


@dataclass(frozen=True, slots=True)
class Dot:
    """One value of a treatment in a row; ``hollow`` if it matters less than the others."""

    row: str
    driver: str
    value: float
    low: float | None
    high: float | None
    text: str
    hollow: bool = False


def dot_plot(dots: Sequence[Dot], title: str, ticks: dict[float, str]) -> tuple[dict[str, Any], int]:
    """The plot and its height in pixels; rows and lanes in the order in which they first appear."""
    rows, drivers = list(dict.fromkeys(dot.row for dot in dots)), list(dict.fromkeys(dot.driver for dot in dots))
    row_px = LANE_PX * len(drivers) + GAP_PX
    places = {
        (row, driver): -(row_px * at + LANE_PX * lane)
        for at, row in enumerate(rows)
        for lane, driver in enumerate(drivers)
    }
    traces = [_trace([dot for dot in dots if dot.driver == driver], places) for driver in drivers]
    low, high = around([dot.value for dot in dots], above=12)
    middle = LANE_PX * (len(drivers) - 1) / 2
    spec = plot(
        traces,
        xaxis=log_axis(low, high, title, ticks),
        yaxis={
            "range": [-(row_px * len(rows)) + (LANE_PX + GAP_PX) / 2, (LANE_PX + GAP_PX) / 2],
            "tickmode": "array",
            "tickvals": [-(row_px * at + middle) for at in range(len(rows))],
            "ticktext": ["<br>".join(plain(line) for line in wrap(row, 20)) for row in rows],
            "showgrid": False,
        },
        shapes=[_rule(-(row_px * at) + (LANE_PX + GAP_PX) / 2) for at in range(1, len(rows))],
    )
    return spec, row_px * len(rows) + FRAME_PX


def _trace(dots: Sequence[Dot], places: dict[tuple[str, str], int]) -> go.Scatter:
    look = style(dots[0].driver)
    return go.Scatter(
        x=[dot.value for dot in dots],
        y=[places[dot.row, dot.driver] for dot in dots],
        mode="markers+text",
        marker={"color": look.colour, "size": 10, "line": {"width": 1.5, "color": look.colour},
                "symbol": [look.symbol + ("-open" if dot.hollow else "") for dot in dots]},
        error_x=_whiskers(dots, look.colour),
        text=[f"  {plain(dot.text)}" for dot in dots],
        textposition="middle right",
        cliponaxis=False,
        hovertemplate="%{text}<extra></extra>",
    )


def _whiskers(dots: Sequence[Dot], colour: str) -> dict[str, Any]:
    return {
        "type": "data", "symmetric": False, "thickness": 2, "width": 0, "color": colour,
        "array": [_arm(dot.value, dot.high) for dot in dots],
        "arrayminus": [_arm(dot.low, dot.value) for dot in dots],
    }


def _arm(low: float | None, high: float | None) -> float | None:
    return None if low is None or high is None or low == high else high - low


def _rule(y: float) -> dict[str, Any]:
    return {"type": "line", "xref": "paper", "x0": 0, "x1": 1, "y0": y, "y1": y, "line": {"width": 1}, "layer": "below",
            "name": "rule"}

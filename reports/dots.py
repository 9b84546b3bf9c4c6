"""A dot plot on a logarithmic axis: one row a category, in it one lane a treatment, the number beside each dot."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import plotly.graph_objects as go

from reports.axes import around
from reports.figure import log_axis, plain, plot
from reports.style import style

if TYPE_CHECKING:
    from collections.abc import Sequence

# Of a row: the line that names it, each treatment's lane, the gap below. Of the plot: axis and its title.
NAME_PX, LANE_PX, GAP_PX, FRAME_PX = 26, 20, 8, 60
# Numbers stand to the right of their marks: this share of the axis is kept free for the longest of them.
ROOM_FOR_NUMBERS = 0.34


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


@dataclass(frozen=True, slots=True)
class Row:
    """A named row from ``start`` pixels below the top, with a lane for each treatment that has a value in it."""

    name: str
    drivers: tuple[str, ...]
    start: int

    @property
    def end(self) -> int:
        """Where the next row starts."""
        return self.start + NAME_PX + LANE_PX * len(self.drivers) + GAP_PX

    def lane(self, number: int) -> float:
        """The height of a lane's middle; downwards is negative."""
        return -(self.start + NAME_PX + LANE_PX * (number + 0.5))


def dot_plot(
    dots: Sequence[Dot], drivers: Sequence[str], title: str, ticks: dict[float, str]
) -> tuple[dict[str, Any], int]:
    """The plot and its height in pixels; lanes in the order of ``drivers``, rows as they first appear."""
    rows = _rows(dots, drivers)
    places = {(row.name, driver): row.lane(lane) for row in rows for lane, driver in enumerate(row.drivers)}
    groups = [[dot for dot in dots if dot.driver == driver] for driver in drivers]
    spec = plot(
        [trace for group in groups if group for trace in (_marks(group, places), _numbers(group, places))],
        xaxis=log_axis(*_range(dots), title, ticks),
        yaxis={"range": [-rows[-1].end, 0], "visible": False},
        shapes=[_rule(-row.start) for row in rows[1:]],
        annotations=[_name(row) for row in rows],
    )
    return spec, rows[-1].end + FRAME_PX


def _rows(dots: Sequence[Dot], drivers: Sequence[str]) -> list[Row]:
    rows: list[Row] = []
    for name in dict.fromkeys(dot.row for dot in dots):
        present = {dot.driver for dot in dots if dot.row == name}
        start = rows[-1].end if rows else 0
        rows.append(Row(name, tuple(driver for driver in drivers if driver in present), start))
    return rows


def _range(dots: Sequence[Dot]) -> tuple[float, float]:
    low, high = around([end for dot in dots for end in (dot.value, dot.high or 0)])
    return low, high * (high / low) ** (ROOM_FOR_NUMBERS / (1 - ROOM_FOR_NUMBERS))


def _name(row: Row) -> dict[str, Any]:
    return {"xref": "paper", "x": 0, "xanchor": "left", "y": -(row.start + NAME_PX / 2), "yanchor": "middle",
            "text": f"<b>{plain(row.name)}</b>", "showarrow": False}


def _marks(dots: Sequence[Dot], places: dict[tuple[str, str], float]) -> go.Scatter:
    look = style(dots[0].driver)
    return go.Scatter(
        x=[dot.value for dot in dots],
        y=[places[dot.row, dot.driver] for dot in dots],
        mode="markers",
        marker={"color": look.colour, "size": 10, "line": {"width": 1.5, "color": look.colour},
                "symbol": [look.symbol + ("-open" if dot.hollow else "") for dot in dots]},
        error_x=_whiskers(dots, look.colour),
        text=[plain(dot.text) for dot in dots],
        cliponaxis=False,
        hovertemplate="%{text}<extra></extra>",
    )


def _numbers(dots: Sequence[Dot], places: dict[tuple[str, str], float]) -> go.Scatter:
    """The numbers, each to the right of where its mark and whisker end."""
    return go.Scatter(
        x=[max(dot.value, dot.high or 0) for dot in dots],
        y=[places[dot.row, dot.driver] for dot in dots],
        mode="text",
        text=[f"   {plain(dot.text)}" for dot in dots],
        textposition="middle right",
        cliponaxis=False,
        hoverinfo="skip",
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
    return {"type": "line", "xref": "paper", "x0": 0, "x1": 1, "y0": y, "y1": y, "line": {"width": 1}, "layer": "below"}

"""What a figure of the report consists of: an answer, the plots that show it, and the numbers behind them."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

import plotly.graph_objects as go

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class Table:
    """A table of texts; the first cell of each row names the row."""

    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Panel:
    """One plot; ``label`` says in a sentence what is seen, for readers who do not see it."""

    id: str
    title: str
    detail: str
    label: str
    height: int
    spec: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Figure:
    """An answer with its evidence. Without panels, ``notes`` say why there is nothing to show."""

    id: str
    title: str
    subtitle: str
    reading: str
    panels: tuple[Panel, ...]
    tables: tuple[Table, ...]
    drivers: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def plain(text: str) -> str:
    """Text from a run directory, made safe for plotly, which reads a subset of HTML in its labels."""
    return escape(text, quote=False)


def plot(traces: Sequence[go.Scatter], **layout: Any) -> dict[str, Any]:
    """Data and layout of a plot; colours of text, grid and ground are left to the page, which knows light from dark."""
    figure = go.Figure(data=list(traces), layout={"template": "none"})
    figure.update_layout(
        showlegend=False,
        hovermode="closest",
        margin={"l": 8, "r": 8, "t": 8, "b": 8},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        **layout,
    )
    figure.update_xaxes(automargin=True, zeroline=False, ticks="outside", fixedrange=True, title_standoff=10)
    figure.update_yaxes(automargin=True, zeroline=False, fixedrange=True, title_standoff=10)
    spec: dict[str, Any] = json.loads(figure.to_json())
    return spec


def log_axis(low: float, high: float, title: str, names: dict[float, str]) -> dict[str, Any]:
    """A logarithmic axis from ``low`` to ``high`` with named ticks at those of ``names`` that lie within."""
    ticks = {value: name for value, name in names.items() if low <= value <= high}
    return {
        "type": "log",
        "range": [math.log10(low), math.log10(high)],
        "title": {"text": title},
        "tickmode": "array",
        "tickvals": list(ticks),
        "ticktext": list(ticks.values()),
    }

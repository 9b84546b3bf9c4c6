"""The figure of density: how many of each this host would hold, by every limit that is known."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from bench.analysis.headline import holds
from bench.analysis.treatments import CONTROL
from bench.analysis.wording import amount, digits, listed, named
from reports.axes import COUNTS
from reports.dots import Dot, dot_plot
from reports.figure import Figure, Panel, Table
from reports.words import NONE, grouped, how, label

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.analysis.density import Capacity, Density
    from bench.analysis.summary import Summary


def capacity_figure(summary: Summary) -> Figure:
    """Every known limit of every treatment; the one that binds is filled and named."""
    shown = [density for density in summary.densities if density.binding and density.driver != CONTROL]
    dots, drivers = _dots(shown), tuple(density.driver for density in shown)
    return Figure(
        id="density",
        title=_title(summary, shown),
        subtitle="Memory: what was available before the first instance, less a reserve, divided by the measured slope "
        "(bar: by the bounds of its interval). Other limits: what the preflight read from the host.",
        reading="Each mark is how many instances one resource alone would hold. The filled mark furthest to the left "
        "is the limit that stops the next instance; raise it, and the next one to the right binds.",
        panels=_panels(dots, drivers),
        tables=(_table(summary),),
        drivers=drivers,
        notes=tuple(_notes(summary, shown)),
    )


def _dots(shown: list[Density]) -> list[Dot]:
    resources = list(dict.fromkeys(capacity.resource for density in shown for capacity in density.capacities))
    return [
        Dot(_row(capacity), density.driver, capacity.holds, capacity.low, capacity.high, _text(capacity, density),
            hollow=capacity is not density.binding)
        for resource in resources
        for density in shown
        for capacity in density.capacities
        if capacity.resource == resource and 1 <= capacity.holds < math.inf
    ]


def _row(capacity: Capacity) -> str:
    return capacity.resource[:1].upper() + capacity.resource[1:]


def _text(capacity: Capacity, density: Density) -> str:
    count = holds(capacity.holds, capacity.low, capacity.high)
    return f"{count} — the limit" if capacity is density.binding else count


def _panels(dots: list[Dot], drivers: tuple[str, ...]) -> tuple[Panel, ...]:
    if not dots:
        return ()
    spec, height = dot_plot(dots, drivers, "logarithmic scale", COUNTS)
    said = "; ".join(f"{dot.row}, {dot.driver}: {dot.text}" for dot in dots)
    said = f"Instances that each resource alone would hold. {said}."
    return (Panel("density-plot", "Instances that would fit", "", said, height, spec),)


def _title(summary: Summary, shown: list[Density]) -> str:
    parts = []
    for density in shown:
        binding = density.binding
        if binding:
            count = holds(binding.holds, binding.low, binding.high)
            what = f"{how(summary, density.driver)}{named(density.driver, 2)}"
            parts.append(f"{count} {what}, stopped by {binding.resource}")
    if not parts:
        return "What this host would hold is not known from this run"
    return f"This host would hold {', and '.join(parts)}"


def _notes(summary: Summary, shown: list[Density]) -> Iterator[str]:
    far = [density for density in shown if density.beyond and density.beyond > 2]
    if far:
        times = listed([f"{digits(one.beyond or 0)} times as many {named(one.driver, 2)}" for one in far])
        yield f"This is {times} as were run. So far beyond what was measured a slope need not hold."
    reserve = max((density.reserve_bytes for density in shown), default=0)
    if reserve:
        yield f"{amount(reserve, 'bytes')} of memory stay free for everything else on the host, as in the preflight."
    yield from grouped(
        (density.driver, "no slope was measured and no limit is recorded")
        for density in summary.densities
        if density.binding is None
    )
    if not summary.densities:
        yield "Nothing was launched."


def _table(summary: Summary) -> Table:
    rows = tuple(
        (
            f"{label(summary, density.driver)}: {capacity.resource}",
            holds(capacity.holds, capacity.low, capacity.high),
            "measured here" if capacity.measured else "preflight",
            "binds" if capacity is density.binding else NONE,
            capacity.raise_hint or NONE,
        )
        for density in summary.densities
        for capacity in density.capacities
    )
    return Table("Limits, scarcest first", ("", "would hold", "from", "", "how to raise it"), rows)

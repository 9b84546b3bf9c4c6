"""Numbers as people read them: three significant digits, a unit that fits, an interval beside the value."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.analysis.estimate import Estimate

# (from this size on, divide by, name): the first row that the size reaches is used.
_SCALES: dict[str, tuple[tuple[float, float, str], ...]] = {
    "ms": ((120_000.0, 60_000.0, "min"), (1_000.0, 1_000.0, "s"), (0.0, 1.0, "ms")),
    "bytes": ((1024.0**3, 1024.0**3, "GiB"), (10_240.0, 1024.0**2, "MiB"), (1024.0, 1024.0, "KiB"), (0.0, 1.0, "B")),
    "times": ((0.0, 1.0, "times"),),
    "instances": ((0.0, 1.0, ""),),
}

NAMES = {"container": ("container", "containers"), "vm": ("VM", "VMs"), "process": ("bare process", "bare processes")}


def named(driver: str, count: float = 1) -> str:
    """The driver's instances in words: one container, many containers."""
    singular, plural = NAMES.get(driver, (f"{driver} instance", f"{driver} instances"))
    return singular if count == 1 else plural


def digits(value: float) -> str:
    """Three significant digits, thousands separated, never in exponents."""
    if not math.isfinite(value):
        return "unlimited"
    if value == 0:
        return "0"
    rounded = float(f"{value:.3g}")  # first, as 99.96 has two digits before the point and 100 has three
    places = max(0, 2 - math.floor(math.log10(abs(rounded))))
    return f"{rounded:,.{places}f}" if places else f"{value:,.0f}"


def amount(value: float, unit: str) -> str:
    """A value with its unit: ``1.20 ms``, ``0.310 MiB``, ``97 times``."""
    divisor, name = _scale(value, unit)
    number = f"{value:,.0f}" if unit == "instances" else digits(value / divisor)
    return f"{number} {name}".rstrip()


def interval(estimate: Estimate) -> str:
    """The bounds in the unit chosen for the value, ``[0.820, 0.860]``; an unknown bound is a question mark."""
    divisor, _ = _scale(estimate.value, estimate.unit)
    bounds = ("?" if bound is None else digits(bound / divisor) for bound in (estimate.low, estimate.high))
    return f"[{', '.join(bounds)}]"


def measured(estimate: Estimate) -> str:
    """Value and interval, or the value and why it has none."""
    value = amount(estimate.value, estimate.unit)
    if estimate.low is None and estimate.high is None:
        return f"{value} (no interval)"
    return f"{value} {interval(estimate)}"


def spoken(value: float, unit: str) -> str:
    """A figure as one would say it, without zeros behind the point: ``10 MiB``."""
    number, _, name = amount(value, unit).partition(" ")
    return f"{number.rstrip('0').rstrip('.') if '.' in number else number} {name}".rstrip()


def bounds(estimate: Estimate) -> str:
    """The interval with what it rests on, ``[0.820, 0.860], n = 9 steps``, or why there is none."""
    if estimate.low is None and estimate.high is None:
        return f"no interval, {size(estimate)}"
    return f"{interval(estimate)}, {size(estimate)}"


def cost(estimate: Estimate) -> str:
    """What something takes; where nothing at all is within the interval, only what it takes *at most*."""
    if estimate.low is not None and estimate.low <= 0 and estimate.high is not None:
        return f"at most {amount(estimate.high, estimate.unit)}"
    return amount(estimate.value, estimate.unit)


def costs(estimate: Estimate) -> str:
    """The same with the interval, and why nothing more can be said."""
    if cost(estimate).startswith("at most"):
        return f"{cost(estimate)} (slope {measured(estimate)}, lost in what else the host did)"
    return measured(estimate)


def size(estimate: Estimate) -> str:
    """How many observations of what the estimate rests on: ``n = 9 steps``."""
    of = estimate.of.removesuffix("s") if estimate.n == 1 else estimate.of
    return f"n = {estimate.n} {of}"


def listed(parts: Sequence[str]) -> str:
    """Parts joined as a sentence joins them: ``a``, ``a and b``, ``a, b and c``."""
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)


def sentence(text: str) -> str:
    """The text with a capital first letter and a full stop."""
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "!", "?")) else ".")


def _scale(value: float, unit: str) -> tuple[float, str]:
    value = float(f"{value:.3g}")  # as it will be shown: 999.6 ms is 1.00 s
    for least, divisor, name in _SCALES.get(unit, ((0.0, 1.0, unit),)):
        if abs(value) >= least:
            return divisor, name
    return 1.0, unit

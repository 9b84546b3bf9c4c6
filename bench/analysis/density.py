"""How many instances this host would hold, by every limit that is known, and which of them binds."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bench.analysis.estimate import Estimate
from bench.analysis.ratio import divide, percentile_interval
from bench.analysis.slopes import DRAWS, draw

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from bench.analysis.estimate import Slope
    from bench.analysis.treatments import Treatment
    from bench.results import Limit


@dataclass(frozen=True, slots=True)
class Capacity:
    """How many instances one resource alone would hold; ``measured`` if by this run's own slope, else as planned."""

    resource: str
    holds: float
    low: float | None
    high: float | None
    measured: bool
    raise_hint: str


@dataclass(frozen=True, slots=True)
class Density:
    """All capacities of one driver, scarcest first; ``usable_bytes`` and ``slope`` are what the memory row is made of.

    Usable is what was available before the first instance, less the reserve of the preflight.
    """

    driver: str
    capacities: tuple[Capacity, ...]
    tried: int
    usable_bytes: float | None
    reserve_bytes: float
    slope: Slope | None

    @property
    def binding(self) -> Capacity | None:
        """The resource that runs out first."""
        return self.capacities[0] if self.capacities else None

    @property
    def beyond(self) -> float | None:
        """How many times as many as were really run."""
        return self.binding.holds / self.tried if self.binding and self.tried else None

    @property
    def ceiling(self) -> float:
        """The scarcest of the limits that are not measured memory."""
        return min((capacity.holds for capacity in self.capacities if not capacity.measured), default=math.inf)


def density(treatment: Treatment, limits: Sequence[Limit]) -> Density:
    """What the host would hold of this treatment: by measured memory, and by the limits of the preflight."""
    own = [limit for limit in limits if limit.driver == treatment.driver]
    memory = next((limit for limit in own if is_memory(limit)), None)
    reserve = memory.fixed if memory else 0.0
    slope, available = treatment.memory.slope, treatment.memory.available_bytes
    capacities = [_by_limit(limit) for limit in own if limit.per_instance > 0 and limit is not memory]
    if slope is None or available is None or slope.estimate.value <= 0:
        capacities += [_by_limit(memory)] if memory and memory.per_instance > 0 else []
        slope = usable = None
    else:
        usable = max(0.0, available - reserve)
        capacities.append(_by_memory(slope.estimate, usable, memory.raise_hint if memory else ""))
    capacities.sort(key=lambda capacity: capacity.holds)
    return Density(treatment.driver, tuple(capacities), treatment.per_block, usable, reserve, slope)


def is_memory(limit: Limit) -> bool:
    """Whether the limit is the host's memory, which a run measures better than a preflight can foretell."""
    return "memory" in limit.resource.lower() and limit.unit == "bytes"


def _by_memory(each: Estimate, usable: float, hint: str) -> Capacity:
    low = usable / each.high if each.high is not None else None
    high = usable / each.low if each.low is not None and each.low > 0 else None
    return Capacity("memory", usable / each.value, low, high, measured=True, raise_hint=hint)


def _by_limit(limit: Limit) -> Capacity:
    holds = max(0.0, (limit.available - limit.fixed) / limit.per_instance)
    return Capacity(limit.resource, holds, holds, holds, measured=False, raise_hint=limit.raise_hint)


def density_ratio(many: Density, few: Density, seed: int) -> Estimate | None:
    """How many times as many of the one as of the other, each by the limit that binds it."""
    if many.binding is None or few.binding is None or few.binding.holds < 1:
        return None
    value = many.binding.holds / few.binding.holds
    slopes = [density.slope for density in (many, few) if density.slope]
    n = min((slope.estimate.n for slope in slopes), default=0)
    of = slopes[0].estimate.of if slopes else "limits"
    if any(slope.error is None for slope in slopes):
        return Estimate(value, None, None, n, "times", of, "one of the two has no interval")
    drawn = divide(_draws(many, seed), _draws(few, seed + 1))
    return Estimate(value, *percentile_interval(drawn), n, "times", of)


def _draws(density: Density, seed: int) -> NDArray[np.float64]:
    if density.slope is None or density.usable_bytes is None:
        return np.full(DRAWS, density.ceiling)
    slopes = draw(density.slope, seed)
    return np.minimum(divide(np.full(slopes.shape, density.usable_bytes), slopes), density.ceiling)

"""Before anything is touched: what the run needs of each resource, against what the host has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.workload import HostCannot

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bench.results import Limit


@dataclass(frozen=True, slots=True)
class Check:
    """One resource for one treatment: how much ``count`` instances demand of what is available."""

    limit: Limit
    count: int

    @property
    def demand(self) -> float:
        """In the limit's unit."""
        return self.limit.fixed + self.limit.per_instance * self.count

    @property
    def holds(self) -> bool:
        """Whether the host has enough."""
        return self.demand <= self.limit.available

    @property
    def load(self) -> float:
        """Demand as a share of what is available."""
        return self.demand / self.limit.available if self.limit.available > 0 else float("inf")


def refuse_impossible(checks: Iterable[Check]) -> None:
    """Raise `HostCannot` for the resource that is short by most: the one that binds."""
    short = [check for check in checks if not check.holds]
    if short:
        binding = max(short, key=lambda check: check.load)
        raise HostCannot(describe(binding), binding.limit.raise_hint)


def describe(check: Check) -> str:
    """``1000 containers need 4,000 pids, this host has 3,000``."""
    limit = check.limit
    demand, available = readable(check.demand, limit.unit), readable(limit.available, limit.unit)
    return f"{check.count} x {limit.driver}: {limit.resource}: needs {demand}, this host has {available}"


def readable(amount: float, unit: str) -> str:
    """A count with separators, or bytes in the largest binary unit that keeps it above one."""
    if unit != "bytes":
        return f"{amount:,.0f} {unit}"
    for name, size in (("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if amount >= size:
            return f"{amount / size:,.1f} {name}"
    return f"{amount:,.0f} bytes"

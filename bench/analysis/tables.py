"""Questions that are asked of the table of samples."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.analysis.ranks import Distribution, distribution

if TYPE_CHECKING:
    import pandas as pd

    from bench.analysis.line import Point

OK = "ok"


def rows(samples: pd.DataFrame, driver: str, metric: str) -> pd.DataFrame:
    """All samples of one metric of one driver, whatever came of them."""
    return samples[(samples["driver"] == driver) & (samples["metric"] == metric)]


def values(samples: pd.DataFrame, driver: str, metric: str) -> tuple[float, ...]:
    """What was really observed of one metric, in the order in which it was taken."""
    found = rows(samples, driver, metric)
    return tuple(float(value) for value in found.loc[found["outcome"] == OK, "value"])


def observed(samples: pd.DataFrame, driver: str, metric: str, unit: str, of: str = "instances") -> Distribution:
    """The distribution of one metric, with what did not come to an end counted as censored."""
    found = rows(samples, driver, metric)
    seen = values(samples, driver, metric)
    return distribution(seen, len(found) - len(seen), unit=unit, of=of)


def readings(samples: pd.DataFrame, driver: str, metric: str) -> dict[int, tuple[Point, ...]]:
    """Per block, (instances running, value), by rising number of instances."""
    found = rows(samples, driver, metric)
    found = found[found["outcome"] == OK]
    return {
        int(str(block)): tuple(sorted(zip(part["running"].astype(float), part["value"], strict=True)))
        for block, part in found.groupby("block")
    }


def attempted(samples: pd.DataFrame, driver: str, metric: str) -> set[tuple[int, str]]:
    """(block, instance) of every sample of the metric."""
    return _instances(rows(samples, driver, metric))


def succeeded(samples: pd.DataFrame, driver: str, metric: str) -> set[tuple[int, str]]:
    """(block, instance) of every sample of the metric that came to its end."""
    found = rows(samples, driver, metric)
    return _instances(found[found["outcome"] == OK])


def _instances(found: pd.DataFrame) -> set[tuple[int, str]]:
    return {(int(block), str(name)) for block, name in zip(found["block"], found["instance"], strict=True)}

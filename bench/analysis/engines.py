"""What a run of engines says: times of each, how many times ours the others' are, and whether that is enough."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bench.analysis.ratio import ratio_of_medians
from bench.analysis.tables import observed, values
from bench.engines.operation import OPERATIONS, TARE, Key
from bench.results import SCHEMA_VERSION

if TYPE_CHECKING:
    from pathlib import Path

    from bench.analysis.estimate import Estimate
    from bench.analysis.ranks import Distribution
    from bench.engines.operation import Operation
    from bench.loading import Run
    from bench.results import Absent, Manifest

_METRIC = "operation"
_MS_PER_S = 1000.0


@dataclass(frozen=True, slots=True)
class Measured:
    """One engine with one operation; ``times_ours`` is its median over ours."""

    key: Key
    each: Distribution
    times_ours: Estimate | None


@dataclass(frozen=True, slots=True)
class Reached:
    """Whether we are as quick as we want to be: ``yes`` and ``no`` only where all of the interval says so."""

    operation: Operation
    found: Estimate | None
    verdict: str


@dataclass(frozen=True, slots=True)
class EnginesSummary:
    """One run, analysed."""

    run_dir: Path
    manifest: Manifest
    measured: tuple[Measured, ...]
    reached: tuple[Reached, ...]
    absent: tuple[Absent, ...]

    def of(self, operation: str) -> tuple[Measured, ...]:
        """All engines with this operation."""
        return tuple(one for one in self.measured if one.key.operation == operation)


def engines_summary(run: Run) -> EnginesSummary:
    """Analyse a run, whole or broken off; the same run gives the same summary."""
    keys = [Key.parse(plan.driver) for plan in run.manifest.plan.treatments]
    measured = tuple(Measured(key, _each(run, key), _times_ours(run, key)) for key in keys)
    operations = dict.fromkeys(key.operation for key in keys if key.engine == TARE)
    reached = tuple(_reached(run, OPERATIONS[name]) for name in OPERATIONS if name in operations)
    return EnginesSummary(run.run_dir, run.manifest, measured, reached, run.manifest.absent)


def _each(run: Run, key: Key) -> Distribution:
    return observed(run.samples, str(key), _METRIC, "ms")


def _times_ours(run: Run, key: Key) -> Estimate | None:
    ours = Key(TARE, key.operation)
    if key == ours:
        return None
    above, below = (values(run.samples, str(one), _METRIC) for one in (key, ours))
    return ratio_of_medians(above, below, run.manifest.plan.seed)


def _reached(run: Run, operation: Operation) -> Reached:
    target = operation.target
    if target.peer:
        found = _times_ours(run, Key(target.peer, operation.name))
        return Reached(operation, found, verdict(found, target.times))
    found = _each(run, Key(TARE, operation.name)).median()
    return Reached(operation, found, verdict(found, target.below_s * _MS_PER_S, below=True))


def verdict(found: Estimate | None, wanted: float, *, below: bool = False) -> str:
    """``yes``, ``no``, ``unclear`` when the interval holds both or there is none, ``not measured``."""
    if found is None:
        return "not measured"
    if found.low is None and found.high is None:
        return "unclear"
    low = found.value if found.low is None else found.low
    high = found.value if found.high is None else found.high
    least, most = (-high, -low) if below else (low, high)
    bound = -wanted if below else wanted
    if least >= bound:
        return "yes"
    return "no" if most < bound else "unclear"


def engines_document(summary: EnginesSummary) -> dict[str, Any]:
    """What ``bench engines --json`` prints; times in ms, unknown is null."""
    manifest, certificate = summary.manifest, summary.manifest.certificate
    return {
        "schema_version": SCHEMA_VERSION,
        "run_id": manifest.run_id,
        "run_dir": str(summary.run_dir),
        "status": manifest.status,
        "reason": manifest.reason,
        "elapsed_s": manifest.elapsed_s,
        "seed": manifest.plan.seed,
        "measured": [_measured_document(one) for one in summary.measured],
        "targets": [
            {
                "operation": one.operation.name,
                "target": str(one.operation.target),
                "found": _value(one.found),
                "interval": _interval(one.found),
                "reached": one.verdict,
            }
            for one in summary.reached
        ],
        "absent": [{"name": one.name, "reason": one.reason} for one in summary.absent],
        "certificate": certificate
        and {"clean": certificate.clean, "left": list(certificate.left), "foreign": list(certificate.foreign)},
    }


def _measured_document(one: Measured) -> dict[str, Any]:
    median = one.each.median()
    return {
        "engine": one.key.engine,
        "operation": one.key.operation,
        "n": one.each.n,
        "failed": one.each.censored,
        "median_ms": _value(median),
        "interval_ms": _interval(median),
        "times_ours": _value(one.times_ours),
        "times_ours_interval": _interval(one.times_ours),
    }


def _value(estimate: Estimate | None) -> float | None:
    return None if estimate is None else estimate.value


def _interval(estimate: Estimate | None) -> list[float | None] | None:
    return None if estimate is None else [estimate.low, estimate.high]

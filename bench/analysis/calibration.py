"""What a run of the calibration says: times for each treatment, beside the floor's and runc's; memory; teardown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bench.analysis.memory import marginal_memory
from bench.analysis.ranks import distribution
from bench.analysis.ratio import ratio_of_medians
from bench.analysis.tables import observed, values
from bench.calibration.treatment import FLOOR, RUNC, Key
from bench.results import SCHEMA_VERSION

if TYPE_CHECKING:
    from pathlib import Path

    from bench.analysis.estimate import Estimate
    from bench.analysis.ranks import Distribution
    from bench.loading import Run
    from bench.results import Absent, Manifest

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Calibrated:
    """One treatment: ``each`` launch by itself, and, per container, ``mean`` of all together and ``teardown``.

    ``to_floor`` and ``to_runc`` are ratios of medians, to the same treatment of the floor, and to runc's with as many
    at once (it is without a network).
    """

    key: Key
    each: Distribution
    mean: Distribution
    teardown: Distribution
    memory: Estimate | None
    missing_memory: str
    to_floor: Estimate | None
    to_runc: Estimate | None


@dataclass(frozen=True, slots=True)
class CalibrationSummary:
    """One run, analysed; it has no virtual machines."""

    run_dir: Path
    manifest: Manifest
    treatments: tuple[Calibrated, ...]
    absent: tuple[Absent, ...]
    virtualisation: None = None

    def named(self, name: str, *, network: bool, parallel: int = 1) -> Calibrated | None:
        """The treatment, if the run had it."""
        return next((one for one in self.treatments if one.key == Key(name, network, parallel)), None)


def calibrate_summary(run: Run) -> CalibrationSummary:
    """Analyse a run, whole or broken off; the same run gives the same summary."""
    treatments = tuple(_treatment(run, Key.parse(plan.driver)) for plan in run.manifest.plan.treatments)
    return CalibrationSummary(run.run_dir, run.manifest, treatments, run.manifest.absent)


def _treatment(run: Run, key: Key) -> Calibrated:
    samples, driver = run.samples, str(key)
    count = next(plan.count for plan in run.manifest.plan.treatments if plan.driver == driver)
    memory = marginal_memory(samples, driver)
    return Calibrated(
        key=key,
        each=observed(samples, driver, "launch", "ms"),
        mean=_per_container(run, driver, "all_launched", count),
        teardown=_per_container(run, driver, "teardown", count),
        memory=memory.estimate,
        missing_memory=memory.missing if key.parallel == 1 else "it is read where they are launched one by one",
        to_floor=_ratio(run, key, Key(FLOOR, key.network, key.parallel)),
        to_runc=_ratio(run, key, Key(RUNC, network=False, parallel=key.parallel)),
    )


def _per_container(run: Run, driver: str, metric: str, count: int) -> Distribution:
    return distribution((value / count for value in values(run.samples, driver, metric)), unit="ms", of="blocks")


def _ratio(run: Run, key: Key, other: Key) -> Estimate | None:
    above, below = (values(run.samples, str(one), "launch") for one in (key, other))
    return ratio_of_medians(above, below, run.manifest.plan.seed)


def calibration_document(summary: CalibrationSummary) -> Document:
    """What ``bench calibrate --json`` prints; times in ms for each container, memory in bytes; unknown is null."""
    manifest = summary.manifest
    report = summary.run_dir / "report.html"
    certificate = manifest.certificate
    return {
        "schema_version": SCHEMA_VERSION,
        "run_id": manifest.run_id,
        "run_dir": str(summary.run_dir),
        "report": str(report) if report.exists() else None,
        "status": manifest.status,
        "reason": manifest.reason,
        "elapsed_s": manifest.elapsed_s,
        "seed": manifest.plan.seed,
        "rounds": manifest.plan.blocks,
        "treatments": [_treatment_document(one) for one in summary.treatments],
        "absent": [{"name": one.name, "network": one.what, "reason": one.reason} for one in summary.absent],
        "certificate": certificate
        and {"clean": certificate.clean, "left": list(certificate.left), "foreign": list(certificate.foreign)},
    }


def _treatment_document(one: Calibrated) -> Document:
    return {
        "name": one.key.name,
        "n": one.each.n,
        "failed": one.each.censored,
        "network": one.key.network,
        "parallel": one.key.parallel,
        "per_container_ms": {
            "median": _value(one.each.median()),
            "p99": _value(one.each.quantile(0.99)),
            "mean": _value(one.mean.median()),
        },
        "teardown_ms": _value(one.teardown.median()),
        "memory_bytes": _value(one.memory),
        "memory_interval_bytes": [one.memory.low, one.memory.high] if one.memory else None,
        "to_floor": _value(one.to_floor),
        "to_runc": _value(one.to_runc),
    }


def _value(estimate: Estimate | None) -> float | None:
    return None if estimate is None else estimate.value

"""The summary as one JSON document: what ``bench … --json`` prints. What is not known is null, never 0."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from bench.results import SCHEMA_VERSION

if TYPE_CHECKING:
    from bench.analysis.density import Capacity, Density
    from bench.analysis.estimate import Estimate
    from bench.analysis.memory import Definition, MarginalMemory
    from bench.analysis.ranks import Distribution
    from bench.analysis.summary import Summary
    from bench.analysis.treatments import Treatment
    from bench.analysis.verdicts import Judgement

Document = dict[str, Any]


def summary_document(summary: Summary) -> Document:
    """Everything a program needs to go on with; paths as strings, times in ms, memory in bytes."""
    manifest = summary.manifest
    report = summary.run_dir / "report.html"
    return {
        "schema_version": SCHEMA_VERSION,
        "run_id": manifest.run_id,
        "run_dir": str(summary.run_dir),
        "report": str(report) if report.exists() else None,
        "status": manifest.status,
        "reason": manifest.reason,
        "elapsed_s": manifest.elapsed_s,
        "seed": manifest.plan.seed,
        "blocks": manifest.plan.blocks,
        "image": {"reference": manifest.workload.image, "digest": manifest.workload.image_digest},
        "accelerator": _accelerator(summary),
        "treatments": [_treatment(treatment) for treatment in summary.treatments],
        "container_less_process_bytes": _estimate(summary.box),
        "vm_to_container": {metric: _estimate(ratio) for metric, ratio in summary.ratios.items()},
        "density": [_density(density) for density in summary.densities],
        "claims": [_claim(judgement) for judgement in summary.claims],
        "certificate": _certificate(summary),
    }


def _accelerator(summary: Summary) -> Document | None:
    facts = summary.manifest.accelerator
    if facts is None:
        return None
    how = summary.virtualisation
    return {"name": facts.name, "reason": facts.reason, "label": how.label if how else facts.name}


def _treatment(treatment: Treatment) -> Document:
    return {
        "driver": treatment.driver,
        "requested": treatment.requested,
        "answered": treatment.answered,
        "failed": treatment.failed,
        "launch_ms": _distribution(treatment.launch),
        "first_answer_ms": _distribution(treatment.first_answer),
        "fleet_answer_ms": _distribution(treatment.fleet_answer),
        "teardown_ms": _distribution(treatment.teardown),
        "answering": list(treatment.answering),
        "marginal_memory_bytes": _marginal(treatment.memory),
        "memory_definitions": [_definition(definition) for definition in treatment.definitions],
    }


def _distribution(distribution: Distribution) -> Document | None:
    if distribution.n == 0:
        return None
    document: Document = {"n": distribution.n, "failed": distribution.censored, "of": distribution.of}
    for name, p in (("median", 0.5), ("p95", 0.95), ("p99", 0.99)):
        document |= _named_quantile(name, distribution.quantile(p))
    seen = distribution.values
    return document | {"min": seen[0] if seen else None, "max": seen[-1] if seen else None}


def _named_quantile(name: str, estimate: Estimate | None) -> Document:
    if estimate is None:
        return {name: None, f"{name}_low": None, f"{name}_high": None}
    return {name: estimate.value, f"{name}_low": estimate.low, f"{name}_high": estimate.high}


def _estimate(estimate: Estimate | None) -> Document | None:
    if estimate is None:
        return None
    return {"estimate": estimate.value, "low": estimate.low, "high": estimate.high, "n": estimate.n,
            "unit": estimate.unit, "unit_of_analysis": estimate.of, "note": estimate.note or None}


def _marginal(memory: MarginalMemory) -> Document | None:
    document = _estimate(memory.estimate)
    if document is None:
        return None
    checked = memory.held_out
    robust = [fit.robust for fit in memory.fits if fit.robust is not None]
    return document | {"robust_slopes": robust, "held_out": checked and {
        "fitted_to": checked.fitted_to, "n": checked.n,
        "median_relative_error": checked.median_error, "largest_relative_error": checked.largest_error,
    }}


def _definition(definition: Definition) -> Document:
    return {"definition": definition.metric, "value": _estimate(definition.estimate),
            "missing": definition.missing or None}


def _density(density: Density) -> Document:
    binding = density.binding
    return {
        "driver": density.driver,
        "tried": density.tried,
        "holds": _whole(binding.holds if binding else None),
        "low": _whole(binding.low if binding else None),
        "high": _whole(binding.high if binding else None),
        "binding": binding.resource if binding else None,
        "limits": [_capacity(capacity) for capacity in density.capacities],
    }


def _capacity(capacity: Capacity) -> Document:
    return {"resource": capacity.resource, "holds": _whole(capacity.holds), "low": _whole(capacity.low),
            "high": _whole(capacity.high), "measured": capacity.measured, "raise_hint": capacity.raise_hint or None}


def _whole(holds: float | None) -> int | None:
    return math.floor(holds) if holds is not None and math.isfinite(holds) else None


def _claim(judgement: Judgement) -> Document:
    claim = judgement.claim
    return {
        "id": claim.id, "wording": claim.wording, "verdict": str(judgement.verdict),
        "estimate": _estimate(judgement.estimate), "sense": claim.sense, "threshold": claim.threshold,
        "reason": judgement.reason, "flips_when": judgement.flips_when,
    }


def _certificate(summary: Summary) -> Document | None:
    certificate = summary.manifest.certificate
    if certificate is None:
        return None
    return {"clean": certificate.clean, "left": list(certificate.left), "foreign": list(certificate.foreign)}

"""Everything the manifest says about the run, its workload and its host, as rows of name and value."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.analysis.wording import amount, spoken
from reports.figure import Table
from reports.words import NONE, label

if TYPE_CHECKING:
    from bench.results import HostFacts, Limit, Manifest
    from reports.words import AnySummary

_UNKNOWN = "not known"


def environment_tables(summary: AnySummary) -> tuple[Table, ...]:
    """Run, workload, machine and preflight."""
    manifest = summary.manifest
    return (
        _facts("The run", _run_rows(manifest)),
        _facts("The workload, equal for all treatments", _workload_rows(manifest)),
        _facts("The host", _host_rows(manifest.host)),
        _facts("Virtual machines", _accelerator_rows(summary)),
        _facts("Versions", tuple(sorted(manifest.host.versions.items()))),
        _facts("Mitigations of the processor's flaws", tuple(sorted(manifest.host.mitigations.items()))),
        _preflight(summary),
    )


def _facts(caption: str, rows: tuple[tuple[str, str], ...]) -> Table:
    return Table(caption, ("", ""), rows or (("", NONE),))


def _run_rows(manifest: Manifest) -> tuple[tuple[str, str], ...]:
    order = "; ".join(f"block {block + 1}: {', '.join(drivers)}" for block, drivers in enumerate(manifest.plan.order))
    elapsed = _UNKNOWN if manifest.elapsed_s is None else amount(manifest.elapsed_s * 1000, "ms")
    return (
        ("run", manifest.run_id),
        ("command", " ".join(manifest.command)),
        ("status", manifest.status + (f": {manifest.reason}" if manifest.reason else "")),
        ("started", manifest.started_at),
        ("finished", manifest.finished_at or _UNKNOWN),
        ("took", elapsed),
        ("blocks", str(manifest.plan.blocks)),
        ("order", order or NONE),
        ("seed of the order and the bootstrap", str(manifest.plan.seed)),
        ("Tare", manifest.tool_version),
    )


def _workload_rows(manifest: Manifest) -> tuple[tuple[str, str], ...]:
    workload = manifest.workload
    return (
        ("image", workload.image),
        ("manifest digest", workload.image_digest),
        ("memory limit or RAM", amount(workload.memory_bytes, "bytes")),
        ("CPUs", f"{workload.cpus:g}"),
        ("limit of processes", str(workload.pids_limit)),
        ("probe", f"HTTP GET {workload.path} on port {workload.port}"),
    )


def _host_rows(host: HostFacts) -> tuple[tuple[str, str], ...]:
    return (
        ("system", host.os),
        ("kernel", host.kernel),
        ("architecture", host.architecture),
        ("processor", f"{host.cpu_model}, {host.cpus} CPUs"),
        ("memory", amount(host.memory_bytes, "bytes")),
        ("swap", amount(host.swap_bytes, "bytes") if host.swap_bytes else "none"),
        ("control groups", host.cgroup_version),
        ("itself virtual", host.virtualization or "no, or not known"),
        ("kernel same-page merging", host.ksm or _UNKNOWN),
        ("transparent huge pages", host.thp or _UNKNOWN),
    )


def _accelerator_rows(summary: AnySummary) -> tuple[tuple[str, str], ...]:
    facts = summary.manifest.accelerator
    if facts is None:
        return (("", "none were run"),)
    name = summary.virtualisation.label if summary.virtualisation else facts.name
    cached = " (found by an earlier run)" if facts.cached else ""
    return (("run", name), ("why", facts.reason), ("finding out took", amount(facts.probe_s * 1000, "ms") + cached))


def _preflight(summary: AnySummary) -> Table:
    rows = tuple(_limit_row(summary, limit) for limit in summary.manifest.limits)
    columns = ("", "once", "each", "the host has")
    return Table("Preflight: what instances need against what the host has", columns, rows or (("", NONE, NONE, NONE),))


def _limit_row(summary: AnySummary, limit: Limit) -> tuple[str, ...]:
    quantities = (limit.fixed, limit.per_instance, limit.available)
    return f"{label(summary, limit.driver)}: {limit.resource}", *(_quantity(value, limit.unit) for value in quantities)


def _quantity(value: float, unit: str) -> str:
    return spoken(value, unit)

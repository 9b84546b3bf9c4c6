"""A manifest of made-up values, for tests that write run directories."""

from __future__ import annotations

from bench.results import (
    SCHEMA_VERSION,
    CertificateFacts,
    HostFacts,
    Limit,
    Manifest,
    Plan,
    TreatmentPlan,
    WorkloadFacts,
)
from bench.workload import Requirement


def manifest() -> Manifest:
    """Every field has a value."""
    return Manifest(
        schema_version=SCHEMA_VERSION,
        run_id="20300101-000000-abcd",
        tool_version="1",
        command=("bench", "density"),
        started_at="2030-01-01T00:00:00+00:00",
        status="running",
        plan=Plan("density", 1, 7, (TreatmentPlan("container", 2, (0, 1, 2)),), (("container",),)),
        workload=WorkloadFacts("website:1", "sha256:00", 1 << 27, 1.0, 256, 8080, "/"),
        host=HostFacts("Debian", "6.1", "x86_64", "cpu", 2, 1 << 34, 0, "2", None, {"spectre": "no"}, None, None, {}),
        limits=(Limit.of("container", Requirement("memory", "bytes", 1.0, 2.0, 3.0, "add")),),
        certificate=CertificateFacts(clean=False, left=("link tare0",), foreign=()),
    )

"""Run directories whose true parameters are known, written through the real `RunWriter`."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bench.results import (
    SCHEMA_VERSION,
    AcceleratorFacts,
    CertificateFacts,
    HostFacts,
    Limit,
    Manifest,
    Plan,
    RunWriter,
    Sample,
    TreatmentPlan,
    WorkloadFacts,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MIB = 1024 * 1024
GIB = 1024 * MIB


@dataclass(frozen=True, slots=True)
class Truth:
    """What is true of one driver's instances; times in ms, memory in bytes."""

    marginal: float
    noise: float
    launch: float
    first_answer: float
    spread: float
    memory: dict[str, float]


TRUTHS: dict[str, Truth] = {
    "container": Truth(
        0.82 * MIB,
        0.25 * MIB,
        3.1,
        11.5,
        0.18,
        {"pss": 0.11 * MIB, "rss": 0.72 * MIB, "cgroup": 0.46 * MIB, "configured": 64 * MIB},
    ),
    "process": Truth(0.31 * MIB, 0.25 * MIB, 0.9, 5.2, 0.15, {"pss": 0.11 * MIB, "rss": 0.72 * MIB}),
    "vm": Truth(
        96.5 * MIB,
        2.4 * MIB,
        380.0,
        4_300.0,
        0.12,
        {"pss": 101 * MIB, "rss": 131 * MIB, "cgroup": 88 * MIB, "configured": 128 * MIB, "guest_used": 31 * MIB},
    ),
}


@dataclass(frozen=True, slots=True)
class Scenario:
    """What a synthetic run is like; the defaults are the project's main command under emulation."""

    counts: dict[str, int] = field(default_factory=lambda: {"container": 200, "process": 200, "vm": 10})
    steps: int = 8
    blocks: int = 1
    seed: int = 20140613
    accelerator: str | None = "tcg"
    image: str = "website:1"
    timeouts: dict[str, int] = field(default_factory=dict)
    status: str = "complete"
    reason: str | None = None
    clean: bool = True
    truths: dict[str, Truth] = field(default_factory=lambda: dict(TRUTHS))
    available: float = 22.4 * GIB
    ports: int = 4 * 1023


def write_run(run_dir: Path, scenario: Scenario | None = None) -> Path:
    """Write a run directory of the scenario and return it."""
    scenario = scenario or Scenario()
    rng = random.Random(scenario.seed)  # noqa: S311 - made-up measurements
    with RunWriter(run_dir, manifest(scenario)) as writer:
        for block in range(scenario.blocks):
            for plan in writer.manifest.plan.treatments:
                writer.samples(*_treatment(scenario, rng, block, plan))
        if scenario.status != "running":
            writer.update(**_ending(scenario))
    return run_dir


def steps_up_to(count: int, steps: int) -> tuple[int, ...]:
    """0, count and what lies evenly between."""
    return tuple(sorted({round(count * step / steps) for step in range(steps + 1)}))


def manifest(scenario: Scenario) -> Manifest:
    """The manifest as it stands when the scenario's run begins."""
    plans = tuple(
        TreatmentPlan(driver, count, steps_up_to(count, scenario.steps if count > 20 else 5))
        for driver, count in scenario.counts.items()
    )
    order = tuple(tuple(plan.driver for plan in plans) for _ in range(scenario.blocks))
    return Manifest(
        schema_version=SCHEMA_VERSION,
        run_id="20140613T120000-7f3a",
        tool_version="0.1.0",
        command=("bench", "density", "--containers", "200", "--vms", "10"),
        started_at="2014-06-13T12:00:00+00:00",
        status="running",
        plan=Plan("density", scenario.blocks, scenario.seed, plans, order),
        workload=WorkloadFacts(scenario.image, "sha256:" + "5e" * 32, 128 * MIB, 0.5, 64, 8080, "/"),
        host=_host(),
        limits=_limits(scenario),
        accelerator=_accelerator(scenario),
    )


def _host() -> HostFacts:
    return HostFacts(
        os="Debian GNU/Linux 12 (bookworm)",
        kernel="6.1.0-18-amd64",
        architecture="x86_64",
        cpu_model="Example CPU @ 2.60GHz",
        cpus=2,
        memory_bytes=24 * GIB,
        swap_bytes=0,
        cgroup_version="v1 (hybrid)",
        virtualization=None,
        mitigations={"meltdown": "Not affected", "spectre_v2": "Mitigation: Retpolines"},
        ksm=None,
        thp="always [madvise] never",
        versions={"python": "3.11.2", "libvirt": "9.0.0", "qemu": "7.2.9"},
    )


def _limits(scenario: Scenario) -> tuple[Limit, ...]:
    hints = {
        "memory": "use a host with more memory",
        "ports": "spread the instances over more bridges",
        "pids": "sysctl kernel.pid_max=4194304",
    }
    return tuple(
        limit
        for driver, count in scenario.counts.items()
        if count > 0
        for limit in (
            Limit(
                driver,
                "memory",
                "bytes",
                200 * MIB,
                scenario.truths[driver].marginal * 1.5,
                scenario.available,
                hints["memory"],
            ),
            Limit(driver, "bridge ports", "ports", 0, 1, scenario.ports, hints["ports"]),
            Limit(driver, "process ids", "pids", 30, 3 if driver == "vm" else 1, 32_768, hints["pids"]),
            Limit(driver, "disk space of /var/lib/tare", "bytes", 0, 65_536 * (driver == "container"), 40 * GIB, ""),
        )
    )


def _accelerator(scenario: Scenario) -> AcceleratorFacts | None:
    if scenario.accelerator is None or not scenario.counts.get("vm"):
        return None
    reasons = {"kvm": "the probe guest answered", "tcg": "KVM opened, but the probe guest hung for 2 s"}
    return AcceleratorFacts(scenario.accelerator, reasons[scenario.accelerator], 2.1, cached=False)


def _ending(scenario: Scenario) -> dict[str, object]:
    left = () if scenario.clean else ("link tare3", "cgroup /tare/7f3a")
    return {
        "status": scenario.status,
        "reason": scenario.reason,
        "finished_at": "2014-06-13T12:01:12+00:00",
        "elapsed_s": 72.4,
        "certificate": CertificateFacts(scenario.clean, left, ("process 4711 cron",)),
    }


def _treatment(scenario: Scenario, rng: random.Random, block: int, plan: TreatmentPlan) -> Iterator[Sample]:
    if plan.count == 0:
        return
    truth = scenario.truths[plan.driver]
    yield from _answers(scenario, rng, block, plan)
    for running in plan.steps:
        yield from _host_memory(scenario, rng, block, running, plan.driver)
    for number in range(plan.count):
        yield from _own_memory(rng, block, plan, number, truth)
    for metric, unit, value in (
        ("fleet_answer", "ms", truth.first_answer * plan.count * 0.3),
        ("answering", "instances", plan.count - scenario.timeouts.get(plan.driver, 0)),
        ("teardown", "ms", truth.launch * plan.count * 0.8),
    ):
        yield Sample(
            _now(rng),
            block,
            plan.driver,
            plan.count,
            "",
            metric,
            unit,
            value * rng.uniform(0.99, 1.01) if unit == "ms" else value,
        )


def _answers(scenario: Scenario, rng: random.Random, block: int, plan: TreatmentPlan) -> Iterator[Sample]:
    truth = scenario.truths[plan.driver]
    fail_from = plan.count - scenario.timeouts.get(plan.driver, 0)
    for number in range(plan.count):
        name, slow = f"{plan.driver}-{block}-{number}", rng.lognormvariate(0, truth.spread)
        launch = truth.launch * rng.lognormvariate(0, truth.spread)
        yield Sample(_now(rng), block, plan.driver, number, name, "launch", "ms", launch)
        if number >= fail_from:
            yield Sample(_now(rng), block, plan.driver, number, name, "first_answer", "ms", 30_000.0, "timeout")
        else:
            yield Sample(_now(rng), block, plan.driver, number, name, "first_answer", "ms", truth.first_answer * slow)


def _host_memory(scenario: Scenario, rng: random.Random, block: int, running: int, driver: str) -> Iterator[Sample]:
    truth = scenario.truths[driver]
    available = scenario.available - truth.marginal * running + rng.gauss(0, truth.noise)
    others = {"host_free": available - 2 * GIB, "host_cached": 1.9 * GIB}
    for metric, value in {"host_available": available, **others}.items():
        yield Sample(_now(rng), block, driver, running, "", metric, "bytes", value)


def _own_memory(rng: random.Random, block: int, plan: TreatmentPlan, number: int, truth: Truth) -> Iterator[Sample]:
    for metric, typical in truth.memory.items():
        value = typical if metric == "configured" else typical * rng.lognormvariate(0, 0.03)
        name = f"{plan.driver}-{block}-{number}"
        yield Sample(_now(rng), block, plan.driver, plan.count, name, metric, "bytes", value)


def _now(rng: random.Random) -> int:
    return rng.randrange(10**9, 10**12)

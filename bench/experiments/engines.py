"""Engines beside each other: what their users do, in rounds whose order the seed decides."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.drivers import resources
from bench.engines.operation import Key
from bench.experiments.experiment import Experiment, Prepared
from bench.metrics import METRICS
from bench.preflight import Check, refuse_impossible
from bench.results import Absent, Limit, Plan, Sample, TreatmentPlan
from bench.workload import HostCannot, WorkloadError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.context import RunContext
    from bench.engines.candidate import Candidate
    from bench.engines.ground import EngineGround
    from bench.harness import Progress
    from bench.interrupts import Interrupts
    from bench.results import RunWriter
    from bench.workload import WorkloadSpec

_NS_PER_MS = 1_000_000
# Each engine has the image packed and unpacked, and so have the registries and the archives.
_COPIES = 6
_INODES = 20_000
# Once its containers are made an engine keeps them: it would be another one for the other operations.
LAST = "ps"


@dataclass(frozen=True, slots=True)
class Request:
    """What was asked for on the command line, checked."""

    command: tuple[str, ...]
    rounds: int
    operations: tuple[str, ...]
    size_bytes: int
    seed: int
    spec: WorkloadSpec


class Engines(Experiment):
    """One run: every engine with every operation in every round."""

    def __init__(
        self, request: Request, context: RunContext, ground: EngineGround, candidates: Sequence[Candidate]
    ) -> None:
        super().__init__(request.command, request.spec, context, (ground, *candidates))
        self._request = request
        self._ground = ground
        self._absent = {one.name: reason for one in candidates if (reason := one.absence()) is not None}
        self._candidates = {one.name: one for one in candidates if one.name not in self._absent}

    @property
    def absent(self) -> tuple[Absent, ...]:
        """What cannot be measured here, and why."""
        return tuple(Absent(name, "all", reason) for name, reason in self._absent.items())

    def preflight(self) -> Prepared:
        """Plan, and check the plan against the host; raises `HostCannot` naming the binding limit."""
        keys = [
            Key(name, operation)
            for name, one in self._candidates.items()
            for operation in self._request.operations
            if operation in one.operations
        ]
        if not keys:
            raise HostCannot("compare engines: none of them is here", "; ".join(self._absent.values()))
        needed = resources.disk(self._context.roots.data, self._request.size_bytes * _COPIES, _INODES)
        checks = tuple(Check(Limit.of("engine", one), len(self._candidates)) for one in needed)
        refuse_impossible(checks)
        plan = plan_engines(keys, self._request.rounds, self._request.seed)
        return Prepared(plan, tuple(check.limit for check in checks), checks)

    def _measure(self, plan: Plan, writer: RunWriter, progress: Progress, interrupts: Interrupts) -> None:
        writer.update(absent=self.absent)
        with interrupts.shield():
            progress.phase("preparing images, archives and registries")
            self._ground.open()
        for block, order in enumerate(plan.order):
            for driver in order:
                progress.treatment(block, driver, 1)
                with interrupts.shield():
                    self._trial(Key.parse(driver), block, writer)
                progress.running(1, 0)

    def _trial(self, key: Key, block: int, writer: RunWriter) -> None:
        """One operation once. What fails is a sample of its own, and the others go on."""
        candidate, outcome, started = self._candidates[key.engine], "ok", time.monotonic_ns()
        try:
            candidate.open()
            candidate.prepare(key.operation)
            started = time.monotonic_ns()
            took = candidate.measure(key.operation)
        except WorkloadError as error:
            outcome, took = "failed", time.monotonic_ns() - started
            writer.event("trial_failed", block=block, driver=str(key), reason=str(error))
        metric = METRICS["operation"]
        writer.samples(
            Sample(time.monotonic_ns(), block, str(key), 1, "", metric.name, metric.unit, took / _NS_PER_MS, outcome)
        )


def plan_engines(keys: Sequence[Key], rounds: int, seed: int) -> Plan:
    """Each treatment once a round; those that fill an engine with containers have rounds of their own at the end."""
    generator = random.Random(seed)  # noqa: S311 - an order, not a secret
    order = []
    for last in (False, True):
        names = [str(key) for key in keys if (key.operation == LAST) == last]
        for _ in range(rounds if names else 0):
            generator.shuffle(names)
            order.append(tuple(names))
    treatments = tuple(TreatmentPlan(str(key), rounds, ()) for key in keys)
    return Plan("engines", len(order), seed, treatments, tuple(order))

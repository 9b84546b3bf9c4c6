"""The calibration: what launching a container costs, with us and others, beside the least that it can cost."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from bench.calibration.job import Job
from bench.calibration.release import wait_until_released
from bench.calibration.treatment import Key
from bench.drivers import resources
from bench.experiments.experiment import Experiment, Prepared
from bench.meters import Settling, settle
from bench.metrics import METRICS
from bench.preflight import Check, refuse_impossible
from bench.results import Absent, Limit, Plan, Sample, TreatmentPlan
from bench.workload import HostCannot, WorkloadError
from runtime.network.addresses import BRIDGES, PORTS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.calibration.ground import Ground
    from bench.calibration.job import Peer, Timing
    from bench.context import RunContext
    from bench.harness import Progress
    from bench.interrupts import Interrupts
    from bench.results import RunWriter
    from bench.workload import Requirement, WorkloadSpec

_NS_PER_MS = 1_000_000
_DISK_BYTES, _INODES = 64 << 10, 16
# Teardown has waited for the kernel already; what other programs of the host do meanwhile, rounds average out.
_CALM = Settling(window_s=0.5, readings=10, deadline_s=2.0)
_SETTLING = Settling(deadline_s=1.0)


@dataclass(frozen=True, slots=True)
class Request:
    """What was asked for on the command line, checked."""

    command: tuple[str, ...]
    containers: int
    rounds: int
    parallel: tuple[int, ...]
    seed: int
    spec: WorkloadSpec


@dataclass(frozen=True, slots=True)
class Session:
    """Where results go, who is told, and what no interrupt breaks off."""

    writer: RunWriter
    progress: Progress
    interrupts: Interrupts


class Calibration(Experiment):
    """One run: every peer in every round, in an order that the seed decides."""

    def __init__(self, request: Request, context: RunContext, ground: Ground, peers: Sequence[Peer]) -> None:
        super().__init__(request.command, request.spec, context, (ground.network, ground, *peers))
        self._request = request
        self._ground = ground
        self._peers = {peer.name: peer for peer in peers}
        self._absent = {peer.name: reason for peer in peers if (reason := peer.absence()) is not None}

    @property
    def absent(self) -> tuple[Absent, ...]:
        """What cannot be measured here, and why."""
        unconnected = (
            Absent(peer.name, "net", "it makes a network namespace and leaves connecting it to its caller")
            for peer in self._peers.values()
            if peer.name not in self._absent and not peer.connects()
        )
        return (*(Absent(name, "all", reason) for name, reason in self._absent.items()), *unconnected)

    def preflight(self) -> Prepared:
        """Plan, and check the plan against the host; raises `HostCannot` naming the binding limit."""
        self._ground.network.check()
        plan = plan_calibration(self._keys(), self._request)
        if not plan.treatments:
            raise HostCannot("calibrate: none of the programs is here", "; ".join(self._absent.values()))
        count = plan.treatments[0].count
        checks = tuple(
            Check(Limit.of(name, requirement), count)
            for name, peer in self._peers.items()
            if name not in self._absent
            for requirement in self._requirements(peer)
        )
        refuse_impossible(checks)
        return Prepared(plan, tuple(check.limit for check in checks), checks)

    def _requirements(self, peer: Peer) -> tuple[Requirement, ...]:
        """What one more container of a round takes of the host."""
        return (
            resources.memory(peer.weight.memory_bytes),
            resources.pids(peer.weight.pids, fixed=32),
            resources.open_files(1, fixed=64),
            resources.network_namespaces(1),
            resources.bridge_ports(PORTS, BRIDGES),
            *resources.disk(self._context.roots.data, _DISK_BYTES, _INODES),
        )

    def _keys(self) -> list[Key]:
        return [
            Key(peer.name, network, parallel)
            for peer in self._peers.values()
            if peer.name not in self._absent
            for network in (False, True)
            if peer.connects() or not network
            for parallel in self._request.parallel
        ]

    def _measure(self, plan: Plan, writer: RunWriter, progress: Progress, interrupts: Interrupts) -> None:
        session = Session(writer, progress, interrupts)
        writer.update(absent=self.absent)
        with interrupts.shield():
            self._ground.open()
        for block, order in enumerate(plan.order):
            for driver in order:
                key = Key.parse(driver)
                jobs = self._jobs(key, block, plan)
                trial = _Trial(self._peers[key.name], key, block, jobs, session)
                try:
                    trial.run()
                finally:
                    with interrupts.shield():
                        trial.tear_down(f"tarex{self._context.run_id[-8:]}")
                        self._give_back(jobs)

    def _jobs(self, key: Key, block: int, plan: Plan) -> list[Job]:
        count = next(treatment.count for treatment in plan.treatments if treatment.driver == str(key))
        names = (f"tare-{key.name}-{'n' if key.network else 'a'}{key.parallel}-{block}-{one}" for one in range(count))
        return [Job(name, self._ground.network.pool.acquire() if key.network else None) for name in names]

    def _give_back(self, jobs: Sequence[Job]) -> None:
        for job in jobs:
            if job.address is not None:
                self._ground.network.pool.release(job.address)


def plan_calibration(keys: Sequence[Key], request: Request) -> Plan:
    """Each treatment once a round; with several at once, each launches at least one."""
    rounds = min(request.rounds, request.containers)
    count = -(-request.containers // rounds)
    treatments = tuple(TreatmentPlan(str(key), count, _steps(count) if key.parallel == 1 else ()) for key in keys)
    generator = random.Random(request.seed)  # noqa: S311 - an order, not a secret
    order = []
    for _ in range(rounds):
        names = [treatment.driver for treatment in treatments]
        generator.shuffle(names)
        order.append(tuple(names))
    return Plan("calibrate", rounds, request.seed, treatments, tuple(order))


def _steps(count: int) -> tuple[int, ...]:
    """Where memory is read: without any, with half of them, with all."""
    return tuple(dict.fromkeys((0, count // 2, count)))


class _Trial:
    """One treatment in one round. However it ends, `tear_down` must follow."""

    def __init__(self, peer: Peer, key: Key, block: int, jobs: Sequence[Job], session: Session) -> None:
        self._peer = peer
        self._key = key
        self._block = block
        self._jobs = jobs
        self._writer = session.writer
        self._progress = session.progress
        self._shield = session.interrupts.shield
        self._launched = 0

    def run(self) -> None:
        """Launch all; a failure is a sample of its own, and ends the trial."""
        self._progress.treatment(self._block, str(self._key), len(self._jobs))
        self._writer.event("treatment", block=self._block, driver=str(self._key), count=len(self._jobs))
        try:
            with self._shield():
                self._peer.open()
            self._read_memory(_CALM)
            with self._shield():
                self._peer.stock(self._jobs, self._key.parallel)
            steps = _steps(len(self._jobs)) if self._key.parallel == 1 else (0, len(self._jobs))
            timings = [self._step(step) for step in steps[1:]]
            self._record("all_launched", sum(timing.all_ns for timing in timings) / _NS_PER_MS)
        except WorkloadError as error:
            self._writer.event("trial_failed", block=self._block, driver=str(self._key), reason=str(error))
            missing = len(self._jobs) - self._launched
            self._writer.samples(*(replace(self._sample("launch", 0.0), outcome="failed") for _ in range(missing)))

    def _step(self, step: int) -> Timing:
        batch = self._jobs[self._launched : step]
        with self._shield():
            timing = self._peer.launch(batch, self._key.parallel)
        self._launched = step
        self._writer.samples(
            *(
                replace(self._sample("launch", took / _NS_PER_MS), instance=job.name)
                for job, took in zip(batch, timing.each_ns, strict=True)
            )
        )
        self._progress.running(step, 0)
        self._read_memory(_SETTLING)
        return timing

    def _read_memory(self, rule: Settling) -> None:
        if self._key.parallel == 1:
            self._progress.phase(f"reading memory at N = {self._launched}")
            reading = settle(rule)
            if not reading.settled:
                self._writer.event("not_settled", block=self._block, driver=str(self._key), running=self._launched)
            self._record("host_available", reading.meminfo["MemAvailable"])

    def tear_down(self, sentinel: str) -> None:
        """Remove all, and wait until the kernel has released everything; both count."""
        started = time.monotonic_ns()
        try:
            self._peer.remove(self._jobs)
        except WorkloadError as error:
            self._writer.event("removal_failed", block=self._block, driver=str(self._key), reason=str(error))
        wait_until_released(sentinel)
        if self._launched:
            self._record("teardown", (time.monotonic_ns() - started) / _NS_PER_MS)

    def _record(self, metric: str, value: float) -> None:
        self._writer.samples(self._sample(metric, value))

    def _sample(self, metric: str, value: float) -> Sample:
        return Sample(
            taken_at_ns=time.monotonic_ns(),
            block=self._block,
            driver=str(self._key),
            running=self._launched,
            instance="",
            metric=metric,
            unit=METRICS[metric].unit,
            value=value,
        )

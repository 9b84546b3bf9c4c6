"""Carries out a plan: launches, probes, reads, tears down. Knows drivers only by their contract.

In a timed region nothing is printed, logged or parsed; samples are appended when a step is over. The clock is the
host's CLOCK_MONOTONIC, in nanoseconds, everywhere.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol

from bench.meters import CALM, MEMINFO_METRICS, Settling, settle
from bench.metrics import METRICS
from bench.probe import Answer, Prober
from bench.results import Sample
from bench.workload import Driver, Instance, InstanceStats, State, WorkloadError, WorkloadSpec

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from bench.results import Plan, RunWriter, TreatmentPlan

_NS_PER_MS = 1_000_000
_RECHECK_S = 10.0
# So long an answer may be outstanding before the instance's state is asked for, which takes time itself.
_LOOK_S = 1.0


Shield = Callable[[], AbstractContextManager[None]]
"""Makes a context whose inside no interrupt breaks off. Whatever the main thread asks of an instance is inside one: a
question to a launcher or to libvirt that nobody reads the answer to would put all the later ones out of step."""


class Progress(Protocol):
    """Told what happens, outside timed regions."""

    def treatment(self, block: int, driver: str, count: int) -> None:
        """A treatment begins."""

    def running(self, count: int, failed: int) -> None:
        """So many instances have been launched, and so many of them failed."""

    def phase(self, name: str) -> None:
        """What is being done now, in a word or two."""


@dataclass(frozen=True, slots=True)
class Session:
    """Where results go, who is told, how long an instance may take to its first answer, what no interrupt breaks.

    ``calm`` says when the host's memory counts as settled before a treatment, ``settling`` when between two steps.
    """

    writer: RunWriter
    progress: Progress
    answer_s: float
    shield: Shield = nullcontext
    calm: Settling = CALM
    settling: Settling = field(default_factory=Settling)


@dataclass(slots=True)
class Launched:
    """One request and what became of it; times are None where the instance did not get that far."""

    instance: Instance | None
    name: str
    running: int
    requested_at_ns: int
    accepted_at_ns: int | None = None
    watch: Future[Answer] | None = None
    answer: Answer | None = None
    problem: str = ""

    def note_answer(self) -> None:
        """Take over the verdict of the probe, which has ended or was called off."""
        if self.watch is None:
            return
        try:
            self.answer = self.watch.result()
            self.problem = self.answer.problem
        except CancelledError:
            self.problem = self.problem or "interrupted"

    def give_up_if_ended(self) -> None:
        """Call the probe off if there is nobody left to answer it."""
        if self.watch is None or self.instance is None:
            return
        if self.instance.state is not State.RUNNING and not self.watch.done():
            self.problem = "ended before it answered"
            self.watch.cancel()


def await_answers(batch: Sequence[Launched], shield: Shield = nullcontext) -> None:
    """Wait for the probe's verdict on each; now and then see whether those that are silent still run at all."""
    watches = [one.watch for one in batch if one.watch is not None]
    while wait(watches, timeout=_LOOK_S).not_done:
        with shield():
            for one in batch:
                one.give_up_if_ended()
    for one in batch:
        one.note_answer()


class Harness:
    """Runs every treatment of a plan, block by block."""

    def __init__(self, drivers: Mapping[str, Driver], spec: WorkloadSpec, session: Session) -> None:
        self._drivers = drivers
        self._spec = spec
        self._session = session

    def prepare(self, plan: Plan) -> None:
        """Make ready all that is shared, untimed."""
        for treatment in plan.treatments:
            self._session.progress.phase(f"preparing {treatment.driver}")
            self._session.writer.event("prepare", driver=treatment.driver)
            # Between a link's creation and its label, say, an interrupt would leave what nobody knows as ours.
            with self._session.shield():
                self._drivers[treatment.driver].prepare(self._spec)

    def run(self, plan: Plan) -> None:
        """Carry out the blocks in their order, with drivers that are prepared."""
        by_name = {treatment.driver: treatment for treatment in plan.treatments}
        with Prober() as prober:
            for block, order in enumerate(plan.order):
                for name in order:
                    ramp = Ramp(self._drivers[name], by_name[name], block, self._session, prober)
                    with ExitStack() as stack:
                        stack.callback(self._tear_down, ramp)
                        ramp.climb()

    def _tear_down(self, ramp: Ramp) -> None:
        with self._session.shield():
            ramp.tear_down()


class Ramp:
    """One treatment of one block: up in steps of N, memory read at each, everything read at the top, and down."""

    def __init__(self, driver: Driver, plan: TreatmentPlan, block: int, session: Session, prober: Prober) -> None:
        self._driver = driver
        self._plan = plan
        self._block = block
        self._writer = session.writer
        self._progress = session.progress
        self._answer_s = session.answer_s
        self._shield = session.shield
        self._calm, self._settling = session.calm, session.settling
        self._prober = prober
        self._launched: list[Launched] = []
        self._stopping = False
        self._pool = ThreadPoolExecutor(driver.pace.slots, thread_name_prefix=plan.driver)

    def climb(self) -> None:
        """Up, and everything that is read there. However it ends, `tear_down` must follow."""
        self._progress.treatment(self._block, self._plan.driver, self._plan.count)
        self._writer.event("treatment", block=self._block, driver=self._plan.driver, count=self._plan.count)
        active_ns = 0
        self._read_memory(0)
        for step in self._plan.steps[1:]:
            active_ns += self._step(step)
            self._read_memory(len(self._alive()))
        self._record("fleet_answer", active_ns / _NS_PER_MS, outcome="failed" if self._failed() else "ok")
        self._read_instances()
        self._recheck()
        self._keep_failed()

    def _step(self, step: int) -> int:
        """Launch until ``step`` instances have been asked for and have answered; how long that took, in ns."""
        started = time.monotonic_ns()
        running = len(self._launched)
        batch = [Launched(None, self._name(number), running, 0) for number in range(running, step)]
        self._launched.extend(batch)
        futures = [self._pool.submit(self._launch, launched) for launched in batch]
        for future in futures:
            future.result()
        await_answers(batch, self._shield)
        answered = [one.answer.answered_at_ns for one in batch if one.answer and one.answer.answered_at_ns]
        self._writer.samples(*(sample for one in batch for sample in self._startup_samples(one)))
        self._progress.running(len(self._launched), self._failed())
        return max(answered, default=time.monotonic_ns()) - started

    def _launch(self, one: Launched) -> None:
        """Request and acceptance, and the first answer too where the driver's pace asks to wait for it."""
        one.requested_at_ns = time.monotonic_ns()
        try:
            one.instance = self._driver.create(one.name)
            one.instance.start()
            one.accepted_at_ns = time.monotonic_ns()
            one.watch = self._prober.watch(one.instance.endpoint, self._answer_s)
            if self._stopping:
                one.watch.cancel()
            elif self._driver.pace.until_answer:
                await_answers((one,))
        except WorkloadError as error:
            one.problem = str(error)

    def _startup_samples(self, one: Launched) -> tuple[Sample, ...]:
        if one.problem:
            self._writer.event("instance_failed", block=self._block, instance=one.name, reason=one.problem)
        now = time.monotonic_ns()
        answered_at_ns = one.answer.answered_at_ns if one.answer else None
        unanswered = "timeout" if one.answer else "failed"
        return (
            self._since_request("launch", one, one.accepted_at_ns or now, "ok" if one.accepted_at_ns else "failed"),
            self._since_request("first_answer", one, answered_at_ns or now, "ok" if answered_at_ns else unanswered),
        )

    def _since_request(self, metric: str, one: Launched, at_ns: int, outcome: str) -> Sample:
        sample = self._sample(metric, (at_ns - one.requested_at_ns) / _NS_PER_MS)
        return replace(sample, taken_at_ns=at_ns, running=one.running, instance=one.name, outcome=outcome)

    def _read_memory(self, running: int) -> None:
        self._progress.phase(f"reading memory at N = {running}")
        reading = settle(self._settling if running else self._calm)
        if not reading.settled:
            self._writer.event("not_settled", block=self._block, driver=self._plan.driver, running=running)
        self._writer.samples(
            *(
                replace(self._sample(metric, reading.meminfo[field]), running=running)
                for metric, field in MEMINFO_METRICS.items()
                if field in reading.meminfo
            )
        )

    def _read_instances(self) -> None:
        self._progress.phase("reading every instance")
        for one in self._alive():
            try:
                with self._shield():
                    stats = one.stats()
            except WorkloadError as error:  # it has ended since it was asked for its state
                self._writer.event("instance_not_read", block=self._block, instance=one.name, reason=str(error))
            else:
                self._writer.samples(*self._stats_samples(one.name, stats))

    def _stats_samples(self, name: str, stats: InstanceStats) -> Iterator[Sample]:
        values = {
            "pss": stats.pss_bytes,
            "rss": stats.rss_bytes,
            "cgroup": stats.cgroup_bytes,
            "configured": stats.configured_bytes,
            "guest_used": stats.guest_used_bytes,
        }
        for metric, value in values.items():
            if value is not None:
                yield replace(self._sample(metric, value), instance=name)

    def _recheck(self) -> None:
        """With all of them running: does each still answer?"""
        watches = [self._prober.watch(one.endpoint, min(_RECHECK_S, self._answer_s)) for one in self._alive()]
        answering = sum(1 for watch in watches if watch.result().answered_at_ns is not None)
        self._record("answering", answering)

    def _keep_failed(self) -> None:
        for one in self._launched:
            if one.problem and one.instance is not None:
                with self._shield():
                    self._writer.log(one.name, one.instance.log())

    def tear_down(self) -> None:
        """Give up what is still starting, then remove every instance, in as many slots as they were started."""
        self._stopping = True
        for one in self._launched:
            if one.watch is not None:
                one.watch.cancel()
        self._pool.shutdown(wait=True, cancel_futures=True)
        instances = [one.instance for one in self._launched if one.instance is not None]
        self._progress.phase(f"removing {len(instances)} instances")
        started = time.monotonic_ns()
        with ThreadPoolExecutor(self._driver.pace.slots) as pool:
            for future in [pool.submit(_remove, instance) for instance in instances]:
                future.result()
        if instances:
            self._record("teardown", (time.monotonic_ns() - started) / _NS_PER_MS)

    def _alive(self) -> Sequence[Instance]:
        made = (one.instance for one in self._launched if one.instance is not None)
        with self._shield():
            return [instance for instance in made if instance.state is State.RUNNING]

    def _failed(self) -> int:
        return sum(1 for one in self._launched if one.problem)

    def _name(self, number: int) -> str:
        return f"tare-{self._plan.driver}-{self._block}-{number}"

    def _record(self, metric: str, value: float, outcome: str = "ok") -> None:
        self._writer.samples(replace(self._sample(metric, value), outcome=outcome))

    def _sample(self, metric: str, value: float) -> Sample:
        """Taken now, of the treatment as a whole, with all that has been launched."""
        return Sample(
            taken_at_ns=time.monotonic_ns(),
            block=self._block,
            driver=self._plan.driver,
            running=len(self._launched),
            instance="",
            metric=metric,
            unit=METRICS[metric].unit,
            value=value,
        )


def _remove(instance: Instance) -> None:
    instance.stop(timeout_s=0)
    instance.remove()

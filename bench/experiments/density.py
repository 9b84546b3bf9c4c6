"""The main experiment: N containers and M virtual machines of one image, launched, measured and taken down again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.design import plan_experiment
from bench.experiments.experiment import Experiment, Prepared
from bench.harness import Harness, Session
from bench.host import host_facts
from bench.preflight import Check, refuse_impossible
from bench.results import Limit

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bench.context import RunContext
    from bench.experiments.experiment import Shared
    from bench.harness import Progress
    from bench.interrupts import Interrupts
    from bench.results import AcceleratorFacts, Plan, RunWriter
    from bench.workload import Driver, WorkloadSpec

# Long enough for a full virtual machine under emulation beside others; an instance that needs more is censored there.
_ANSWER_S = 60.0


@dataclass(frozen=True, slots=True)
class Request:
    """What was asked for on the command line, checked."""

    command: tuple[str, ...]
    counts: dict[str, int]
    blocks: int
    seed: int
    spec: WorkloadSpec


class Density(Experiment):
    """One run, from preflight to certificate.

    ``drivers`` are all of the request's, unprepared; ``shared`` is what several of them use, closed after them.
    """

    def __init__(
        self, request: Request, context: RunContext, drivers: Mapping[str, Driver], shared: Sequence[Shared] = ()
    ) -> None:
        super().__init__(request.command, request.spec, context, (*shared, *drivers.values()))
        self._request = request
        self._drivers = drivers

    def preflight(self) -> Prepared:
        """Plan, and check the plan against the host; raises `HostCannot` naming the binding limit."""
        request = self._request
        slots = {name: driver.pace.slots for name, driver in self._drivers.items()}
        plan = plan_experiment("density", request.counts, slots, request.blocks, request.seed)
        checks = tuple(
            Check(Limit.of(treatment.driver, requirement), treatment.count)
            for treatment in plan.treatments
            for requirement in self._drivers[treatment.driver].requirements(request.spec)
        )
        refuse_impossible(checks)
        return Prepared(plan, tuple(check.limit for check in checks), checks)

    def _measure(self, plan: Plan, writer: RunWriter, progress: Progress, interrupts: Interrupts) -> None:
        session = Session(writer, progress, _ANSWER_S, interrupts.shield)
        harness = Harness(self._drivers, self._request.spec, session)
        harness.prepare(plan)
        writer.update(accelerator=self._accelerator(), host=host_facts(self._versions()))
        harness.run(plan)

    def _accelerator(self) -> AcceleratorFacts | None:
        known = (getattr(driver, "accelerator", None) for driver in self._drivers.values())
        return next((facts for facts in known if facts is not None), None)

    def _versions(self) -> dict[str, str]:
        return {key: text for driver in self._drivers.values() for key, text in getattr(driver, "versions", {}).items()}

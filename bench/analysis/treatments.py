"""What came of one treatment: how many answered, how fast, and what they cost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.analysis.memory import definitions, marginal_memory
from bench.analysis.tables import attempted, observed, succeeded, values

if TYPE_CHECKING:
    import pandas as pd

    from bench.analysis.memory import Definition, MarginalMemory
    from bench.analysis.ranks import Distribution
    from bench.loading import Run
    from bench.results import TreatmentPlan

CONTAINER, VM, CONTROL = "container", "vm", "process"
_ORDER = (CONTAINER, VM, CONTROL)


@dataclass(frozen=True, slots=True)
class Treatment:
    """One driver's instances over all blocks; ``never_tried`` are those that the run did not come to."""

    driver: str
    per_block: int
    requested: int
    answered: int
    failed: int
    launch: Distribution
    first_answer: Distribution
    fleet_answer: Distribution
    teardown: Distribution
    answering: tuple[float, ...]
    memory: MarginalMemory
    definitions: tuple[Definition, ...]

    @property
    def never_tried(self) -> int:
        """Requested, but neither answered nor failed."""
        return max(0, self.requested - self.answered - self.failed)


def treatments(run: Run) -> tuple[Treatment, ...]:
    """Every treatment of the plan that asked for instances: containers first, then VMs, then the control."""
    planned = [treatment for treatment in run.manifest.plan.treatments if treatment.count > 0]
    planned.sort(key=lambda treatment: _ORDER.index(treatment.driver) if treatment.driver in _ORDER else len(_ORDER))
    return tuple(_treatment(run, plan) for plan in planned)


def _treatment(run: Run, plan: TreatmentPlan) -> Treatment:
    samples, driver = run.samples, plan.driver
    memory = marginal_memory(samples, driver)
    answered, failed = _outcomes(samples, driver)
    return Treatment(
        driver=driver,
        per_block=plan.count,
        requested=plan.count * run.manifest.plan.blocks,
        answered=answered,
        failed=failed,
        launch=observed(samples, driver, "launch", "ms"),
        first_answer=observed(samples, driver, "first_answer", "ms"),
        fleet_answer=observed(samples, driver, "fleet_answer", "ms", "blocks"),
        teardown=observed(samples, driver, "teardown", "ms", "blocks"),
        answering=values(samples, driver, "answering"),
        memory=memory,
        definitions=definitions(samples, driver, memory),
    )


def _outcomes(samples: pd.DataFrame, driver: str) -> tuple[int, int]:
    """How many instances answered, and how many were tried but did not: by either clock."""
    tried = attempted(samples, driver, "launch") | attempted(samples, driver, "first_answer")
    answered = succeeded(samples, driver, "first_answer")
    return len(answered), len(tried - answered)

"""All that is said about one run: what the report shows, ``--json`` prints and the headline takes its numbers from.

Importing this loads numpy and scipy: a command line does so only once it has a run to analyse.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.analysis.density import density
from bench.analysis.evidence import Findings
from bench.analysis.memory import DEFINITIONS, box_cost
from bench.analysis.ratio import ratio_curve, ratio_of_medians, ratio_of_slopes
from bench.analysis.registry import registry
from bench.analysis.tables import values
from bench.analysis.treatments import CONTAINER, CONTROL, VM, Treatment, treatments
from bench.analysis.verdicts import judge_all
from bench.analysis.virtualisation import virtualisation

if TYPE_CHECKING:
    from pathlib import Path

    from bench.analysis.density import Density
    from bench.analysis.estimate import Estimate
    from bench.analysis.ratio import RatioPoint
    from bench.analysis.verdicts import Judgement
    from bench.analysis.virtualisation import Virtualisation
    from bench.loading import Run
    from bench.results import Manifest


@dataclass(frozen=True, slots=True)
class Summary:
    """One run, analysed. ``ratios`` are VM to container, by definition of memory; ``box`` is container less control."""

    run_dir: Path
    manifest: Manifest
    virtualisation: Virtualisation | None
    treatments: tuple[Treatment, ...]
    ratios: dict[str, Estimate | None]
    ratio_curve: tuple[RatioPoint, ...]
    box: Estimate | None
    densities: tuple[Density, ...]
    claims: tuple[Judgement, ...]

    def treatment(self, driver: str) -> Treatment | None:
        """The treatment of one driver, if the run had it."""
        return next((treatment for treatment in self.treatments if treatment.driver == driver), None)

    def density(self, driver: str) -> Density | None:
        """The density of one driver, if the run had it."""
        return next((density for density in self.densities if density.driver == driver), None)


def summarise(run: Run) -> Summary:
    """Analyse a run, whole or broken off; the same run gives the same summary."""
    found = treatments(run)
    by_driver = {treatment.driver: treatment for treatment in found}
    densities = tuple(density(treatment, run.manifest.limits) for treatment in found)
    findings = _findings(run, by_driver, densities)
    container, control = by_driver.get(CONTAINER), by_driver.get(CONTROL)
    return Summary(
        run_dir=run.run_dir,
        manifest=run.manifest,
        virtualisation=findings.virtualisation,
        treatments=found,
        ratios=_ratios(run, by_driver),
        ratio_curve=_curve(run, by_driver),
        box=box_cost(container.memory, control.memory) if container and control else None,
        densities=densities,
        claims=judge_all(findings),
    )


def _findings(run: Run, by_driver: dict[str, Treatment], densities: tuple[Density, ...]) -> Findings:
    how = virtualisation(run.manifest) if VM in by_driver else None
    return Findings(
        treatments=by_driver,
        densities={one.driver: one for one in densities if one.binding},
        virtualisation=how,
        emulated_bytes=registry().emulated_memory_bytes if how and how.emulated else 0,
        seed=run.manifest.plan.seed,
    )


def _ratios(run: Run, by_driver: dict[str, Treatment]) -> dict[str, Estimate | None]:
    if VM not in by_driver or CONTAINER not in by_driver:
        return {}
    vm, container = by_driver[VM].memory.slope, by_driver[CONTAINER].memory.slope
    seed = run.manifest.plan.seed
    by_slope = ratio_of_slopes(vm, container, seed) if vm and container else None
    others = {metric: _ratio_of(run, metric, seed) for metric in DEFINITIONS if metric != "host_available"}
    return {"host_available": by_slope, **others}


def _ratio_of(run: Run, metric: str, seed: int) -> Estimate | None:
    return ratio_of_medians(values(run.samples, VM, metric), values(run.samples, CONTAINER, metric), seed)


def _curve(run: Run, by_driver: dict[str, Treatment]) -> tuple[RatioPoint, ...]:
    slopes = [by_driver[driver].memory.slope for driver in (VM, CONTAINER) if driver in by_driver]
    if len(slopes) < 2 or slopes[0] is None or slopes[1] is None:
        return ()
    return ratio_curve(slopes[0], slopes[1], run.manifest.plan.seed)

"""Which figure of a run decides a claim, what it would be without emulation, and where the verdict would turn."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from bench.analysis.density import density_ratio
from bench.analysis.ratio import ratio_of_slopes
from bench.analysis.treatments import CONTAINER, VM
from bench.analysis.wording import amount

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.analysis.density import Density
    from bench.analysis.estimate import Estimate, Slope
    from bench.analysis.treatments import Treatment
    from bench.analysis.virtualisation import Virtualisation


@dataclass(frozen=True, slots=True)
class Findings:
    """What of a run the claims are judged by; ``emulated_bytes`` is what emulation may add to each VM, 0 without it."""

    treatments: dict[str, Treatment]
    densities: dict[str, Density]
    virtualisation: Virtualisation | None
    emulated_bytes: int
    seed: int


@dataclass(frozen=True, slots=True)
class Evidence:
    """The figure that decides, in words (``subject``) and number; ``missing`` says why there is no number.

    Without a number, ``tried`` says that the run did measure, but too few instances came to an end.
    ``least`` is the same figure less all that emulation may have added to it; ``untestable`` says why the figure,
    though measured, cannot decide here.
    """

    subject: str
    estimate: Estimate | None
    missing: str = ""
    tried: bool = False
    least: Estimate | None = None
    untestable: str = ""
    flip: str = ""


def gather(quantity: str, findings: Findings, threshold: float) -> Evidence:
    """The evidence on one quantity; a `KeyError` if the registry names one that nobody measures."""
    return _QUANTITIES[quantity](findings, threshold)


def _vm_memory(findings: Findings, _threshold: float) -> Evidence:
    subject = "the host memory that one more VM takes"
    slope = _slope(findings, VM)
    if slope is None:
        return Evidence(subject, None, _why_no_slope(findings, VM))
    least = _lowered(slope, findings.emulated_bytes).estimate if findings.emulated_bytes else None
    return Evidence(subject, slope.estimate, least=least)


def _container_memory(findings: Findings, threshold: float) -> Evidence:
    subject = "the host memory that one more container takes, its workload included,"
    slope = _slope(findings, CONTAINER)
    if slope is None:
        return Evidence(subject, None, _why_no_slope(findings, CONTAINER))
    return Evidence(subject, slope.estimate, flip=_room(slope.estimate, threshold))


def _memory_ratio(findings: Findings, threshold: float) -> Evidence:
    subject = "what one more VM takes of the host's memory, against one more container,"
    vm, container = _slope(findings, VM), _slope(findings, CONTAINER)
    if vm is None or container is None:
        return Evidence(subject, None, _why_no_slope(findings, VM if vm is None else CONTAINER))
    ratio = ratio_of_slopes(vm, container, findings.seed)
    least = _least_ratio(findings, vm, container)
    missing = "" if ratio else "a container's slope is not above zero"
    return Evidence(subject, ratio, missing, least=least, flip=_turning_size(findings, threshold))


def _least_ratio(findings: Findings, vm: Slope, container: Slope) -> Estimate | None:
    if not findings.emulated_bytes:
        return None
    return ratio_of_slopes(_lowered(vm, findings.emulated_bytes), container, findings.seed)


def _density_ratio(findings: Findings, threshold: float) -> Evidence:
    subject = "the number of containers that this host would hold, against that of VMs,"
    container, vm = findings.densities.get(CONTAINER), findings.densities.get(VM)
    if container is None or vm is None:
        return Evidence(subject, None, _why_no_slope(findings, VM if vm is None else CONTAINER))
    ratio = density_ratio(container, vm, findings.seed)
    missing = "" if ratio else "no limit of the host is known for both"
    least = _least_density_ratio(findings)
    return Evidence(subject, ratio, missing, least=least, flip=_turning_size(findings, threshold))


def _least_density_ratio(findings: Findings) -> Estimate | None:
    container, vm = findings.densities[CONTAINER], findings.densities[VM]
    if not findings.emulated_bytes or vm.slope is None or vm.usable_bytes is None:
        return None
    lowered = _lowered(vm.slope, findings.emulated_bytes)
    if lowered.estimate.value <= 0:
        return None
    holds = vm.usable_bytes / lowered.estimate.value
    capacities = [replace(one, holds=holds) if one.measured else one for one in vm.capacities]
    capacities.sort(key=lambda capacity: capacity.holds)
    return density_ratio(container, replace(vm, slope=lowered, capacities=tuple(capacities)), findings.seed)


def _vm_first_answer(findings: Findings, _threshold: float) -> Evidence:
    caveat = findings.virtualisation.caveat if findings.virtualisation else ""
    return replace(_first_answer(findings, VM, "median", "a VM's"), untestable=caveat)


def _container_first_answer(findings: Findings, _threshold: float) -> Evidence:
    tail = _first_answer(findings, CONTAINER, "95th percentile", "a container's")
    if tail.estimate is None or tail.estimate.bounded:
        return tail
    return _first_answer(findings, CONTAINER, "median", "a container's")


_QUANTILES = {"median": 0.5, "95th percentile": 0.95}


def _first_answer(findings: Findings, driver: str, quantile: str, whose: str) -> Evidence:
    subject = f"the {quantile} of the time from request to {whose} first answer"
    treatment = findings.treatments.get(driver)
    if treatment is None:
        return Evidence(subject, None, _why_no_slope(findings, driver))
    times = treatment.first_answer
    if times.n == 0:
        return Evidence(subject, None, "no first answer was recorded")
    missing = f"{times.censored} of {times.n} never answered, so that the {quantile} is beyond any time measured"
    return Evidence(subject, times.quantile(_QUANTILES[quantile]), missing, tried=True)


def _slope(findings: Findings, driver: str) -> Slope | None:
    treatment = findings.treatments.get(driver)
    return treatment.memory.slope if treatment else None


def _why_no_slope(findings: Findings, driver: str) -> str:
    treatment = findings.treatments.get(driver)
    if treatment is None:
        return f"this run had no {'VMs' if driver == VM else 'containers'}"
    return treatment.memory.missing or "no limit of the host is known"


def _lowered(slope: Slope, by: float) -> Slope:
    estimate = slope.estimate
    low, high = (None if bound is None else bound - by for bound in (estimate.low, estimate.high))
    return replace(slope, estimate=replace(estimate, value=estimate.value - by, low=low, high=high))


def _room(estimate: Estimate, threshold: float) -> str:
    most = estimate.value if estimate.high is None else estimate.high
    if most >= threshold:
        return ""
    return f"here an application may need {amount(threshold - most, estimate.unit)} more than this workload"


def _turning_size(findings: Findings, threshold: float) -> str:
    """The application's size at which (vm + size) / (container + size) falls to the threshold."""
    vm, container = _slope(findings, VM), _slope(findings, CONTAINER)
    if vm is None or container is None:
        return ""
    size = (vm.estimate.value - threshold * container.estimate.value) / (threshold - 1)
    if size <= 0:
        return f"here the ratio by memory is below {threshold:g} times as it is"
    return f"here the ratio by memory falls below {threshold:g} times once it needs {amount(size, 'bytes')} more"


_QUANTITIES: dict[str, Callable[[Findings, float], Evidence]] = {
    "vm_memory": _vm_memory,
    "container_memory": _container_memory,
    "memory_ratio": _memory_ratio,
    "density_ratio": _density_ratio,
    "vm_first_answer": _vm_first_answer,
    "container_first_answer": _container_first_answer,
}

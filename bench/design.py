"""The design of an experiment: which treatments in which order, planned as data from a seed before anything runs."""

from __future__ import annotations

import random

from bench.results import Plan, TreatmentPlan

_STEPS = 10


def plan_experiment(experiment: str, counts: dict[str, int], batch: dict[str, int], blocks: int, seed: int) -> Plan:
    """Every treatment that has instances, once per block, in an order that the seed decides for each block.

    ``batch`` is how many instances of a driver start at once; its steps of N are multiples of it.
    """
    treatments = tuple(
        TreatmentPlan(driver, count, plan_steps(count, batch[driver])) for driver, count in counts.items() if count > 0
    )
    generator = random.Random(seed)  # noqa: S311 - an order, not a secret
    order = []
    for _ in range(blocks):
        names = [treatment.driver for treatment in treatments]
        generator.shuffle(names)
        order.append(tuple(names))
    return Plan(experiment, blocks, seed, treatments, tuple(order))


def plan_steps(count: int, batch: int = 1) -> tuple[int, ...]:
    """The N at which memory is read: 0, about ten equal steps in whole batches, and ``count``."""
    stride = max(1, round(count / _STEPS / batch)) * batch
    return (*range(0, count, stride), count)

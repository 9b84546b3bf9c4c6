"""The plan: which N memory is read at, and who runs when."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.design import plan_experiment, plan_steps

ONE_OF_EACH = {"container": 1, "vm": 1, "process": 1}


@pytest.mark.parametrize(
    ("count", "batch", "steps"),
    [
        (0, 1, (0,)),
        (1, 1, (0, 1)),
        (3, 1, (0, 1, 2, 3)),
        (5, 2, (0, 2, 4, 5)),
        (4, 10, (0, 4)),
        (10, 2, (0, 2, 4, 6, 8, 10)),
        (200, 1, (0, 20, 40, 60, 80, 100, 120, 140, 160, 180, 200)),
        (13, 1, tuple(range(14))),
    ],
)
def test_steps_go_from_none_to_all(count: int, batch: int, steps: tuple[int, ...]) -> None:
    assert plan_steps(count, batch) == steps


@given(count=st.integers(0, 100_000), batch=st.integers(1, 64))
def test_steps_rise_in_whole_batches(count: int, batch: int) -> None:
    steps = plan_steps(count, batch)
    assert steps[0] == 0
    assert steps[-1] == count
    assert list(steps) == sorted(set(steps))
    assert all(step % batch == 0 for step in steps[:-1])
    assert len(steps) <= 22


def test_the_seed_decides_the_order_and_nothing_else() -> None:
    counts, batch = {"container": 3, "vm": 2, "process": 3}, {"container": 1, "vm": 2, "process": 1}
    plans = [plan_experiment("density", counts, batch, 20, seed) for seed in (1, 1, 2)]
    assert plans[0] == plans[1]
    assert plans[0].order != plans[2].order
    assert plans[0].treatments == plans[2].treatments


def test_every_block_has_every_treatment_once() -> None:
    plan = plan_experiment("density", ONE_OF_EACH, ONE_OF_EACH, 50, 3)
    assert len(plan.order) == plan.blocks == 50
    assert all(sorted(order) == ["container", "process", "vm"] for order in plan.order)
    assert len(set(plan.order)) == 6


def test_treatments_without_instances_are_left_out() -> None:
    plan = plan_experiment("density", {"container": 2, "vm": 0}, {"container": 1}, 1, 1)
    assert [treatment.driver for treatment in plan.treatments] == ["container"]
    assert plan.order == (("container",),)

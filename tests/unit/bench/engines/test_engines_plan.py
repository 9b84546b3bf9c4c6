"""The design of a comparison of engines, and what its Dockerfile asks for."""

from __future__ import annotations

from bench.engines.materials import dockerfile
from bench.engines.operation import OPERATIONS, Key
from bench.experiments.engines import plan_engines

KEYS = [Key(engine, operation) for engine in ("tare", "docker") for operation in ("pull", "run", "ps")]


def test_each_takes_its_turn_once_a_round_and_lists_come_last() -> None:
    plan = plan_engines(KEYS, 3, seed=7)
    assert plan.blocks == len(plan.order) == 6
    for order in plan.order[:3]:
        assert sorted(order) == ["docker pull", "docker run", "tare pull", "tare run"]
    for order in plan.order[3:]:
        assert sorted(order) == ["docker ps", "tare ps"]
    assert {treatment.driver: treatment.count for treatment in plan.treatments} == {str(key): 3 for key in KEYS}


def test_the_seed_decides_the_order() -> None:
    assert plan_engines(KEYS, 5, seed=7) == plan_engines(KEYS, 5, seed=7)
    assert plan_engines(KEYS, 5, seed=7).order != plan_engines(KEYS, 5, seed=8).order


def test_no_rounds_for_what_is_not_asked_for() -> None:
    assert len(plan_engines(KEYS[:2], 2, seed=1).order) == 2
    assert len(plan_engines(KEYS[2:3], 2, seed=1).order) == 2


def test_a_key_is_written_and_read() -> None:
    assert Key.parse(str(Key("tare", "first-run"))) == Key("tare", "first-run")


def test_the_dockerfile_has_ten_steps() -> None:
    base, *steps = dockerfile().strip().splitlines()
    assert base.startswith("FROM ")
    assert len(steps) == 10


def test_every_operation_has_a_target() -> None:
    shown = {name: str(one.target) for name, one in OPERATIONS.items()}
    assert (shown["pull"], shown["run"], shown["ps"]) == ("1 x skopeo", "3 x docker", "< 0.15 s")

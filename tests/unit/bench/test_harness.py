"""The harness over fakes: what it counts, in which order it writes, and that it always takes down."""

from __future__ import annotations

import contextlib
import csv
import json
from typing import TYPE_CHECKING

import pytest

from bench.design import plan_experiment
from bench.harness import Harness, Session, Shield
from bench.meters import Settling
from bench.results import RunWriter
from bench.workload import Pace, State, WorkloadError
from tests.support.fake import Behaviour, FakeDriver
from tests.support.images import website_spec
from tests.support.manifests import manifest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


# Nobody judges the memory of fakes: the first reading will do.
AT_ONCE = Settling(window_s=0.0, readings=1)


class Recorder:
    """Remembers what a user would have been shown."""

    def __init__(self) -> None:
        self.seen: list[tuple[object, ...]] = []

    def treatment(self, block: int, driver: str, count: int) -> None:
        self.seen.append(("treatment", block, driver, count))

    def running(self, count: int, failed: int) -> None:
        self.seen.append(("running", count, failed))

    def phase(self, name: str) -> None:
        self.seen.append(("phase", name))


def session(writer: RunWriter, progress: Recorder, answer_s: float, shield: Shield = contextlib.nullcontext) -> Session:
    """A session that does not wait for the host's memory."""
    return Session(writer, progress, answer_s, shield, calm=AT_ONCE, settling=AT_ONCE)


def carry_out(
    tmp_path: Path, drivers: dict[str, FakeDriver], counts: dict[str, int], blocks: int = 1, answer_s: float = 1.0
) -> tuple[list[dict[str, str]], list[dict[str, str]], Recorder]:
    """Samples, events and what was shown of one run."""
    progress = Recorder()
    plan = plan_experiment("density", counts, {name: one.pace.slots for name, one in drivers.items()}, blocks, seed=1)
    with RunWriter(tmp_path / "run", manifest()) as writer:
        harness = Harness(drivers, website_spec(tmp_path / "data"), session(writer, progress, answer_s))
        try:
            harness.prepare(plan)
            harness.run(plan)
        finally:
            for driver in drivers.values():
                driver.close()
    with (tmp_path / "run/samples.csv").open() as file:
        samples = list(csv.DictReader(file))
    return samples, [json.loads(line) for line in (tmp_path / "run/events.jsonl").read_text().splitlines()], progress


def of(samples: list[dict[str, str]], metric: str) -> list[dict[str, str]]:
    return [sample for sample in samples if sample["metric"] == metric]


def test_every_instance_is_launched_answers_and_is_removed(tmp_path: Path) -> None:
    driver = FakeDriver()
    samples, _, progress = carry_out(tmp_path, {"fake": driver}, {"fake": 3})
    launches, answers = of(samples, "launch"), of(samples, "first_answer")
    assert [row["instance"] for row in launches] == [f"tare-fake-0-{number}" for number in range(3)]
    assert {row["outcome"] for row in launches + answers} == {"ok"}
    for launch, answer in zip(launches, answers, strict=True):
        assert 0 < float(launch["value"]) < float(answer["value"])
    assert [row["running"] for row in of(samples, "host_available")] == ["0", "1", "2", "3"]
    assert [row["value"] for row in of(samples, "answering")] == ["3"]
    assert len(of(samples, "teardown")) == len(of(samples, "fleet_answer")) == 1
    assert [entry for entry in progress.seen if entry[0] == "running"] == [("running", n, 0) for n in (1, 2, 3)]
    assert [instance.state for instance in driver.instances] == [State.REMOVED] * 3
    assert driver.calls["prepare"] == 1


def test_what_cannot_be_measured_has_no_sample(tmp_path: Path) -> None:
    samples, _, _ = carry_out(tmp_path, {"fake": FakeDriver()}, {"fake": 1})
    measured = {row["metric"] for row in samples if row["instance"]}
    assert measured == {"launch", "first_answer", "pss", "rss", "configured"}


def test_samples_are_in_the_order_of_time(tmp_path: Path) -> None:
    samples, _, _ = carry_out(tmp_path, {"fake": FakeDriver()}, {"fake": 2})
    steps = [int(row["taken_at_ns"]) for row in samples if row["metric"] in {"host_available", "launch", "answering"}]
    assert steps == sorted(steps)


def test_one_that_cannot_start_is_counted_and_the_rest_goes_on(tmp_path: Path) -> None:
    driver = FakeDriver(behaviour=Behaviour(refuse=frozenset({1})))
    samples, events, progress = carry_out(tmp_path, {"fake": driver}, {"fake": 3})
    assert [row["outcome"] for row in of(samples, "launch")] == ["ok", "failed", "ok"]
    assert [row["outcome"] for row in of(samples, "first_answer")] == ["ok", "failed", "ok"]
    assert [row["outcome"] for row in of(samples, "fleet_answer")] == ["failed"]
    assert [row["value"] for row in of(samples, "answering")] == ["2"]
    failures = [event for event in events if event["event"] == "instance_failed"]
    assert [(event["instance"], event["reason"]) for event in failures] == [
        ("tare-fake-0-1", "start tare-fake-0-1: refused, as asked")
    ]
    assert ("running", 3, 1) in progress.seen
    assert (tmp_path / "run/logs/tare-fake-0-1.log").read_text() == "the log of tare-fake-0-1\n"
    assert driver.calls["remove"] == 3


def test_one_that_never_answers_is_a_censored_sample(tmp_path: Path) -> None:
    driver = FakeDriver(behaviour=Behaviour(silent=frozenset({0})))
    samples, _, _ = carry_out(tmp_path, {"fake": driver}, {"fake": 2}, answer_s=0.3)
    first, second = of(samples, "first_answer")
    assert (first["outcome"], second["outcome"]) == ("timeout", "ok")
    assert float(first["value"]) >= 300
    assert of(samples, "launch")[0]["outcome"] == "ok"


def test_one_that_dies_is_given_up_at_once(tmp_path: Path) -> None:
    driver = FakeDriver(behaviour=Behaviour(die=frozenset({0})))
    samples, events, _ = carry_out(tmp_path, {"fake": driver}, {"fake": 2}, answer_s=3600)
    assert [row["outcome"] for row in of(samples, "first_answer")] == ["failed", "ok"]
    assert [event["reason"] for event in events if event["event"] == "instance_failed"] == ["ended before it answered"]
    assert [row["value"] for row in of(samples, "answering")] == ["1"]


def test_a_batch_is_started_together_where_the_pace_says_so(tmp_path: Path) -> None:
    driver = FakeDriver(pace=Pace(slots=3, until_answer=True), behaviour=Behaviour(slow_s=0.05))
    samples, _, _ = carry_out(tmp_path, {"fake": driver}, {"fake": 4})
    assert [row["running"] for row in of(samples, "host_available")] == ["0", "3", "4"]
    assert [row["running"] for row in of(samples, "launch")] == ["0", "0", "0", "3"]


def test_every_block_has_every_treatment_in_the_planned_order(tmp_path: Path) -> None:
    drivers = {"one": FakeDriver("one"), "two": FakeDriver("two")}
    _, events, progress = carry_out(tmp_path, drivers, {"one": 1, "two": 1}, blocks=2)
    plan = plan_experiment("density", {"one": 1, "two": 1}, {"one": 1, "two": 1}, 2, seed=1)
    planned: list[tuple[object, ...]] = [(block, driver) for block, order in enumerate(plan.order) for driver in order]
    assert [(event["block"], event["driver"]) for event in events if event["event"] == "treatment"] == planned
    assert [entry[1:3] for entry in progress.seen if entry[0] == "treatment"] == planned
    assert all(driver.calls["remove"] == 2 for driver in drivers.values())


def test_taking_down_goes_on_when_one_cannot_be_removed(tmp_path: Path) -> None:
    driver = FakeDriver(behaviour=Behaviour(stuck=frozenset({0})))
    with pytest.raises(WorkloadError, match="remove tare-fake-0-0: stuck"):
        carry_out(tmp_path, {"fake": driver}, {"fake": 3})
    assert [instance.state for instance in driver.instances[1:]] == [State.REMOVED, State.REMOVED]


def test_preparing_and_taking_down_are_shielded_and_measuring_is_not(tmp_path: Path) -> None:
    shielded: list[str] = []

    @contextlib.contextmanager
    def shield() -> Iterator[None]:
        before = dict(driver.calls)
        yield
        shielded.extend(call for call in driver.calls if driver.calls[call] != before.get(call, 0))

    driver = FakeDriver()
    plan = plan_experiment("density", {"fake": 1}, {"fake": 1}, 1, seed=1)
    with RunWriter(tmp_path / "run", manifest()) as writer:
        harness = Harness({"fake": driver}, website_spec(tmp_path / "data"), session(writer, Recorder(), 1.0, shield))
        harness.prepare(plan)
        harness.run(plan)
    driver.close()
    assert shielded == ["prepare", "stats", "stop", "remove"]


def test_what_breaks_off_in_the_middle_still_takes_down(tmp_path: Path) -> None:
    class Breaks(Recorder):
        def running(self, count: int, failed: int) -> None:
            super().running(count, failed)
            if count == 2:
                raise KeyboardInterrupt

    driver = FakeDriver()
    plan = plan_experiment("density", {"fake": 4}, {"fake": 1}, 1, seed=1)
    with RunWriter(tmp_path / "run", manifest()) as writer:
        harness = Harness({"fake": driver}, website_spec(tmp_path / "data"), session(writer, Breaks(), 1.0))
        harness.prepare(plan)
        with pytest.raises(KeyboardInterrupt):
            harness.run(plan)
    assert [instance.state for instance in driver.instances] == [State.REMOVED] * 2
    driver.close()

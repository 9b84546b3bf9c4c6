"""What bench/workload.py promises, of every driver alike: fake, process, container and virtual machine."""

from __future__ import annotations

import asyncio
import itertools
import tempfile
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bench.probe import first_answer
from bench.workload import TRANSITIONS, HostCannot, IllegalTransition, State, Verb, WorkloadError
from tests.support.command import DATA, host_inventory, wait_until, wait_until_equal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bench.workload import Instance
    from tests.support.kinds import Kind

ILLEGAL = [pair for pair in itertools.product(State, Verb) if pair not in TRANSITIONS]
_ANSWERS_WITHIN_S = 120.0

ASK: dict[Verb, Callable[[Instance], object]] = {
    Verb.START: lambda instance: instance.start(),
    Verb.EXEC: lambda instance: instance.exec(("true",)),
    Verb.STATS: lambda instance: instance.stats(),
    Verb.STOP: lambda instance: instance.stop(timeout_s=0),
    Verb.REMOVE: lambda instance: instance.remove(),
}


def answers(instance: Instance) -> bool:
    return asyncio.run(first_answer(instance.endpoint, _ANSWERS_WITHIN_S)).answered_at_ns is not None


@pytest.fixture
def created(kind: Kind) -> Iterator[Instance]:
    """An instance that is not started; removed afterwards whatever became of it."""
    instance = kind.driver.create(f"tare-{kind.name}-{uuid.uuid4().hex[:8]}")
    try:
        yield instance
    finally:
        instance.remove()


@pytest.fixture(scope="module")
def running(kind: Kind) -> Iterator[Instance]:
    """An instance that answers, shared by the tests that leave it as it is."""
    instance = kind.driver.create(f"tare-{kind.name}-{uuid.uuid4().hex[:8]}")
    try:
        instance.start()
        assert answers(instance)
        yield instance
    finally:
        instance.remove()


def test_a_driver_is_prepared_before_it_creates(kind: Kind) -> None:
    with pytest.raises(WorkloadError, match="create early: the driver is not prepared"):
        kind.fresh().create("early")


def test_closing_is_idempotent_also_before_preparing(kind: Kind) -> None:
    driver = kind.fresh()
    driver.close()
    driver.close()


def test_preparing_again_changes_nothing(kind: Kind, created: Instance) -> None:
    kind.driver.prepare(kind.spec)
    created.start()
    assert created.state is State.RUNNING


def test_each_requirement_can_be_met_and_says_how_to_raise_it(kind: Kind) -> None:
    if kind.name in {"container", "vm"}:
        # The bridges of the prepared driver are there, and no second run may have them.
        with pytest.raises(HostCannot, match="tare0"):
            kind.fresh().requirements(kind.spec)
        return
    requirements = kind.fresh().requirements(kind.spec)
    assert requirements
    assert all(requirement.capacity() > 1 and requirement.raise_hint for requirement in requirements)


def test_addresses_and_names_are_known_and_unlike_from_create_on(kind: Kind, created: Instance) -> None:
    other = kind.driver.create(f"{created.name}-other")
    assert created.state is State.CREATED
    assert created.endpoint.port > 0
    assert created.endpoint.path == kind.spec.path
    assert (created.endpoint.host, created.endpoint.port) != (other.endpoint.host, other.endpoint.port)
    assert other.name == f"{created.name}-other"
    other.remove()


@pytest.mark.parametrize(("state", "verb"), [pair for pair in ILLEGAL if pair[0] is not State.RUNNING])
def test_an_illegal_verb_is_refused(kind: Kind, created: Instance, state: State, verb: Verb) -> None:
    if state is State.STOPPED:
        created.start()
        created.stop(timeout_s=0)
    if state is State.REMOVED:
        created.remove()
    assert created.state is state
    with pytest.raises(IllegalTransition, match=f"{verb} an instance that is {state}"):
        ASK[verb](created)
    assert created.state is state
    del kind


def test_what_runs_is_not_started_again(running: Instance) -> None:
    with pytest.raises(IllegalTransition, match="start an instance that is running"):
        running.start()
    assert answers(running)


@pytest.mark.parametrize("verb", [Verb.STOP, Verb.REMOVE])
@pytest.mark.parametrize("state", [State.CREATED, State.STOPPED, State.REMOVED])
def test_stop_and_remove_are_legal_everywhere_and_idempotent(created: Instance, state: State, verb: Verb) -> None:
    if state is State.STOPPED:
        created.start()
        created.stop(timeout_s=0)
    if state is State.REMOVED:
        created.remove()
    for _ in range(2):
        ASK[verb](created)
        assert created.state is TRANSITIONS[state, verb]


@pytest.mark.parametrize("verb", [Verb.STOP, Verb.REMOVE])
def test_what_has_just_been_started_can_be_ended(created: Instance, verb: Verb) -> None:
    created.start()
    ASK[verb](created)
    assert created.state is TRANSITIONS[State.RUNNING, verb]


def test_it_answers_after_start_and_not_after_stop(created: Instance) -> None:
    created.start()
    assert created.state == "running"
    assert answers(created)
    created.stop(timeout_s=5)
    assert created.state == "stopped"
    assert asyncio.run(first_answer(created.endpoint, 0.3)).answered_at_ns is None


def test_figures_are_numbers_or_none_and_plausible(kind: Kind, running: Instance) -> None:
    stats = running.stats()
    measured = {"pss_bytes", "rss_bytes"}
    if kind.name in {"container", "vm"}:
        measured |= {"cgroup_bytes", "configured_bytes"}
    if kind.name == "vm":
        measured |= {"guest_used_bytes"}
    if kind.name == "fake":
        measured |= {"configured_bytes"}
    fields = ("pss_bytes", "rss_bytes", "cgroup_bytes", "configured_bytes", "guest_used_bytes")
    assert {name for name in fields if getattr(stats, name) is not None} == measured
    assert all(getattr(stats, name) > 4096 for name in measured)
    assert stats.pss_bytes is not None
    assert stats.rss_bytes is not None
    assert stats.pss_bytes <= stats.rss_bytes
    assert stats.configured_bytes in {None, kind.spec.memory_bytes}
    assert stats.processes == 1


def test_a_command_ends_with_its_status_and_output(running: Instance) -> None:
    done = running.exec(("sh", "-c", "echo out; echo err >&2; exit 7"))
    assert (done.exit_status, done.stdout, done.stderr) == (7, b"out\n", b"err\n")
    assert running.exec(("true",)).exit_status == 0


def test_output_of_any_bytes_and_more_than_a_pipe_holds_arrives_whole(running: Instance) -> None:
    done = running.exec(("sh", "-c", r"printf '\377\000\n'; yes | head -c 200000; printf x >&2"))
    assert done.exit_status == 0
    assert done.stdout == b"\xff\x00\n" + b"y\n" * 100_000
    assert done.stderr == b"x"


def test_arguments_arrive_as_they_are(running: Instance) -> None:
    words = ("a b", "", "$HOME", "'quoted'", "line\nbreak", "ü")
    assert running.exec(("printf", "[%s]", *words)).stdout == "".join(f"[{word}]" for word in words).encode()


def test_a_command_killed_by_a_signal_is_128_and_its_number(running: Instance) -> None:
    assert running.exec(("sh", "-c", "kill -9 $$")).exit_status == 137


def test_a_program_that_is_not_there_is_127(running: Instance) -> None:
    assert running.exec(("/no/such/program",)).exit_status == 127


def test_a_command_that_takes_too_long_is_given_up_and_the_next_one_works(running: Instance) -> None:
    started = time.monotonic()
    with pytest.raises(WorkloadError, match="sleep"):
        running.exec(("sleep", "60"), timeout_s=0.5)
    assert time.monotonic() - started < 30
    assert running.exec(("echo", "still here")).stdout == b"still here\n"
    assert answers(running)


def test_what_it_has_written_is_kept_while_it_is_there(kind: Kind, running: Instance, created: Instance) -> None:
    assert isinstance(created.log(), bytes)
    log = running.log()
    if kind.name == "vm":
        assert b"tare: process started" in log
    if kind.name == "fake":
        assert running.name.encode() in log


def test_a_workload_that_dies_is_seen_to_have_stopped(kind: Kind, created: Instance) -> None:
    created.start()
    assert answers(created)
    kind.end(created)
    wait_until(lambda: created.state is State.STOPPED, "the end is seen", 20)
    with pytest.raises(IllegalTransition):
        created.stats()
    with pytest.raises(IllegalTransition):
        created.start()
    created.stop()
    created.remove()
    assert created.state is State.REMOVED


def test_after_remove_nothing_of_it_is_on_the_host(kind: Kind) -> None:
    before = host_inventory()
    instance = kind.driver.create(f"tare-{kind.name}-{uuid.uuid4().hex[:8]}")
    instance.start()
    assert answers(instance)
    instance.exec(("true",))
    during = host_inventory()
    assert kind.name == "fake" or during["processes"] - before["processes"]
    instance.remove()
    wait_until_equal(before)
    assert files_of(instance.name) == set()


def test_a_name_may_be_used_again_after_remove(kind: Kind, created: Instance) -> None:
    created.start()
    created.remove()
    again = kind.driver.create(created.name)
    try:
        again.start()
        assert answers(again)
    finally:
        again.remove()


def files_of(name: str) -> set[Path]:
    """What bears the instance's name where a driver may put something for it."""
    roots = (DATA / "runs", Path("/run"), *Path(tempfile.gettempdir()).glob("tare-*"))
    return {path for root in roots for path in root.rglob(f"*{name}*")}

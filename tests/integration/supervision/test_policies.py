"""Restarts and health, with real containers: who is started again, who is thought to be healthy."""

from __future__ import annotations

import time
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from runtime.supervision.health import PROBE_FAILED, HealthCheck, HealthStatus
from runtime.supervision.life import Exit, Phase
from runtime.supervision.times import parse_ns
from tests.integration.supervision.conftest import processes
from tests.support.bundle import wait_until

if TYPE_CHECKING:
    from runtime.supervision.health import Health
    from tests.integration.supervision.conftest import House

pytestmark = pytest.mark.root


def test_a_failure_is_tried_again_so_often(house: House) -> None:
    terms = house.shell("echo up; exit 9", restart="on-failure:3")
    house.client.run(terms)
    life = house.client.wait(terms.id).life
    assert (life.phase, life.exit, life.restarts) == (Phase.EXITED, Exit(9, "wait"), 3)
    entries = list(house.client.logs(terms.id))
    assert [entry.content for entry in entries] == [b"up\n"] * 4
    pauses = [(b.taken_at_ns - a.taken_at_ns) / 1e9 for a, b in pairwise(entries)]
    assert all(pause >= least for pause, least in zip(pauses, (0.1, 0.2, 0.4), strict=True))  # never sooner


def test_a_success_is_not(house: House) -> None:
    terms = house.shell("echo up", restart="on-failure")
    house.client.run(terms)
    assert house.client.wait(terms.id).life.restarts == 0


@pytest.mark.parametrize("policy", ["always", "unless-stopped"])
def test_always_is_until_somebody_stops_it(house: House, policy: str) -> None:
    terms = house.shell("echo up", restart=policy)
    first = house.client.run(terms).life
    wait_until(lambda: house.client.inspect(terms.id).life.restarts >= 2)
    life = house.client.stop(terms.id).life
    assert life.phase is Phase.EXITED
    assert life.created == first.created
    count = house.told(terms.id)
    time.sleep(1)
    assert house.told(terms.id) == count
    assert house.client.start(terms.id).life.restarts == 0  # by hand: it is counted anew
    house.client.stop(terms.id)


def test_a_restart_is_from_the_bundle_as_it_is_now(house: House) -> None:
    terms = house.shell("echo old; exit 1", restart="on-failure:1")
    path = Path(terms.bundle) / "config.json"
    new = path.read_text().replace("echo old", "echo new")
    house.client.create(terms)
    house.client.start(terms.id)
    path.write_text(new)
    house.client.wait(terms.id)
    assert house.told(terms.id) == b"old\nnew\n"


def test_a_start_by_hand_does_not_wait(house: House) -> None:
    terms = house.shell("test -e /tmp/ok && sleep 1000; exit 1", restart="always")
    house.client.run(terms)
    wait_until(lambda: house.client.inspect(terms.id).life.restarts >= 3)
    house.wait_for(terms.id, Phase.RESTARTING)
    (house.bundle.rootfs / "tmp/ok").touch()
    life = house.client.start(terms.id).life
    assert (life.phase, life.restarts) == (Phase.RUNNING, 0)


def test_memory_that_ran_out_is_noted(house: House) -> None:
    house.bundle.config["linux"]["resources"]["memory"] = {"limit": 16 << 20}
    terms = house.shell("head -c 64m /dev/zero | tail -c 64m > /dev/null; exit 4")
    house.client.run(terms)
    assert house.client.wait(terms.id).life.exit.oom_killed


def health_of(house: House, container_id: str) -> Health:
    health = house.client.inspect(container_id).life.health
    assert health is not None
    return health


def test_health_follows_what_probes_find(house: House) -> None:
    check = HealthCheck(("sh", "-c", "echo looked; test -e /tmp/well"), interval_s=0.1, retries=2)
    terms = house.terms("sleep", "1000", health=check)
    record = house.client.run(terms)
    assert record.life.health is not None
    assert record.life.health.status is HealthStatus.STARTING
    wait_until(lambda: health_of(house, terms.id).status is HealthStatus.UNHEALTHY)
    (house.bundle.rootfs / "tmp/well").touch()
    wait_until(lambda: health_of(house, terms.id).status is HealthStatus.HEALTHY)
    (house.bundle.rootfs / "tmp/well").unlink()
    wait_until(lambda: health_of(house, terms.id).status is HealthStatus.UNHEALTHY)
    health = health_of(house, terms.id)
    assert len(health.log) == 5
    assert (health.log[-1].exit_code, health.log[-1].output) == (1, "looked\n")
    assert all(parse_ns(entry.start) <= parse_ns(entry.end) for entry in health.log)
    assert house.told(terms.id) == b""  # what a probe says is not what the container says


def test_a_probe_that_hangs_is_killed_with_what_it_started(house: House) -> None:
    check = HealthCheck(("sh", "-c", "echo begun; sleep 98764 & sleep 98764"), 0.05, timeout_s=0.3, retries=2)
    terms = house.terms("sleep", "1000", health=check)
    house.client.run(terms)
    for _ in range(10):
        assert len(processes("sleep", "98764")) <= 3  # the shell and the two of one probe
        time.sleep(0.1)
    wait_until(lambda: health_of(house, terms.id).status is HealthStatus.UNHEALTHY)
    entry = health_of(house, terms.id).log[-1]
    assert (entry.exit_code, entry.output) == (PROBE_FAILED, "health check exceeded timeout (0.3 s)")


def test_a_probe_that_floods_is_bounded(house: House) -> None:
    check = HealthCheck(("sh", "-c", "head -c 30000000 /dev/zero | tr '\\0' x; exit 1"), 0.05, retries=1)
    terms = house.terms("sleep", "1000", health=check)
    house.client.run(terms)
    wait_until(lambda: health_of(house, terms.id).status is HealthStatus.UNHEALTHY)
    assert health_of(house, terms.id).log[0].output == "x" * 4096


def test_a_probe_that_is_not_there_is_a_failure(house: House) -> None:
    terms = house.terms("sleep", "1000", health=HealthCheck(("/no/such/probe",), 0.05, retries=2))
    house.client.run(terms)
    wait_until(lambda: health_of(house, terms.id).status is HealthStatus.UNHEALTHY)
    assert "no such file" in health_of(house, terms.id).log[-1].output


def test_failures_at_the_start_do_not_count(house: House) -> None:
    check = HealthCheck(("test", "-e", "/tmp/well"), 100, retries=1, start_period_s=100, start_interval_s=0.05)
    terms = house.terms("sleep", "1000", health=check)
    house.client.run(terms)
    wait_until(lambda: len(health_of(house, terms.id).log) >= 3)
    assert health_of(house, terms.id).status is HealthStatus.STARTING
    (house.bundle.rootfs / "tmp/well").touch()
    wait_until(lambda: health_of(house, terms.id).status is HealthStatus.HEALTHY)


def test_health_begins_anew_with_each_start(house: House) -> None:
    script = "test -e /tmp/second && sleep 1000; touch /tmp/second; sleep 0.7; exit 1"
    check = HealthCheck(("test", "!", "-e", "/tmp/third"), 0.1, retries=1)
    terms = house.shell(script, restart="on-failure", health=check)
    house.client.run(terms)
    wait_until(lambda: health_of(house, terms.id).status is HealthStatus.HEALTHY)
    wait_until(lambda: house.client.inspect(terms.id).life.restarts == 1)
    life = house.wait_for(terms.id, Phase.RUNNING).life
    assert life.health is not None
    assert len(life.health.log) <= 3

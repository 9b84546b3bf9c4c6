"""The supervisor is killed: containers go on, the next command adopts them, and nothing is lost or invented."""

from __future__ import annotations

import json
import os
import random
import signal
import threading
import time
from typing import TYPE_CHECKING

import pytest

from runtime.supervision.client import Supervisor
from runtime.supervision.errors import SupervisionError, SupervisorGone
from runtime.supervision.health import HealthCheck
from runtime.supervision.life import Exit, Phase
from runtime.supervision.terms import LogLimits
from tests.integration.supervision.conftest import alive, cgroups_of, processes, reap
from tests.support.bundle import wait_until

if TYPE_CHECKING:
    from tests.integration.supervision.conftest import House

pytestmark = pytest.mark.root

WAIT = "while [ ! -e /tmp/go ]; do sleep 0.02; done"
COUNT = "i=0; while [ $i -lt {count} ]; do echo line $i; i=$((i+1)); {pause} done"


def lines(count: int) -> bytes:
    return b"".join(b"line %d\n" % number for number in range(count))


def test_a_container_goes_on_and_is_adopted(house: House) -> None:
    terms = house.shell("echo up; while [ ! -e /tmp/go ]; do sleep 0.05; done; echo down; exit 7")
    before = house.client.run(terms).life
    wait_until(lambda: house.told(terms.id) == b"up\n")
    house.kill_supervisor()
    assert before.process is not None
    assert alive(before.process.pid)
    after = house.client.inspect(terms.id).life
    assert (after.phase, after.process, after.started) == (Phase.RUNNING, before.process, before.started)
    assert after.adopted
    (house.bundle.rootfs / "tmp/go").touch()
    reap(before.process.pid)
    life = house.client.wait(terms.id).life
    # By PIDFD_GET_INFO where the kernel has it; elsewhere unknown, and nothing else.
    assert life.exit in {Exit(7, "kernel"), Exit(None, None)}
    assert house.told(terms.id) == b"up\ndown\n"


def test_what_nobody_reaps_has_ended_all_the_same(house: House) -> None:
    terms = house.shell(f"{WAIT}; exit 7")
    process = house.client.run(terms).life.process
    assert process is not None
    house.kill_supervisor()
    (house.bundle.rootfs / "tmp/go").touch()
    assert house.client.wait(terms.id).life.exit == Exit(None, None)
    reap(process.pid)


def test_of_what_ended_meanwhile_the_status_is_unknown_and_its_output_is_not_lost(house: House) -> None:
    terms = house.shell(f"{WAIT}; {COUNT.format(count=3000, pause='')}")
    process = house.client.run(terms).life.process
    assert process is not None
    house.kill_supervisor()
    (house.bundle.rootfs / "tmp/go").touch()
    reap(process.pid)  # it is an orphan, and ours
    life = house.client.inspect(terms.id).life
    assert life.phase in {Phase.ENDING, Phase.EXITED}
    life = house.client.wait(terms.id).life
    assert life.exit == Exit(None, None)
    assert house.told(terms.id) == lines(3000)
    assert cgroups_of(terms.id) == []


def test_a_container_that_writes_without_a_supervisor_is_not_killed_for_it(house: House) -> None:
    terms = house.shell(f"{WAIT}; {COUNT.format(count=2000, pause='')}; sleep 99")
    house.client.run(terms)
    house.kill_supervisor()
    for pid in processes("tare-keeper", str(house.root)):
        os.kill(pid, signal.SIGKILL)  # not even the keeper is needed for that
    (house.bundle.rootfs / "tmp/go").touch()
    time.sleep(0.5)
    wait_until(lambda: house.told(terms.id) == lines(2000))
    assert house.client.inspect(terms.id).life.phase is Phase.RUNNING


@pytest.mark.slow
def test_every_line_is_logged_once_however_often_the_supervisor_is_killed(house: House) -> None:
    count = 20_000
    limits = LogLimits(max_bytes=100_000, max_files=100)
    terms = house.shell(COUNT.format(count=count, pause="[ $((i % 50)) = 0 ] && sleep 0.01;"), log=limits)
    house.client.run(terms)
    followed: list[bytes] = []

    def follow() -> None:
        with Supervisor(str(house.root), idle_s=0.2) as client:
            followed.extend(entry.content for entry in client.follow(terms.id))

    follower = threading.Thread(target=follow)
    follower.start()
    kills, chance = 0, random.Random(7)  # noqa: S311 - when to kill is no secret
    while house.client.inspect(terms.id).life.phase is Phase.RUNNING and kills < 30:
        time.sleep(chance.uniform(0, 0.3))
        if house.supervisor is not None:
            house.kill_supervisor()
            kills += 1
    house.client.wait(terms.id)
    follower.join(60)
    assert kills > 5
    assert house.told(terms.id) == lines(count)
    assert b"".join(followed) == lines(count)
    assert len(list((house.root / "containers" / terms.id).glob("log.json*"))) > 10


def test_a_client_that_waits_outlives_the_supervisor(house: House) -> None:
    terms = house.shell(WAIT)
    house.client.run(terms)
    found: list[Phase] = []

    def wait() -> None:
        with Supervisor(str(house.root), idle_s=0.2) as client:
            found.append(client.wait(terms.id).life.phase)

    waiter = threading.Thread(target=wait)
    waiter.start()
    time.sleep(0.3)
    house.kill_supervisor()
    wait_until(lambda: house.supervisor is not None)
    (house.bundle.rootfs / "tmp/go").touch()
    waiter.join(30)
    assert found == [Phase.EXITED]


def test_who_asked_for_something_else_is_told(house: House) -> None:
    terms = house.shell("trap '' TERM; echo up; sleep 1000 & wait; sleep 1000")
    house.client.run(terms)
    wait_until(lambda: house.told(terms.id) == b"up\n")
    failed: list[SupervisionError] = []

    def stop() -> None:
        with Supervisor(str(house.root), idle_s=0.2) as client:
            try:
                client.stop(terms.id, timeout_s=100)
            except SupervisionError as error:
                failed.append(error)

    stopper = threading.Thread(target=stop)
    stopper.start()
    wait_until(lambda: house.client.inspect(terms.id).life.stopped)
    house.client.close()
    house.kill_supervisor()
    stopper.join(30)
    assert [type(error) for error in failed] == [SupervisorGone]


def test_a_stop_is_carried_on(house: House) -> None:
    terms = house.shell("trap '' TERM; echo up; while :; do sleep 0.05; done", restart="always", stop_timeout_s=0.5)
    house.client.run(terms)
    wait_until(lambda: house.told(terms.id) == b"up\n")

    def stop() -> None:
        with Supervisor(str(house.root), idle_s=0.2) as client, pytest.raises(SupervisorGone):
            client.stop(terms.id, timeout_s=1000)

    stopper = threading.Thread(target=stop)
    stopper.start()
    wait_until(lambda: house.client.inspect(terms.id).life.stopped)
    house.kill_supervisor()
    stopper.join(30)
    life = house.client.wait(terms.id).life
    assert (life.phase, life.restarts) == (Phase.EXITED, 0)


def test_killed_while_it_starts_a_container(house: House) -> None:
    """A hook makes the start take its time; the helper that waits for it outlives the supervisor."""
    house.add_hook("createRuntime")
    terms = house.shell("echo up; while :; do sleep 0.05; done")
    house.client.create(terms)
    failed: list[type[BaseException]] = []

    def start() -> None:
        with Supervisor(str(house.root), idle_s=0.2) as client, pytest.raises(SupervisorGone) as caught:
            client.start(terms.id)
        failed.append(caught.type)

    starter = threading.Thread(target=start)
    starter.start()
    wait_until(house.begun.exists)
    house.kill_supervisor()
    starter.join(30)
    assert failed == [SupervisorGone]
    assert house.client.inspect(terms.id).life.phase is Phase.STARTING
    house.go.touch()
    life = house.wait_for(terms.id, Phase.RUNNING).life
    assert life.adopted
    wait_until(lambda: house.told(terms.id) == b"up\n")


def test_killed_while_a_start_fails(house: House) -> None:
    house.add_hook("createRuntime", status=1)
    terms = house.shell("echo up")
    house.client.create(terms)

    def start() -> None:
        with Supervisor(str(house.root), idle_s=0.2) as client, pytest.raises(SupervisorGone):
            client.start(terms.id)

    starter = threading.Thread(target=start)
    starter.start()
    wait_until(house.begun.exists)
    house.kill_supervisor()
    starter.join(30)
    house.go.touch()
    life = house.wait_for(terms.id, Phase.EXITED).life
    assert "its start was not finished" in (life.error or "")
    assert cgroups_of(terms.id) == []


def test_a_helper_that_is_killed_too_leaves_nothing(house: House) -> None:
    house.add_hook("createRuntime")
    terms = house.shell("echo up")
    house.client.create(terms)

    def start() -> None:
        with Supervisor(str(house.root), idle_s=0.2) as client, pytest.raises(SupervisorGone):
            client.start(terms.id)

    starter = threading.Thread(target=start)
    starter.start()
    wait_until(house.begun.exists)
    house.kill_supervisor()
    starter.join(30)
    (helper,) = processes("runtime.supervision.main", str(house.root))
    os.kill(helper, signal.SIGKILL)
    reap(helper)
    assert cgroups_of(terms.id) != []
    life = house.wait_for(terms.id, Phase.EXITED).life
    assert "its start was not finished" in (life.error or "")
    assert cgroups_of(terms.id) == []


def test_killed_while_a_container_waits_to_be_restarted(house: House) -> None:
    terms = house.shell("echo up; exit 1", restart="on-failure:4")
    house.client.run(terms)
    wait_until(lambda: house.client.inspect(terms.id).life.restarts >= 2)
    house.wait_for(terms.id, Phase.RESTARTING)
    house.kill_supervisor()
    life = house.client.wait(terms.id).life
    assert (life.phase, life.restarts, life.exit) == (Phase.EXITED, 4, Exit(1, "wait"))
    assert house.told(terms.id) == b"up\n" * 5


@pytest.mark.parametrize(("policy", "again"), [("on-failure", True), ("always", True), ("no", False)])
def test_policies_hold_for_what_ended_meanwhile(house: House, policy: str, again: bool) -> None:
    terms = house.shell(f"{WAIT}; test -e /tmp/second && sleep 1000; touch /tmp/second", restart=policy)
    process = house.client.run(terms).life.process
    assert process is not None
    house.kill_supervisor()
    (house.bundle.rootfs / "tmp/go").touch()
    reap(process.pid)
    if again:
        life = house.wait_for(terms.id, Phase.RUNNING).life
        wait_until(lambda: house.client.inspect(terms.id).life.restarts == 1)
        assert life.process != process
    else:
        assert house.client.wait(terms.id).life.exit == Exit(None, None)


def test_what_is_stopped_stays_stopped(house: House) -> None:
    terms = house.terms("sleep", "1000", restart="always")
    house.client.run(terms)
    house.client.stop(terms.id, timeout_s=0)
    house.kill_supervisor()
    time.sleep(0.3)
    assert house.client.inspect(terms.id).life.phase is Phase.EXITED


def test_killed_while_it_removes(house: House) -> None:
    house.add_hook("poststop")
    terms = house.terms("sleep", "1000")
    house.client.run(terms)

    def remove() -> None:
        with Supervisor(str(house.root), idle_s=0.2) as client, pytest.raises(SupervisorGone):
            client.remove(terms.id, force=True)

    remover = threading.Thread(target=remove)
    remover.start()
    wait_until(house.begun.exists)
    house.kill_supervisor()
    remover.join(30)
    house.go.touch()
    house.client.remove(terms.id, force=True)
    assert house.leftovers() == []


def test_another_process_of_that_pid_is_no_container_of_ours(house: House) -> None:
    """As after a reboot, or when pids have come round: the record names a process that is somebody else's."""
    terms = house.terms("sleep", "1000")
    process = house.client.run(terms).life.process
    assert process is not None
    house.kill_supervisor()
    os.kill(process.pid, signal.SIGKILL)
    reap(process.pid)
    stranger = os.getpid()
    for path, key in ((f"runtime/{terms.id}/state.json", None), (f"containers/{terms.id}/record.json", "life")):
        document = json.loads((house.root / path).read_text())
        where = document if key is None else document[key]["process"]
        where["pid"] = stranger
        (house.root / path).write_text(json.dumps(document))
    assert house.client.wait(terms.id).life.exit == Exit(None, None)
    house.client.remove(terms.id, force=True)  # and we are still here


def test_a_record_that_makes_no_sense_harms_no_other(house: House) -> None:
    good, bad = house.terms("sleep", "1000"), house.terms("sleep", "1000")
    house.client.run(good)
    house.client.create(bad)
    house.kill_supervisor()
    path = house.root / "containers" / bad.id / "record.json"
    text = path.read_text()
    path.write_text("{")
    assert [record.terms.id for record in house.client.containers()] == [good.id]
    log = house.root / "supervisor.log"
    assert bad.id in log.read_text()
    log.write_text("")
    house.kill_supervisor()
    path.write_text(text)
    assert len(house.client.containers()) == 2


def test_probes_that_outlived_the_supervisor_are_ended(house: House) -> None:
    check = HealthCheck(("sleep", "98765"), interval_s=0.05, timeout_s=1000)
    terms = house.terms("sleep", "1000", health=check)
    house.client.run(terms)
    wait_until(lambda: house.client.inspect(terms.id).life.probe)
    (probe,) = processes("sleep", "98765")
    house.kill_supervisor()
    assert alive(probe)
    house.client.inspect(terms.id)
    reap(probe)  # until somebody does, the first process of its pid namespace cannot end (pid_namespaces(7))
    wait_until(lambda: house.client.inspect(terms.id).life.probe)
    assert len(processes("sleep", "98765")) == 1


def test_stdin_stays_open(house: House) -> None:
    terms = house.terms("cat", stdin=True)
    house.client.run(terms)
    house.kill_supervisor()
    assert house.client.inspect(terms.id).life.phase is Phase.RUNNING
    (_, theirs_out), (_, theirs_err) = os.pipe(), os.pipe()
    stdin = house.client.attach(terms.id, theirs_out, theirs_err)
    assert stdin is not None
    os.write(stdin, b"hello\n")
    wait_until(lambda: house.told(terms.id) == b"hello\n")
    house.client.close_stdin(terms.id)
    os.close(stdin)
    assert house.client.wait(terms.id).life.phase is Phase.EXITED


def test_the_keeper_is_replaced_when_somebody_ends_it(house: House) -> None:
    house.client.run(house.terms("sleep", "1000"))
    (keeper,) = processes("tare-keeper", str(house.root))
    os.kill(keeper, signal.SIGKILL)
    wait_until(lambda: processes("tare-keeper", str(house.root)) not in ([], [keeper]))

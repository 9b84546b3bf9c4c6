"""What goes into a container and comes out of it: attached pipes, terminals, logs; pauses and health."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from runtime.engine.errors import Conflict, NotExecutable, NotRunning
from runtime.engine.options import ExecOptions, HealthOptions
from tests.support.enginehouse import PATIENCE_S
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from tests.support.enginehouse import House

pytestmark = [pytest.mark.root]


def read_all(fd: int) -> bytes:
    """Until the other end is closed; a terminal says EIO then."""
    told = b""
    with suppress(OSError):
        while piece := os.read(fd, 4096):
            told += piece
    return told


def test_attached_before_the_start(house: House) -> None:
    container = house.create("/bin/sh", "-c", "cat; echo err >&2", stdin_open=True)
    with house.engine.containers.attach(container) as attached:
        house.engine.containers.start(container)
        assert attached.stdin is not None
        os.write(attached.stdin, b"hello\n")
        attached.end_input()
        assert read_all(attached.stdout) == b"hello\n"
        assert read_all(attached.stderr) == b"err\n"
    assert house.outcome(container).code == 0
    house.engine.containers.remove(container)


def test_a_terminal(house: House) -> None:
    container = house.create("/bin/sh", "-c", "stty size; read x; echo got $x", tty=True, stdin_open=True)
    with house.engine.containers.attach(container) as attached:
        attached.resize(20, 70)
        house.engine.containers.start(container)
        assert attached.terminal is not None
        os.write(attached.terminal, b"typed\n")
        lines = read_all(attached.terminal).decode().replace("\r", "").splitlines()
    assert {"20 70", "typed", "got typed"} <= set(lines)
    assert house.engine.containers.wait(container) == 0
    house.engine.containers.remove(container)


def test_a_log_is_followed_to_the_end(house: House) -> None:
    container = house.start("/bin/sh", "-c", "echo 1; sleep 0.2; echo 2")
    told = [entry.content for entry in house.engine.containers.logs(container, follow=True)]
    assert told == [b"1\n", b"2\n"]
    assert [entry.content for entry in house.engine.containers.logs(container, tail=1)] == [b"2\n"]
    house.engine.containers.remove(container)


def test_paused(house: House) -> None:
    engine = house.engine
    container = house.start()
    engine.containers.pause(container)
    assert house.status(container) == "paused"
    for refused in (
        lambda: engine.containers.pause(container),
        lambda: engine.containers.execute(container, ExecOptions(("true",))),
        lambda: engine.containers.attach(container),
        lambda: engine.containers.start(container),
        lambda: engine.containers.remove(container),
    ):
        with pytest.raises(Conflict, match="paused"):
            refused()
    engine.containers.unpause(container)
    with pytest.raises(Conflict, match="is not paused"):
        engine.containers.unpause(container)
    assert house.execute(container, "echo up").stdout == "up\n"
    engine.containers.pause(container)
    engine.containers.remove(container, force=True)
    with pytest.raises(NotRunning):
        engine.containers.pause(house.create("true"))


def test_health(house: House) -> None:
    check = HealthOptions(("CMD-SHELL", "test -e /healthy"), interval_s=0.1, timeout_s=20.0, retries=1)
    container = house.start(health=check)

    def status() -> str:
        health = house.engine.containers.find(container.id).state.health
        return "" if health is None else health.status

    assert eventually(lambda: status() == "unhealthy", PATIENCE_S)
    house.execute(container, "touch /healthy")
    assert eventually(lambda: status() == "healthy", PATIENCE_S)
    document = house.engine.containers.inspect(house.engine.containers.find(container.id))
    assert document["State"]["Health"]["Log"][-1]["ExitCode"] == 0
    assert document["Config"]["Healthcheck"]["Interval"] == 100_000_000
    house.engine.containers.remove(container, force=True)


def test_one_that_was_to_remove_itself_and_did_not_start_is_gone(house: House) -> None:
    container = house.create("nothing-of-this-name", auto_remove=True)
    with pytest.raises(NotExecutable):
        house.engine.containers.start(container)
    assert eventually(lambda: not os.path.exists(container.directory), PATIENCE_S)


def test_everything_that_is_known(house: House) -> None:
    """The names that scripts and templates for Docker expect, on each level."""
    container = house.start(name="known", env=("A=1",), labels=(("k", "v"),))
    found = json.loads(json.dumps(house.engine.containers.inspect(container)))
    assert found["Name"] == "/known"
    assert (found["Path"], found["Args"]) == ("sleep", ["1000"])
    assert found["State"]["Running"] is True
    assert found["Config"]["Labels"] == {"k": "v"}
    assert "A=1" in found["Config"]["Env"]
    assert os.path.isdir(found["GraphDriver"]["Data"]["MergedDir"])
    assert os.path.exists(found["LogPath"])
    assert found["HostConfig"]["NetworkMode"] == "none"
    assert list(found["NetworkSettings"]["Networks"]) == ["none"]
    house.engine.containers.remove(container, force=True)

"""Containers from `create` to `rm`, as the engine's callers see them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from runtime.engine.errors import (
    Ambiguous,
    BadOption,
    CannotExecute,
    Conflict,
    NameInUse,
    NoSuchContainer,
    NoSuchImage,
    NotExecutable,
    NotRunning,
    StartFailed,
)
from runtime.engine.options import ExecOptions, Limits
from runtime.engine.states import NEVER
from tests.support.enginehouse import PATIENCE_S
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from tests.support.enginehouse import House

pytestmark = [pytest.mark.root]


def test_a_container_runs_and_its_end_is_known(house: House) -> None:
    done = house.run("/bin/sh", "-c", "echo out; echo err >&2; exit 7")
    assert (done.code, done.stdout, done.stderr) == (7, "out\n", "err\n")


def test_a_signal_is_told_by_the_exit_code(house: House) -> None:
    assert house.run("/bin/sh", "-c", "kill -9 $$; sleep 9").code in {0, 137}  # pid 1 has no default actions
    container = house.start()
    house.engine.containers.kill(container, "KILL")
    assert house.outcome(container).code == 137
    house.engine.containers.remove(container)


def test_from_created_to_exited(house: House) -> None:
    engine = house.engine
    container = house.create("cat", "/proc/self/mountinfo", name="lifecycle")
    assert (container.state.status, container.state.started_at) == ("created", NEVER)
    assert engine.containers.wait(container) == 0  # it does not run
    started = engine.containers.start(container)
    assert started.state.started_at != NEVER
    engine.containers.wait(container)
    ended = engine.containers.find("lifecycle")
    assert (ended.state.status, ended.state.exit_code, ended.state.pid) == ("exited", 0, 0)
    assert not Path(f"{container.merged}/bin").exists()
    engine.containers.start(container)  # again, and what it had written is there
    engine.containers.wait(container)
    assert house.told(container).count(" / / ") == 2
    engine.containers.remove(container)
    with pytest.raises(NoSuchContainer, match="No such container: lifecycle"):
        engine.containers.find("lifecycle")
    assert not Path(container.directory).exists()


def test_what_it_writes_is_seen_on_the_host(house: House) -> None:
    container = house.start("/bin/sh", "-c", "echo x >/srv/new; sleep 1000")
    for place in (container.upper, container.merged):
        path = Path(place, "srv/new")
        assert eventually(lambda path=path: path.exists() and path.read_text() == "x\n", PATIENCE_S)  # type: ignore[misc]
    assert not Path(container.upper, "bin").exists()
    house.engine.containers.remove(container, force=True)


def test_references(house: House) -> None:
    engine = house.engine
    first, second = house.create(name="first"), house.create(name="second")
    for reference in (first.id, first.id[:12], "first", "/first"):
        assert engine.containers.find(reference) == first
    with pytest.raises(Ambiguous):
        _ambiguous(house)
    with pytest.raises(NameInUse, match="You have to remove"):
        house.create(name="second")
    assert [one.name for one in engine.containers.list() if one in {first, second}] == ["second", "first"]
    for one in (first, second):
        engine.containers.remove(one)


def _ambiguous(house: House) -> None:
    """Ids are made up, so that sixteen and one more share a first digit."""
    made = [house.create() for _ in range(17)]
    try:
        firsts = [one.id[0] for one in made]
        house.engine.containers.find(next(first for first in firsts if firsts.count(first) > 1))
    finally:
        for one in made:
            house.engine.containers.remove(one)


def test_an_image_that_is_not_here(house: House) -> None:
    with pytest.raises(NoSuchImage, match="No such image: nothing:1"):
        house.create(image="nothing:1")


@pytest.mark.parametrize(
    ("command", "kind", "code", "words"),
    [
        (("nothing-of-this-name",), NotExecutable, 127, "executable file not found in \\$PATH"),
        (("/nothing/here",), NotExecutable, 127, "no such file or directory"),
        (("/etc/passwd",), CannotExecute, 126, "permission denied"),
        (("/etc",), CannotExecute, 126, "permission denied|is a directory"),
    ],
)
def test_what_cannot_be_run(
    house: House, command: tuple[str, ...], kind: type[StartFailed], code: int, words: str
) -> None:
    container = house.create(*command)
    with pytest.raises(kind, match=words) as caught:
        house.engine.containers.start(container)
    assert caught.value.exit_code == code
    found = house.engine.containers.find(container.id)
    assert (found.state.status, found.state.exit_code) == ("created", code)
    house.engine.containers.remove(container)


def test_it_is_removed_only_with_force_while_it_runs(house: House) -> None:
    container = house.start()
    with pytest.raises(Conflict, match="cannot remove a running container"):
        house.engine.containers.remove(container)
    house.engine.containers.remove(container, force=True)
    with pytest.raises(NoSuchContainer):
        house.engine.containers.find(container.id)


def test_stop_asks_and_then_insists(house: House) -> None:
    polite = house.start("/bin/sh", "-c", "trap 'exit 3' TERM; echo ready; while :; do sleep 0.05; done")
    assert eventually(lambda: house.told(polite) == "ready\n", PATIENCE_S)
    house.engine.containers.stop(polite)
    assert house.outcome(polite).code == 3
    stubborn = house.start("sleep", "1000")  # pid 1 that has no handler
    house.engine.containers.stop(stubborn, timeout_s=0.2)
    assert house.outcome(stubborn).code == 137
    house.engine.containers.stop(stubborn)  # again
    for one in (polite, stubborn):
        house.engine.containers.remove(one)


def test_kill_and_exec_need_one_that_runs(house: House) -> None:
    container = house.create("true")
    with pytest.raises(NotRunning, match="is not running"):
        house.engine.containers.kill(container)
    with pytest.raises(NotRunning, match="is not running"):
        house.engine.containers.execute(container, ExecOptions(("true",)))
    house.engine.containers.remove(container)


def test_renamed(house: House) -> None:
    container, other = house.create(name="before"), house.create(name="taken")
    with pytest.raises(NameInUse):
        house.engine.containers.rename(container, "taken")
    with pytest.raises(BadOption):
        house.engine.containers.rename(container, "no good")
    house.engine.containers.rename(container, "after")
    assert house.engine.containers.find("after").id == container.id
    with pytest.raises(NoSuchContainer):
        house.engine.containers.find("before")
    for one in (container, other):
        house.engine.containers.remove(one)


def test_limits_are_changed_while_it_runs_and_stay(house: House) -> None:
    container = house.start(memory_bytes=64 << 20, pids_limit=50)
    inside = "cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory.max 2>/dev/null | head -1"
    assert house.execute(container, inside).stdout.strip() == str(64 << 20)
    house.engine.containers.update(container, Limits(memory_bytes=96 << 20, memory_swap_bytes=192 << 20))
    assert house.execute(container, inside).stdout.strip() == str(96 << 20)
    house.engine.containers.stop(container, timeout_s=0)
    container = house.engine.containers.start(house.engine.containers.find(container.id))
    assert house.execute(container, inside).stdout.strip() == str(96 << 20)
    house.engine.containers.remove(container, force=True)


def test_a_container_that_removes_itself(house: House) -> None:
    container = house.create("true", auto_remove=True, volumes=("/scratch",))
    volume = container.mounts[0].source
    house.engine.containers.start(container)
    assert eventually(lambda: not os.path.exists(container.directory), PATIENCE_S)
    assert eventually(lambda: not os.path.exists(volume), PATIENCE_S)


def test_images_and_layers_in_use_are_known(house: House) -> None:
    container = house.create("true")
    for digest in (container.image_digest, container.image_id):
        assert container in house.engine.containers.using(digest)
    assert set(container.layers) <= set(house.engine.containers.layers_in_use())
    house.engine.containers.remove(container)
    assert container not in house.engine.containers.using(container.image_digest)


def test_a_damaged_record_hides_nobody_else(house: House) -> None:
    whole, damaged = house.create("true"), house.create("true")
    path = Path(damaged.directory, "container.json")
    content = path.read_bytes()
    path.write_bytes(content[:20])
    try:
        found = [container.id for container in house.engine.containers.list()]
    finally:
        path.write_bytes(content)
    assert whole.id in found
    assert damaged.id not in found

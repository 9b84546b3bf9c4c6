"""What a command that was killed leaves, and what the next one makes of it."""

from __future__ import annotations

import os
import select
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from threading import Barrier, Thread
from typing import TYPE_CHECKING

import pytest

from runtime.engine.engine import Engine
from runtime.engine.errors import NameInUse, NoSuchContainer
from runtime.engine.home import new_id
from runtime.engine.options import CreateOptions, Limits
from runtime.supervision.record import Root
from tests.conftest import ROOT
from tests.support.enginehouse import BOX, PATIENCE_S
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from tests.support.enginehouse import House

pytestmark = [pytest.mark.root]

# Makes and removes containers for as long as it is let.
_BUSY = """
import sys
sys.path.insert(0, sys.argv[2])
from runtime.engine.engine import Engine
from runtime.engine.options import CreateOptions
with Engine(sys.argv[1]) as engine:
    while True:
        made = engine.containers.create(CreateOptions(sys.argv[3], ("true",), name="victim", volumes=("/scratch",)))
        print("made", flush=True)
        engine.containers.remove(made, volumes=True)
"""


def everything(house: House) -> tuple[list[str], list[str], list[str]]:
    """Containers, names and volumes on the disk."""
    home = house.engine.home
    found = [os.listdir(place) if os.path.isdir(place) else [] for place in (home.containers, home.names, home.volumes)]
    return [name for name in found[0] if name != "names"], found[1], found[2]


def test_a_command_killed_at_any_moment_leaves_what_the_next_repairs(house: House) -> None:
    house.engine.containers.remove(house.create("true"))
    before = everything(house)
    for delay in range(6):
        command = [sys.executable, "-c", _BUSY, house.engine.home.root, str(ROOT), BOX]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as busy:
            assert busy.stdout is not None
            assert busy.stdout.readline() == b"made\n"
            for _ in range(delay * 3):
                os.sched_yield()
            busy.stdout.readline()
            busy.send_signal(signal.SIGKILL)
        container = house.create("true", name="survivor")
        for one in house.engine.containers.list():  # the victim may have been whole at that moment
            house.engine.containers.remove(one, volumes=True)
        assert container.name == "survivor"
    victim = house.create("true", name="victim")
    house.engine.containers.remove(victim)
    containers, names, volumes = everything(house)
    assert (containers, volumes) == (before[0], before[2])
    assert set(names) <= {*before[1], "victim"}


def test_half_a_container_is_none(house: House) -> None:
    half = house.engine.home.container(new_id())
    os.makedirs(f"{half}/upper/deep")
    with pytest.raises(NoSuchContainer):
        house.engine.containers.find(os.path.basename(half))
    house.engine.containers.remove(house.create("true"))  # whoever comes by
    assert not os.path.exists(half)


def test_a_removal_that_was_not_finished(house: House) -> None:
    """The supervisor has forgotten it, and then everything was killed."""
    container = house.start("true", name="forgotten", volumes=("/scratch",), auto_remove=False)
    house.engine.containers.wait(container)
    house.engine.supervisor.close()
    place = Root(house.engine.home.supervision).place(container.id)
    _kill_supervisor(house)
    place.remove()
    house.engine.containers.remove(house.create("true"))
    with pytest.raises(NoSuchContainer):
        house.engine.containers.find("forgotten")
    for mount in container.mounts:
        house.engine.volumes.remove(mount.name)


def test_a_container_outlives_its_supervisor(house: House) -> None:
    container = house.start("/bin/sh", "-c", "echo 1; sleep 1000")
    pid = container.state.pid
    _kill_supervisor(house)
    assert house.engine.containers.find(container.id).state.pid == pid
    with Engine(house.engine.home.root) as other:
        other.containers.stop(other.containers.find(container.id), timeout_s=0)
        ended = other.containers.find(container.id)
        assert ended.state.status == "exited"
        assert not Path(ended.merged, "bin").exists()
        assert house.told(ended) == "1\n"
        other.containers.remove(ended)


def test_one_that_ended_while_nobody_watched(house: House) -> None:
    container = house.start("sleep", "1000")
    _kill_supervisor(house)
    os.kill(container.state.pid, signal.SIGKILL)
    assert eventually(lambda: house.status(container) == "exited", PATIENCE_S)
    restarted = house.engine.containers.start(house.engine.containers.find(container.id))
    assert restarted.state.status == "running"
    house.engine.containers.remove(restarted, force=True)


def test_a_restart_policy_is_changed(house: House) -> None:
    container = house.start("/bin/sh", "-c", "sleep 0.1; exit 1", restart="always")
    assert eventually(lambda: house.engine.containers.find(container.id).state.restart_count > 0, PATIENCE_S)
    house.engine.containers.update(container, Limits(restart="no"))
    assert eventually(lambda: house.status(container) == "exited", PATIENCE_S)
    assert house.engine.containers.find(container.id).config.restart == "no"
    house.engine.containers.remove(container)


def test_networks_go_with_the_last_command(house: House) -> None:
    assert house.run("true", network="bridge").code == 0
    house.engine.supervisor.close()
    assert eventually(lambda: not _links(house), PATIENCE_S)


def _links(house: House) -> list[str]:
    """Those on the host that are of this root's networks."""
    with house.engine.networks.attachments.networks.store.lock():
        stored = house.engine.networks.attachments.networks.store.networks()
    bridges = tuple(one.segment(0) for one in stored)
    return [name for name in os.listdir("/sys/class/net") if name.startswith(bridges)]


def test_a_name_is_taken_by_one_of_many(house: House) -> None:
    barrier, made, refused = Barrier(8), list[str](), list[str]()

    def create() -> None:
        with Engine(house.engine.home.root) as engine:
            barrier.wait()
            try:
                made.append(engine.containers.create(CreateOptions(BOX, ("true",), name="wanted")).id)
            except NameInUse as error:
                refused.append(str(error))

    threads = [Thread(target=create) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(made), len(refused)) == (1, 7)
    assert house.engine.containers.find("wanted").id == made[0]
    house.engine.containers.remove(house.engine.containers.find("wanted"))


def test_layers_that_are_collected_meanwhile_are_extracted_again(house: House) -> None:
    """The card says that they are there, and they are not."""
    container = house.create("cat", "/data/seed")
    for layer in container.layers:
        shutil.rmtree(os.path.dirname(layer))
    house.engine.containers.remove(container)
    assert house.run("cat", "/data/seed").stdout == "seed"


def _kill_supervisor(house: House) -> None:
    """As nobody can prevent it."""
    house.engine.supervisor.close()
    pids = [int(name) for name in os.listdir("/proc") if name.isdigit() and _is_supervisor(house, int(name))]
    assert len(pids) == 1
    ended = os.pidfd_open(pids[0])
    try:
        signal.pidfd_send_signal(ended, signal.SIGKILL)
        # Its memory goes before its descriptors: until it is a zombie, its socket still takes connections.
        assert select.select([ended], [], [], PATIENCE_S)[0]
    finally:
        os.close(ended)


def _is_supervisor(house: House, pid: int) -> bool:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes()
        name, status = Path(f"/proc/{pid}/comm").read_text(), Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    ours = house.engine.home.supervision.encode() in words and name == "tare-supervisor\n"
    return ours and status.rpartition(")")[2].split()[0] not in "ZX"

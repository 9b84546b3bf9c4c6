"""Networks, volumes, statistics and processes of containers that really run."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from runtime.engine.errors import BadOption, Conflict, InUse, NotRunning
from runtime.engine.networks import NetworkOptions
from runtime.engine.options import Endpoint, MountOption, PublishedPort
from runtime.engine.stats import follow, once
from runtime.engine.top import top
from tests.support import networks
from tests.support.enginehouse import PATIENCE_S, engine_house
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runtime.engine.container import Container
    from tests.support.enginehouse import House

pytestmark = pytest.mark.root

_SERVE = ("/bin/sh", "-c", 'while true; do echo "$0" | nc -l -p 80; done')


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with engine_house(tmp_path_factory.mktemp("house")) as made:
        yield made


@pytest.fixture
def network(house: House) -> Iterator[str]:
    name = house.engine.networks.create(NetworkOptions(f"net{os.urandom(3).hex()}")).name
    yield name
    for container in house.engine.containers.list():
        house.engine.containers.remove(container, force=True, volumes=True)
    house.engine.networks.remove(name)


def test_containers_find_each_other_by_name_while_they_are_connected(house: House, network: str) -> None:
    engine = house.engine
    server = house.start(*_SERVE, "served", name="server", network=network, network_aliases=("alias",))
    client = house.start(network=network)
    stranger = house.start(network="bridge")

    def asks(container: Container, name: str) -> str:
        return house.execute(container, f"nc -w 1 {name} 80").stdout

    def is_served(container: Container, name: str) -> bool:
        return eventually(lambda: asks(container, name) == "served\n", PATIENCE_S)

    assert all(is_served(client, name) for name in ("server", "alias", server.short_id))
    address = server.attached[0].ip
    assert asks(stranger, address) == ""
    engine.networks.connect(network, stranger, Endpoint("", ("late",)))
    assert is_served(stranger, address)
    assert is_served(stranger, "server")
    assert house.execute(client, "ping -c 1 -W 5 late").code == 0
    assert [one.name for one in engine.networks.members(engine.networks.find(network))].count("server") == 1
    with pytest.raises(InUse, match="has active endpoints"):
        engine.networks.remove(network)
    engine.networks.disconnect(network, stranger)
    assert asks(stranger, address) == ""
    assert [one.network for one in engine.containers.find(stranger.id).attached] == ["bridge"]
    with pytest.raises(Conflict, match="is not connected"):
        engine.networks.disconnect(network, engine.containers.find(stranger.id))


def test_it_is_in_its_networks_again_after_a_restart(house: House, network: str) -> None:
    container = house.start(network="bridge")
    house.engine.networks.connect(network, container, Endpoint("", ("late",)))
    house.engine.containers.restart(container, timeout_s=0)
    again = house.engine.containers.find(container.id)
    assert [one.network for one in again.attached] == ["bridge", network]
    assert house.execute(again, "ip -o link").stdout.count("eth") >= 2


def test_renamed_while_it_runs(house: House, network: str) -> None:
    container = house.start(name=f"old-{network}", network=network)
    peer = house.start(network=network)
    house.engine.containers.rename(container, f"new-{network}")
    assert house.execute(peer, f"ping -c 1 -W 5 new-{network}").code == 0


def test_a_network_that_nobody_is_in_goes_after_a_while(house: House, network: str) -> None:
    container = house.start(network=network)
    bridge = house.engine.networks.attachments.networks.store.network(network).segment(0)
    house.engine.containers.remove(container, force=True)
    assert os.path.exists(f"/sys/class/net/{bridge}"), "it is there for the next one"
    assert eventually(lambda: not os.path.exists(f"/sys/class/net/{bridge}"), PATIENCE_S)


def test_udp_and_ranges(house: House) -> None:
    taken = house.start(network="bridge", ports=(PublishedPort(1, 0),))
    (port,) = taken.ports
    wanted = PublishedPort(53, port.host_port, "tcp", host_last=port.host_port + 50)
    server = house.start(network="bridge", ports=(wanted, PublishedPort(53, 0, "udp")))
    tcp, udp = server.ports
    assert port.host_port < tcp.host_port <= port.host_port + 50
    with ExitStack() as stack:
        inside = networks.Container(server.id, Path(f"/proc/{server.state.pid}/ns/net"), stack)
        inside.serve_udp(53, "datagram")
        reached = eventually(lambda: networks.fetch("127.0.0.1", udp.host_port, udp=True) == "datagram", PATIENCE_S)
    assert reached
    for container in (taken, server):
        house.engine.containers.remove(container, force=True)


def test_a_volume_is_shared_and_begins_with_what_the_image_has(house: House) -> None:
    shared = (MountOption("volume", "/data", "shared"),)
    one, two = house.start(mounts=shared), house.start(mounts=shared)
    assert house.execute(two, "cat /data/seed; stat -c '%a %u' /data").stdout == "seed750 1000\n"
    house.execute(one, "echo new >/data/new; rm /data/seed")
    assert house.execute(two, "cat /data/new").stdout == "new\n"
    volume = house.engine.volumes.find("shared")
    assert os.listdir(volume.mountpoint) == ["new"]
    with pytest.raises(InUse, match="volume is in use"):
        house.engine.volumes.remove("shared")
    for container in (one, two):
        house.engine.containers.remove(container, force=True, volumes=True)
    assert house.run("ls", "/data", mounts=shared).stdout == "new\n", "what is not empty is left as it is"
    house.engine.volumes.remove("shared")


def test_a_volume_in_memory(house: House) -> None:
    volume = house.engine.volumes.create("memory", options={"type": "tmpfs", "device": "tmpfs", "o": "size=1m"})
    container = house.start(mounts=(MountOption("volume", "/mnt", "memory"),))
    assert "tmpfs" in house.execute(container, "df -T /mnt | tail -1").stdout
    assert os.path.ismount(volume.mountpoint)
    house.engine.containers.remove(container, force=True)
    assert not os.path.ismount(volume.mountpoint)
    house.engine.volumes.remove("memory")


def test_statistics_are_those_of_the_kernel(house: House) -> None:
    busy = "head -c 20000000 /dev/zero >/tmp/file; while true; do :; done"
    container = house.start("/bin/sh", "-c", busy, network="bridge", memory_bytes=256 << 20, pids_limit=50)
    lines = follow(container, 0.5)
    first = next(lines)
    assert first.cpu_percent == 0
    assert first.sample.memory_limit_bytes == 256 << 20
    assert eventually(lambda: next(lines).cpu_percent > 5, PATIENCE_S)
    assert eventually(lambda: once(container, 0.1).sample.pids == 1, PATIENCE_S)
    line = once(container, 0.2)
    assert line.name == container.name
    assert 0 < line.sample.memory_bytes < 256 << 20
    peer = house.start(network="bridge")
    house.execute(peer, f"ping -c 3 -s 1000 -W 5 {container.attached[0].ip}")
    assert once(container, 0.1).sample.received_bytes > 3000
    house.engine.containers.kill(container)
    house.wait_for(container, "exited")
    assert list(lines) == []
    gone = house.engine.containers.find(container.id)
    assert once(gone).sample.pids == 0
    with pytest.raises(NotRunning):
        next(follow(gone))
    for one in (container, peer):
        house.engine.containers.remove(one, force=True)


def test_top_shows_its_processes_and_no_others(house: House) -> None:
    container = house.start("/bin/sh", "-c", "sleep 4711 & exec sleep 4712")
    assert eventually(lambda: len(top(container).processes) == 2, PATIENCE_S)
    table = top(container)
    assert table.titles[:3] == ("UID", "PID", "PPID")
    assert sorted(line[-1] for line in table.processes) == ["sleep 4711", "sleep 4712"]
    pids = {int(line[1]) for line in table.processes}
    assert container.state.pid in pids
    table = top(container, ("-eo", "pid,comm"))
    assert (table.titles, {line[1] for line in table.processes}) == (("PID", "COMMAND"), {"sleep"})
    with pytest.raises(BadOption, match="not allowed"):
        top(container, ("-eo", "comm=PID"))
    house.engine.containers.remove(container, force=True)
    stopped = house.create("true")
    with pytest.raises(NotRunning):
        top(stopped)
    house.engine.containers.remove(stopped)


def test_a_life_is_told(house: House) -> None:
    since_ns = time.time_ns()
    events = house.engine.events.recent(None, time.time_ns() + 120_000_000_000, {"type": ("container",)})
    seen: list[str] = []

    def listen() -> None:
        for event in events:
            seen.append(event.action)
            if event.action == "destroy":
                return

    listener = threading.Thread(target=listen)
    listener.start()
    container = house.start("/bin/sh", "-c", "exit 3", labels=(("tier", "web"),))
    house.engine.containers.wait(container)
    house.engine.containers.remove(container)
    listener.join(PATIENCE_S)
    assert seen == ["create", "start", "die", "destroy"]
    (died,) = house.engine.events.read(since_ns, filters={"event": ("die",), "container": (container.id[:12],)})
    attributes = dict(died.attributes)
    assert (attributes["exitCode"], attributes["tier"], attributes["name"]) == ("3", "web", container.name)


def test_a_check_of_what_runs_finds_nothing_and_a_reset_ends_it(tmp_path: Path) -> None:
    with engine_house(tmp_path / "root") as house:
        container = house.start(network="bridge", mounts=(MountOption("volume", "/data", "shared"),))
        house.create("true")
        assert house.engine.system.check().problems == ()
        paused = house.start()
        house.engine.containers.pause(paused)
        running = house.engine.system.info()
        assert (running["ContainersRunning"], running["ContainersPaused"], running["ContainersStopped"]) == (1, 1, 1)
        assert house.engine.system.prune_containers().containers != (container.id,)
        assert container.id in {one.id for one in house.engine.containers.list()}
        (line,) = [one for one in house.engine.system.df().totals if one.kind == "Containers"]
        assert (line.count, line.active) == (2, 2)
        pid = house.engine.containers.find(container.id).state.pid
        house.engine.system.reset()
        assert not os.path.exists(f"/proc/{pid}")
        found = subprocess.run(("pgrep", "-af", f"{tmp_path}/root"), capture_output=True, text=True, check=False).stdout
        assert found == ""
        assert os.listdir(house.engine.home.root) == []

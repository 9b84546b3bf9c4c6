"""Containers' network namespaces, attached by the engine to real networks in a host of the test's own."""

from __future__ import annotations

import json
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from runtime.engine.attached import read_attached
from runtime.engine.errors import BadOption, Conflict, InUse, NoSuchNetwork
from runtime.engine.networks import NetworkOptions
from runtime.engine.options import Endpoint, PublishedPort
from tests.support import networks as support
from tests.support.engine_root import create, make_engine
from tests.support.networks import fetch, own_host

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runtime.engine.container import Container
    from runtime.engine.engine import Engine
    from runtime.engine.networks import Networks

pytestmark = pytest.mark.root

_serial = count()
# Asks the name server that the container would: its network's gateway, by getent's own means there is none.
_RESOLVE = """
import socket, struct, sys
server, name = sys.argv[1:]
labels = b"".join(bytes((len(label),)) + label.encode() for label in name.split(".")) + b"\\0"
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
    peer.settimeout(10)
    peer.sendto(struct.pack(">HHHHHH", 7, 0x100, 1, 0, 0, 0) + labels + struct.pack(">HH", 1, 1), (server, 53))
    answer = peer.recv(512)
print(socket.inet_ntoa(answer[-4:]) if struct.unpack_from(">H", answer, 6)[0] else answer[3] & 15)
"""


class Ground:
    """Containers that have a network and no process."""

    def __init__(self, engine: Engine, stack: ExitStack) -> None:
        self.engine = engine
        self._stack = stack

    @property
    def networks(self) -> Networks:
        return self.engine.networks

    def network(self, **options: Any) -> str:
        return self.networks.create(NetworkOptions(options.pop("name", f"net{next(_serial)}"), **options)).name

    def start(self, **options: Any) -> tuple[Container, support.Container]:
        """What the supervisor does before a start; the container, and a way into its namespace."""
        container = create(self.engine, **options)
        return container, self.attach(container)

    def attach(self, container: Container) -> support.Container:
        path = self.networks.attachments.attach(container)
        assert path is not None
        return support.Container(container.id, Path(path), self._stack)

    def link(self, container: Container, number: int = 0) -> Any:
        return read_attached(self.engine.home, container.id)[0][number]

    def ports(self, container: Container) -> tuple[PublishedPort, ...]:
        return read_attached(self.engine.home, container.id)[1]

    def resolve(self, inside: support.Container, container: Container, name: str) -> str:
        return inside.run("python3", "-c", _RESOLVE, self.link(container).gateway, name).strip()


def links() -> list[str]:
    return [one["ifname"] for one in json.loads(support.run("ip", "-j", "link"))]


@pytest.fixture
def ground(tmp_path: Path) -> Iterator[Ground]:
    with own_host(), make_engine(tmp_path) as engine, ExitStack() as stack:
        before = support.run("nft", "list", "ruleset")
        yield Ground(engine, stack)
        stack.close()
        engine.system.reset()
        assert support.eventually(lambda: links() == ["lo"], 30)
        assert support.run("nft", "list", "ruleset") == before


def test_published_ports_are_reached_from_the_host(ground: Ground) -> None:
    ports = (PublishedPort(80, 8080), PublishedPort(53, 5353, "udp"), PublishedPort(7000, 7100, "tcp", "127.0.0.1", 2))
    container, inside = ground.start(ports=ports)
    inside.serve(80, "web")
    inside.serve(7001, "second")
    inside.serve_udp(53, "datagram")
    address = ground.link(container).gateway
    assert fetch("127.0.0.1", 8080) is not None
    assert (fetch(address, 8080) or "").startswith("web")
    assert fetch("127.0.0.1", 5353, udp=True) == "datagram"
    assert (fetch("127.0.0.1", 7101) or "").startswith("second")
    assert fetch(address, 7101) is None, "it is published at 127.0.0.1 alone"
    assert ground.ports(container) == ports
    ground.networks.attachments.ended(container.id)
    assert ground.ports(container) == ()
    assert fetch("127.0.0.1", 8080) is None


def test_a_taken_port_is_a_conflict_in_dockers_words(ground: Ground) -> None:
    ground.start(ports=(PublishedPort(80, 8080),))
    other = create(ground.engine, ports=(PublishedPort(81, 8080),), name="other")
    with pytest.raises(Conflict, match=r"endpoint other \(.{12}\): Bind for 0\.0\.0\.0:8080 failed: port is already"):
        ground.attach(other)
    assert ground.networks.attachments.networks.leases_of(other.id) == []
    assert ground.networks.attachments.networks.pins.holder(other.id) is None


def test_of_a_range_the_next_free_port_is_taken(ground: Ground) -> None:
    ground.start(ports=(PublishedPort(80, 8080),))
    for expected in (8081, 8082):
        container, _ = ground.start(ports=(PublishedPort(80, 8080, host_last=8082),))
        assert [port.host_port for port in ground.ports(container)] == [expected]
    full = create(ground.engine, ports=(PublishedPort(80, 8080, host_last=8082),))
    with pytest.raises(Conflict, match="port is already allocated"):
        ground.attach(full)


def test_all_exposed_ports_get_ports_of_the_host(ground: Ground) -> None:
    published = (PublishedPort(80, 8080),)
    container, _ = ground.start(publish_all=True, expose=("80", "53/udp", "7000-7001", "9/sctp", "x"), ports=published)
    found = {(port.port, port.protocol): port.host_port for port in ground.ports(container)}
    assert found.keys() == {(80, "tcp"), (53, "udp"), (7000, "tcp"), (7001, "tcp")}
    assert found[80, "tcp"] == 8080
    assert all(number >= 8080 for number in found.values())


def test_names_are_answered_on_a_network_and_not_to_strangers(ground: Ground) -> None:
    name = ground.network()
    db, _ = ground.start(name="db", network=name, network_aliases=("database",))
    web, inside = ground.start(name="web", network=name)
    stranger, outside = ground.start(name="stranger")
    address = ground.link(db).ip
    for called in ("db", "database", "DB", db.id[:12]):
        assert ground.resolve(inside, web, called) == address
    assert ground.resolve(outside, stranger, "db") != address
    assert inside.pings(address)
    assert not outside.pings(address)
    ground.engine.containers.rename(db, "renamed")
    ground.networks.attachments.renamed(db.id, "db", "renamed")
    assert ground.resolve(inside, web, "renamed") == address
    assert ground.resolve(inside, web, "db") != address


def test_networks_are_isolated_and_internal_ones_lead_nowhere(ground: Ground) -> None:
    one, two = ground.network(), ground.network(internal=True)
    first, inside = ground.start(network=one)
    second, other = ground.start(network=two, ports=(PublishedPort(80, 8080),))
    assert not inside.pings(ground.link(second).ip)
    assert not other.pings(ground.link(first).ip)
    assert "default" in inside.run("ip", "route")
    assert "default" not in other.run("ip", "route")
    assert ground.ports(second) == (), "nobody outside could reach it"


def test_connected_and_disconnected_while_it_runs(ground: Ground) -> None:
    import os

    name = ground.network(subnets=("10.91.0.0/24",))
    peer, _ = ground.start(network=name)
    container, inside = ground.start(ports=(PublishedPort(80, 8080),))
    attachments = ground.networks.attachments
    attachments.running(container.id, os.getpid())
    attachments.connect(container, Endpoint(name, ("alias",), "10.91.0.77"), os.getpid())
    assert "10.91.0.77/24" in inside.run("ip", "addr", "show", "eth1")
    assert inside.pings(ground.link(peer).ip)
    assert ground.link(container, 1).aliases[-1] == "alias"
    attachments.disconnect(container.id, "bridge")
    assert "eth0" not in inside.run("ip", "link")
    assert "via 10.91.0.1" in inside.run("ip", "route")
    assert ground.ports(container) == ()
    attachments.disconnect(container.id, name)
    assert not inside.pings(ground.link(peer).ip)
    told = [dict(event.attributes)["name"] for event in ground.engine.events.read(filters={"event": ("disconnect",)})]
    assert told == ["bridge", name]


def test_connected_while_it_does_not_run(ground: Ground) -> None:
    name = ground.network()
    container = create(ground.engine)
    ground.networks.connect(name, container, Endpoint("", ("alias",)))
    container = ground.engine.containers.find(container.id)
    inside = ground.attach(container)
    assert [link.network for link in read_attached(ground.engine.home, container.id)[0]] == ["bridge", name]
    assert "eth1" in inside.run("ip", "link")
    with pytest.raises(Conflict, match="already exists in network"):
        ground.networks.connect(name, container)
    ground.networks.attachments.ended(container.id)
    ground.networks.disconnect(name, container)
    ground.networks.disconnect("bridge", container)
    with pytest.raises(Conflict, match="not connected"):
        ground.networks.disconnect(name, container)
    assert ground.engine.containers.find(container.id).networks == ()


@pytest.mark.parametrize("mode", ["host", "none", "container"])
def test_what_has_no_network_of_its_own_is_not_connected(ground: Ground, mode: str) -> None:
    name = ground.network()
    network = f"container:{create(ground.engine).id}" if mode == "container" else mode
    container = create(ground.engine, network=network)
    with pytest.raises(Conflict, match="cannot be"):
        ground.networks.connect(name, container)


def test_modes(ground: Ground) -> None:
    first, inside = ground.start(ports=(PublishedPort(80, 8080),))
    joined = create(ground.engine, network=f"container:{first.id}")
    assert ground.networks.attachments.attach(joined) == str(inside.path)
    assert ground.networks.attachments.attach(create(ground.engine, network="host")) is None
    _, alone = ground.start(network="none")
    assert [line.split()[1] for line in alone.run("ip", "-o", "link").splitlines()] == ["lo:"]
    stopped = create(ground.engine, network=f"container:{create(ground.engine).id}")
    with pytest.raises(Conflict, match="cannot join network of a non running container"):
        ground.networks.attachments.attach(stopped)
    ground.networks.attachments.ended(joined.id)
    assert inside.pings(ground.link(first).gateway), "whoever joined takes nothing along"


def test_a_network_lingers_for_the_next_and_goes_when_asked(ground: Ground) -> None:
    name = ground.network()
    container, _ = ground.start(network=name)
    bridge = ground.networks.attachments.networks.store.network(name).segment(0)
    ground.networks.attachments.ended(container.id)
    ground.networks.attachments.ended(container.id)
    assert bridge in support.run("ip", "link")
    ground.networks.attachments.rest(3600)
    assert bridge in support.run("ip", "link")
    ground.networks.attachments.rest()
    assert bridge not in support.run("ip", "link")


def test_networks_in_dockers_form(ground: Ground) -> None:
    name = ground.network(
        name="web", subnets=("10.92.0.0/16", "fd92::/64"), gateways=("10.92.0.254",), ranges=("10.92.7.0/24",),
        ipv6=True, internal=True, labels=(("tier", "web"),),
    )  # fmt: skip
    container, _ = ground.start(network=name, name="member", ip="10.92.9.9")
    other, _ = ground.start(network=name)
    assert ground.link(other).ip == "10.92.7.0"
    document = ground.networks.inspect("web")
    assert document["IPAM"]["Config"] == [
        {"Subnet": "10.92.0.0/16", "IPRange": "10.92.7.0/24", "Gateway": "10.92.0.254"},
        {"Subnet": "fd92::/64", "Gateway": "fd92::1"},
    ]
    assert (document["Internal"], document["EnableIPv6"], document["Labels"]) == (True, True, {"tier": "web"})
    member = document["Containers"][container.id]
    assert (member["Name"], member["IPv4Address"]) == ("member", "10.92.9.9/16")
    assert member["IPv6Address"].endswith("/64")
    with pytest.raises(InUse, match=r'network web has active endpoints \(.*name:"member" id:"'):
        ground.networks.remove("web")
    assert ground.networks.find(document["Id"][:5]).name == "web"
    assert [one.name for one in ground.networks.list()] == ["bridge", "host", "none", "web"]


def test_what_is_refused(ground: Ground) -> None:
    name = ground.network(subnets=("10.93.0.0/16",))
    for words, options in (
        (f"network with name {name} already exists", NetworkOptions(name)),
        ("operation is not permitted on predefined host network", NetworkOptions("host")),
        ("overlaps", NetworkOptions("other", ("10.93.7.0/24",))),
        ("no subnet contains 10.94.0.1", NetworkOptions("other", ("10.95.0.0/16",), ("10.94.0.1",))),
        ('plugin "overlay" not found', NetworkOptions("other", driver="overlay")),
        ("letters, digits", NetworkOptions("a b")),
    ):
        with pytest.raises((BadOption, Conflict), match=words):
            ground.networks.create(options)
    for predefined in ("bridge", "host", "none"):
        with pytest.raises(Conflict, match="pre-defined network and cannot be removed"):
            ground.networks.remove(predefined)
    with pytest.raises(NoSuchNetwork, match="network absent not found"):
        ground.networks.remove("absent")
    with pytest.raises(NoSuchNetwork):
        ground.attach(create(ground.engine, network="absent"))


def test_prune_leaves_networks_of_stopped_containers(ground: Ground) -> None:
    wanted, unwanted = ground.network(), ground.network(labels=(("keep", ""),))
    create(ground.engine, network=wanted)
    assert ground.networks.prune({"label!": ("keep",)}) == ()
    assert ground.networks.prune({"until": ("1h",)}) == ()
    assert ground.networks.prune() == (unwanted,)
    assert wanted in [one.name for one in ground.networks.list()]

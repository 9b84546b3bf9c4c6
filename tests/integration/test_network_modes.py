"""A container's network as users name it: a network, none, the host's or another container's."""

from __future__ import annotations

import subprocess
from ipaddress import IPv4Network
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from runtime.network.catalog import DEFAULT
from runtime.network.errors import NamespaceError, NameTaken, NetworkError, NetworkInUse, NetworkNotFound, SubnetError
from runtime.network.modes import Mode, NetworkMode, namespace_entry, parse_mode, prepare_namespace
from runtime.network.namespaces import is_namespace
from runtime.network.planning import Attach
from runtime.network.subnets import POOL
from tests.support.networks import Container, eventually, make_host, run, stop

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.networks import Host

pytestmark = pytest.mark.root


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    with make_host(tmp_path) as made:
        yield made


def is_same(path: str | Path, other: str | Path = "/proc/thread-self/ns/net") -> bool:
    try:
        return Path(path).samefile(other)
    except OSError:
        return False


def nobody(_: str) -> None:
    return None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("bridge", NetworkMode(Mode.NETWORK)),
        ("", NetworkMode(Mode.NETWORK)),
        ("web", NetworkMode(Mode.NETWORK, "web")),
        ("none", NetworkMode(Mode.NONE)),
        ("host", NetworkMode(Mode.HOST)),
        ("container:c1", NetworkMode(Mode.CONTAINER, "c1")),
    ],
)
def test_a_mode_is_read(text: str, expected: NetworkMode) -> None:
    assert parse_mode(text) == expected


def test_a_container_without_a_name_is_no_mode() -> None:
    with pytest.raises(NetworkError, match="name the container"):
        parse_mode("container:")


def test_none_has_its_loopback_and_nothing_else(host: Host) -> None:
    path = prepare_namespace(host.networks, parse_mode("none"), "c1", nobody)
    assert path is not None
    assert namespace_entry(path) == {"type": "network", "path": str(path)}
    inside = Container("c1", path, host.stack)
    assert inside.pings("127.0.0.1")
    assert inside.run("ip", "route") == ""
    assert "UP" in inside.run("ip", "-o", "link", "show", "lo")
    host.networks.release("c1")
    assert not path.exists()


def test_host_joins_no_namespace(host: Host) -> None:
    assert prepare_namespace(host.networks, parse_mode("host"), "c1", nobody) is None
    assert namespace_entry(None) is None


def test_another_containers_network_is_joined_by_its_pin_or_its_process(host: Host) -> None:
    host.create("web", "10.33.0.0/24")
    first, _ = host.container("web")
    joined = prepare_namespace(host.networks, parse_mode(f"container:{first.id}"), "c2", nobody)
    assert joined == first.path
    process = first.start("sleep", "60")
    by_process = prepare_namespace(host.networks, parse_mode("container:other"), "c2", lambda _: process.pid)
    assert by_process is not None
    assert eventually(lambda: is_same(by_process, first.path))
    with pytest.raises(NamespaceError, match="container gone: it does not run"):
        prepare_namespace(host.networks, parse_mode("container:gone"), "c2", nobody)


def test_a_namespace_that_a_container_made_itself_is_attached_by_its_process(host: Host) -> None:
    host.create("web", "10.33.0.0/24")
    process = subprocess.Popen(("unshare", "--net", "sh", "-c", "echo ready; exec sleep 60"), stdout=subprocess.PIPE)
    assert process.stdout
    process.stdout.readline()
    lease = host.networks.attach(Attach("web", "mine", f"/proc/{process.pid}/ns/net", pid=process.pid))
    other, _ = host.container("web")
    assert other.pings(lease.addresses[0])
    stop(process)
    process.stdout.close()
    assert host.networks.reconcile() == ("lease of mine in network web",)


def test_the_default_network_is_made_when_it_is_first_asked_for(host: Host) -> None:
    assert host.networks.store.networks() == ()
    one, lease = host.container(None)
    assert lease.network == DEFAULT
    assert len(lease.addresses) == 2
    _, other = host.container(None)
    assert all(one.pings(address) for address in other.addresses)
    assert host.networks.catalog.prune() == ()


def test_a_namespace_is_made_once_and_removed_as_often_as_one_likes(host: Host, tmp_path: Path) -> None:
    path = host.networks.create_namespace("c1")
    assert is_namespace(path)
    with pytest.raises(NamespaceError, match="File exists"):
        host.networks.create_namespace("c1")
    assert is_namespace(path)
    host.networks.remove_namespace("c1")
    host.networks.remove_namespace("c1")
    assert not is_namespace(path)
    assert not (tmp_path / "tare-networks").exists() or list((tmp_path / "tare-networks").iterdir()) == []


def test_no_thread_is_left_in_another_namespace(host: Host) -> None:
    def elsewhere() -> set[str]:
        threads = Path("/proc/self/task").iterdir()
        return {thread.name for thread in threads if not is_same(thread / "ns/net")}

    before = elsewhere()  # of other tests
    host.create("web", "10.33.0.0/24")
    host.container("web")
    assert eventually(lambda: elsewhere() <= before)  # a joined thread is there for a moment more


def test_networks_are_created_listed_described_and_removed(host: Host) -> None:
    catalog = host.networks.catalog
    host.create("web", "10.33.0.0/24", labels={"tier": "front"}, gateways=("10.33.0.254",))
    host.create("auto", ipv6=True)
    assert [network.name for network in host.networks.store.networks()] == ["auto", "web"]
    container, lease = host.container("web", names=("db",))
    described = catalog.describe("web")
    assert described["labels"] == {"tier": "front"}
    assert described["subnets"] == [{"subnet": "10.33.0.0/24", "gateway": "10.33.0.254"}]
    assert described["containers"][container.id]["addresses"] == list(lease.addresses)
    with pytest.raises(NetworkInUse, match=f"^remove network web: used by {container.id}$"):
        catalog.remove("web")
    assert catalog.prune() == ("auto",)
    host.networks.detach(container.id, keep=True)
    with pytest.raises(NetworkInUse):
        catalog.remove("web")
    host.networks.release(container.id)
    catalog.remove("web")
    with pytest.raises(NetworkNotFound):
        catalog.remove("web")


def test_what_overlaps_or_exists_is_refused(host: Host) -> None:
    host.outside()
    host.create("web", "10.33.0.0/24")
    with pytest.raises(NameTaken, match="there is one of this name"):
        host.create("web")
    with pytest.raises(SubnetError, match=r"overlaps 10\.33\.0\.0/24 of network web"):
        host.create("two", "10.33.0.128/25")
    with pytest.raises(SubnetError, match=r"overlaps 203\.0\.113\.0/24 of the host's route by uplink"):
        host.create("two", "203.0.113.128/25")
    with pytest.raises(SubnetError, match="one IPv4 and one IPv6"):
        host.create("two", "10.34.0.0/24", "10.35.0.0/24")
    assert [network.name for network in host.networks.store.networks()] == ["web"]


def test_chosen_subnets_avoid_each_other_and_the_hosts_routes(host: Host) -> None:
    run("ip", "link", "add", "dummy0", "type", "bridge")
    run("ip", "addr", "add", "10.160.0.1/18", "dev", "dummy0")
    run("ip", "link", "set", "dummy0", "up")
    try:
        names = [host.create(f"n{number}") for number in range(3)]
        subnets = [IPv4Network(str(host.networks.store.network(name).subnets[0].network)) for name in names]
        taken = [IPv4Network("10.160.0.0/18"), *subnets]
        assert all(subnet.subnet_of(POOL) for subnet in subnets)
        assert [(one, other) for one, other in combinations(taken, 2) if one.overlaps(other)] == []
    finally:
        run("ip", "link", "del", "dummy0")

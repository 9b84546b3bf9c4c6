"""Published ports are reached from everywhere they are published for, and from nowhere else."""

from __future__ import annotations

import os
import socket
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from runtime.network.errors import NetworkError, PortTaken
from runtime.network.planning import Attach
from runtime.network.ports import parse_port
from tests.support.networks import HOST, HOST6, OUTSIDE, fetch, make_host, run, stop

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runtime.network.leases import Lease
    from tests.support.networks import Container, Host

pytestmark = pytest.mark.root


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    with make_host(tmp_path) as made:
        made.create("web", "10.33.0.0/24", "fd33::/64")
        yield made


def published(host: Host, *ports: str, network: str = "web") -> tuple[Container, Lease]:
    container, lease = host.container(network, ports=tuple(map(parse_port, ports)))
    container.serve(80, container.id)
    return container, lease


def test_a_port_is_reached_on_every_address_of_the_host(host: Host) -> None:
    outside = host.outside()
    container, _ = published(host, "8080:80")
    for address in ("127.0.0.1", HOST, "10.33.0.1", "fd33::1", HOST6):
        assert (fetch(address, 8080) or "").startswith(container.id), address
    assert (outside.fetch(HOST, 8080) or "").startswith(container.id)
    assert (outside.fetch(HOST6, 8080) or "").startswith(container.id)


def test_ipv6_loopback_refuses_at_once_so_that_clients_go_on(host: Host) -> None:
    published(host, "8080:80")
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("::1", 8080), timeout=5)


def test_the_container_sees_who_comes_from_outside(host: Host) -> None:
    outside = host.outside()
    container, _ = published(host, "8080:80")
    assert outside.fetch(HOST, 8080) == f"{container.id} ::ffff:{OUTSIDE}"


def test_a_container_reaches_published_ports_by_the_hosts_address(host: Host) -> None:
    host.outside()
    host.create("other", "10.34.0.0/24")
    server, _ = published(host, "8080:80")
    neighbour, _ = host.container("web")
    stranger, _ = host.container("other")
    for client in (neighbour, stranger, server):
        assert (client.fetch(HOST, 8080) or "").startswith(server.id), client.id
        assert (client.fetch("10.33.0.1", 8080) or "").startswith(server.id), client.id


@pytest.mark.parametrize("filtered", ["0", "1"])
def test_a_container_on_a_further_bridge_publishes_and_reaches_as_well(host: Host, filtered: str) -> None:
    """Whether bridges show their packets to the firewall (br_netfilter, which Docker loads) or not."""
    if Path("/proc/sys/net/bridge").is_dir():
        run("sysctl", "-qw", f"net.bridge.bridge-nf-call-iptables={filtered}")
    outside = host.outside()
    host.create("wide", "10.36.0.0/24", ports_per_bridge=1)
    first, _ = host.container("wide")
    server, _ = published(host, "8080:80", network="wide")
    third, _ = host.container("wide")
    assert outside.fetch(HOST, 8080) == f"{server.id} ::ffff:{OUTSIDE}"
    for client in (first, server, third):
        assert (client.fetch(HOST, 8080) or "").startswith(server.id), client.id
    assert (fetch("127.0.0.1", 8080) or "").startswith(server.id)


def test_a_host_address_is_the_only_one(host: Host) -> None:
    outside = host.outside()
    container, _ = published(host, "127.0.0.1:8080:80", f"{HOST}:8081:80", f"[{HOST6}]:8082:80")
    assert (fetch("127.0.0.1", 8080) or "").startswith(container.id)
    assert (outside.fetch(HOST, 8081) or "").startswith(container.id)
    assert (outside.fetch(HOST6, 8082) or "").startswith(container.id)
    assert [fetch(HOST, 8080), fetch("127.0.0.1", 8081), outside.fetch(HOST, 8080), outside.fetch(HOST, 8082)] == [
        None
    ] * 4


def test_one_ip_version_may_be_published_alone(host: Host) -> None:
    container, _ = published(host, "0.0.0.0:8080:80", "[::]:8081:80")
    assert (fetch("127.0.0.1", 8080) or "").startswith(container.id)
    assert (fetch("fd33::1", 8081) or "").startswith(container.id)
    assert (fetch("fd33::1", 8080), fetch("127.0.0.1", 8081)) == (None, None)


def test_a_range_of_ports(host: Host) -> None:
    container, _ = host.container("web", ports=(parse_port("8000-8002:80-82"),))
    for port in (80, 81, 82):
        container.serve(port, f"port-{port}")
    assert [(fetch("127.0.0.1", 8000 + number) or "").split()[0] for number in range(3)] == [
        "port-80", "port-81", "port-82",
    ]  # fmt: skip


def test_udp_is_published_for_udp_alone(host: Host) -> None:
    container, _ = host.container("web", ports=(parse_port("5353:53/udp"),))
    container.serve_udp(53, "answer")
    container.serve(53, "tcp")
    assert fetch("127.0.0.1", 5353, udp=True) == "answer"
    assert fetch("10.33.0.1", 5353, udp=True) == "answer"
    assert fetch("127.0.0.1", 5353) is None


_TALKER = """
import socket, sys, time
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
    peer.settimeout(0.05)
    for _ in range(600):
        time.sleep(0.02)
        try:
            peer.sendto(b"?", ("203.0.113.1", 5353))
            if peer.recv(100).decode() in sys.argv[1:]:
                print("heard", flush=True)
                sys.argv.pop()
        except OSError:
            pass
"""


def test_a_udp_client_that_goes_on_sending_is_led_to_whoever_has_the_port_now(host: Host) -> None:
    outside = host.outside()
    command = ("nsenter", f"--net={outside.path}", "python3", "-c", _TALKER, "second", "first")
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as talker:
        assert talker.stdout
        first, _ = host.container("web", ports=(parse_port("5353:53/udp"),))
        first.serve_udp(53, "first")
        assert talker.stdout.readline() == "heard\n"  # although it sent before there was anybody
        host.networks.detach(first.id)
        second, _ = host.container("web", ports=(parse_port("5353:53/udp"),), v4="10.33.0.77")
        second.serve_udp(53, "second")
        assert talker.stdout.readline() == "heard\n"
        stop(talker)


def test_a_host_port_is_chosen_where_none_is_named(host: Host) -> None:
    container, lease = published(host, "80")
    number = lease.ports[0].host_port
    assert 49152 <= number <= 65535
    assert (fetch("127.0.0.1", number) or "").startswith(container.id)


def test_what_is_not_published_is_not_reached_from_outside(host: Host) -> None:
    outside = host.outside()
    _, lease = published(host, "8080:80")
    outside.run("ip", "route", "add", "10.33.0.0/24", "via", HOST)
    outside.run("ip", "route", "add", "fd33::/64", "via", HOST6)
    assert outside.fetch(lease.addresses[0], 80) is None
    assert outside.fetch(lease.addresses[1], 80) is None
    assert not outside.pings(lease.addresses[0])


def test_the_hosts_loopback_stays_its_own(host: Host) -> None:
    """The host sends from 127.0.0.1 to bridges, but takes nothing for it from them (CVE-2020-8558)."""
    container, _ = published(host, "127.0.0.1:8080:80")
    with socket.create_server(("127.0.0.1", 9999)) as server:
        server.settimeout(2)
        container.run("ip", "route", "add", "127.0.0.0/8", "via", "10.33.0.1", "table", "100")
        run("nsenter", f"--net={container.path}", "sysctl", "-qw", "net.ipv4.conf.eth0.route_localnet=1")
        container.run("ip", "rule", "add", "pref", "0", "to", "127.0.0.1", "dport", "9999", "table", "100")
        container.run("ip", "rule", "del", "pref", "0", "table", "local")
        container.run("ip", "rule", "add", "pref", "10", "table", "local")
        assert "10.33.0.1" in container.run("ip", "route", "get", "127.0.0.1", "ipproto", "tcp", "dport", "9999")
        assert container.fetch("127.0.0.1", 9999) is None


def test_detaching_withdraws_the_ports_and_they_can_be_had_again(host: Host) -> None:
    first, _ = published(host, "8080:80", "127.0.0.1:8081-8082:80-81")
    host.networks.detach(first.id)
    assert fetch("127.0.0.1", 8080) is None
    second, _ = published(host, "8080:80", "127.0.0.1:8081-8082:80-81")
    assert (fetch("127.0.0.1", 8080) or "").startswith(second.id)


@pytest.mark.parametrize("wish", ["8080:81", "127.0.0.1:8080:81", "8079-8081:90-92"])
def test_a_port_of_another_container_is_refused_naming_it(host: Host, wish: str) -> None:
    container, _ = published(host, "8080:80")
    before = host.facts()
    with pytest.raises(PortTaken, match=f"8080/tcp is taken by container {container.id} of network web$"):
        host.networks.attach(Attach("web", "other", container.path, ports=(parse_port(wish),)))
    assert host.facts() == before
    assert host.networks.catalog.describe("web")["containers"].keys() == {container.id}


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_a_port_of_a_process_of_the_host_is_refused_naming_it(host: Host, address: str) -> None:
    container, _ = host.container("web")
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    before = host.facts()
    with (
        socket.create_server((address, 8080), family=family),
        pytest.raises(PortTaken, match=rf"port 8080/tcp is taken by process {os.getpid()} \("),
    ):
        host.networks.attach(Attach("web", "other", container.path, ports=(parse_port("8080:80"),)))
    assert host.facts() == before


@pytest.mark.parametrize(
    ("ports", "words"),
    [
        (("8080:80", "8080:81"), "taken by another port of the same container"),
        (("192.0.2.99:8080:80",), r"the host has no address 192\.0\.2\.99"),
        (("[::1]:80:80",), "nothing from ::1"),
        (("49152-65535",), "no 16384 free ports in a row"),
    ],
)
def test_ports_that_cannot_be_published_are_refused(host: Host, ports: tuple[str, ...], words: str) -> None:
    container, _ = host.container("web")
    before = host.facts()
    with pytest.raises(NetworkError, match=words):
        host.networks.attach(Attach("web", "other", container.path, ports=tuple(map(parse_port, ports))))
    assert host.facts() == before


def test_an_ipv6_port_needs_an_ipv6_address(host: Host) -> None:
    host.create("four", "10.35.0.0/24")
    container, _ = host.container("web")
    with pytest.raises(NetworkError, match="no address of this IP version"):
        host.networks.attach(Attach("four", "other", container.path, ports=(parse_port("[::]:80:80"),)))


def test_ports_survive_a_flushed_firewall(host: Host) -> None:
    first, _ = published(host, "8080:80")
    run("nft", "flush", "ruleset")
    second, _ = published(host, "8081:80")
    assert (fetch("127.0.0.1", 8080) or "").startswith(first.id)
    assert (fetch("127.0.0.1", 8081) or "").startswith(second.id)

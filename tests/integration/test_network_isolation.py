"""Networks are kept apart, reach what is outside or not, and live with other people's firewalls."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from runtime.network.errors import NetworkError
from runtime.network.planning import Attach
from runtime.network.ports import parse_port
from tests.support.networks import HOST, OUTSIDE, OUTSIDE6, eventually, make_host, run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.networks import Host

pytestmark = pytest.mark.root

# What dockerd leaves in the tables of iptables-nft, in nftables' own words.
_DOCKERS_POLICY = """
table ip filter {
  chain DOCKER-USER { counter return; }
  chain FORWARD { type filter hook forward priority 0; policy drop; counter jump DOCKER-USER; }
}
table ip6 filter {
  chain FORWARD { type filter hook forward priority 0; policy drop; }
}
"""


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    with make_host(tmp_path) as made:
        yield made


def test_containers_of_different_networks_do_not_reach_each_other(host: Host) -> None:
    host.create("one", "10.33.0.0/24", "fd33::/64", ports_per_bridge=1)
    host.create("two", "10.34.0.0/24", "fd34::/64")
    left, _ = host.container("one")
    far, _ = host.container("one")  # on a second bridge
    right, theirs = host.container("two")
    right.serve(80, "secret")
    for container in (left, far):
        assert not any(container.pings(address) for address in theirs.addresses)
        assert container.fetch(theirs.addresses[0], 80) is None
    assert left.pings("10.33.0.3")


def test_networks_that_are_both_open_reach_each_other(host: Host) -> None:
    host.create("one", "10.33.0.0/24", isolated=False)
    host.create("two", "10.34.0.0/24", isolated=False)
    host.create("three", "10.35.0.0/24")
    one, _ = host.container("one")
    _, theirs = host.container("two")
    three, _ = host.container("three")
    assert one.pings(theirs.addresses[0])
    assert not three.pings(theirs.addresses[0])


def test_what_goes_out_has_the_hosts_address(host: Host) -> None:
    outside = host.outside()
    host.create("web", "10.33.0.0/24", "fd33::/64", ports_per_bridge=1)
    outside.serve(80, "hello")
    for _ in range(2):
        container, _ = host.container("web")
        assert container.fetch(OUTSIDE, 80) == f"hello ::ffff:{HOST}"
        assert container.pings(OUTSIDE6)


def test_an_internal_network_reaches_itself_alone(host: Host) -> None:
    outside = host.outside()
    host.create("inside", "10.33.0.0/24", "fd33::/64", internal=True)
    host.create("web", "10.34.0.0/24")
    one, _ = host.container("inside")
    _, theirs = host.container("inside")
    other, _ = host.container("web", ports=(parse_port("8080:80"),))
    other.serve(80, "published")
    assert one.pings(theirs.addresses[0])
    assert one.run("ip", "route", "show", "default") == ""
    one.run("ip", "route", "add", "default", "via", "10.33.0.1")
    assert not one.pings(OUTSIDE)
    assert one.fetch(HOST, 8080) is None
    outside.run("ip", "route", "add", "10.33.0.0/24", "via", HOST)
    assert not outside.pings("10.33.0.2")
    with pytest.raises(NetworkError, match="network inside is internal"):
        host.networks.attach(Attach("inside", "c", one.path, ports=(parse_port("80"),)))


def test_the_host_forwards_nothing_for_an_internal_network(host: Host) -> None:
    host.create("inside", "10.33.0.0/24", "fd33::/64", internal=True)
    host.container("inside")
    for name in ("net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding"):
        assert run("sysctl", "-n", name) == "0\n"


def test_a_policy_that_drops_what_it_does_not_know_lets_us_through_and_keeps_its_rules(host: Host) -> None:
    outside = host.outside()
    subprocess.run(("nft", "-f", "-"), input=_DOCKERS_POLICY, text=True, check=True)
    before = run("nft", "-s", "list", "ruleset")
    host.create("web", "10.33.0.0/24", "fd33::/64", ports_per_bridge=1)
    one, _ = host.container("web", ports=(parse_port("8080:80"),))
    two, theirs = host.container("web")
    one.serve(80, "mine")
    assert all(one.pings(address) for address in (*theirs.addresses, OUTSIDE, OUTSIDE6))
    assert (outside.fetch(HOST, 8080) or "").startswith("mine")
    shown = run("iptables-nft", "-S", "FORWARD")
    assert "-A FORWARD -i tareb+" in shown
    for container in (one, two):
        host.networks.release(container.id)
    assert run("nft", "-s", "list", "ruleset") == before
    run("nft", "flush", "ruleset")


def test_other_peoples_tables_are_not_touched(host: Host) -> None:
    run("nft", "add table inet mine; add chain inet mine c { type filter hook forward priority 0; policy accept; }")
    before = run("nft", "list", "table", "inet", "mine")
    host.create("web", "10.33.0.0/24")
    container, _ = host.container("web")
    assert run("nft", "list", "table", "inet", "mine") == before
    host.networks.release(container.id)
    assert run("nft", "-s", "list", "ruleset") == before
    run("nft", "flush", "ruleset")


_RECORDER = """
import socket, sys
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
    server.bind(("", 9999))
    server.settimeout(float(sys.argv[1]))
    print("listening", flush=True)
    try:
        print(server.recvfrom(100)[1][0], flush=True)
    except TimeoutError:
        print("nothing", flush=True)
"""
_SEND = "import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'secret', ('203.0.113.2', 9999))"


@pytest.mark.parametrize("which", ["gate", "bridge"])
def test_a_container_of_an_internal_network_gets_nothing_out_whoever_it_sends_it_to(host: Host, which: str) -> None:
    """Not by the gateway's link-layer address, nor by that of a bridge, which is the host's as well."""
    outside = host.outside()
    host.create("web", "10.34.0.0/24")
    host.container("web")  # so that the host forwards
    host.create("inside", "10.33.0.0/24", internal=True)
    one, _ = host.container("inside")
    network = host.networks.store.network("inside")
    mac = network.gate_mac if which == "gate" else network.segment_mac(0)
    one.run("ip", "neigh", "replace", "10.33.0.99", "lladdr", mac, "dev", "eth0", "nud", "permanent")
    one.run("ip", "route", "add", "default", "via", "10.33.0.99")
    command = ("nsenter", f"--net={outside.path}", "python3", "-c", _RECORDER, "1.5")
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as recorder:
        assert recorder.stdout
        assert recorder.stdout.readline() == "listening\n"
        for _ in range(3):
            one.run("python3", "-c", _SEND)
        assert recorder.stdout.readline() == "nothing\n"


_ADVERTISE = """
import socket, struct
index = socket.if_nametoindex("eth0")
source, target = socket.inet_pton(socket.AF_INET6, "fe80::66"), socket.inet_pton(socket.AF_INET6, "ff02::1")
prefix = struct.pack(">BBBBIII16s", 3, 4, 64, 0xC0, 3600, 3600, 0, socket.inet_pton(socket.AF_INET6, "fd66::"))
message = struct.pack(">BBHBBHII", 134, 0, 0, 64, 0, 1800, 0, 0) + prefix
with socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6) as raw:
    raw.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
    raw.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, index)
    raw.bind(("fe80::66", 0, 0, index))
    for _ in range(3):
        raw.sendto(message, ("ff02::1", 0, 0, index))
"""


def test_the_host_takes_no_advice_from_containers(host: Host) -> None:
    """An advertisement would give the host a route by the container (CVE-2020-13401)."""
    host.create("inside", "fd33::/64", internal=True)  # the host does not forward, and so would listen
    one, _ = host.container("inside")
    one.run("ip", "addr", "add", "fe80::66/64", "dev", "eth0", "nodad")
    one.run("python3", "-c", _ADVERTISE)
    assert not eventually(lambda: "proto ra" in run("ip", "-6", "route") or "fd66" in run("ip", "-6", "addr"), 1.0)

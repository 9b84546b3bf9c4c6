"""Networks are kept apart, reach what is outside or not, and live with other people's firewalls."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from runtime.network.errors import NetworkError
from runtime.network.planning import Attach
from runtime.network.ports import parse_port
from tests.support.networks import HOST, OUTSIDE, OUTSIDE6, make_host, run

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

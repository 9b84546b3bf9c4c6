"""What is planned before anything is changed: leases, rules and requests."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyroute2.netlink.rtnl.ifaddrmsg import ifaddrmsg
from pyroute2.netlink.rtnl.ifinfmsg import ifinfmsg
from pyroute2.netlink.rtnl.ndmsg import ndmsg
from pyroute2.netlink.rtnl.rtmsg import rtmsg

from runtime.network import firewall
from runtime.network.attachment import guest_requests, host_requests, route_requests
from runtime.network.errors import AddressError, NetworkError
from runtime.network.leases import Place
from runtime.network.network import Network
from runtime.network.owners import owner
from runtime.network.planning import Attach, Circumstances, plan_lease
from runtime.network.ports import PublishedPort, parse_port
from runtime.network.subnets import parse_subnet

if TYPE_CHECKING:
    from runtime.network.leases import Lease

SUBNETS = (parse_subnet("10.7.0.0/24"), parse_subnet("fd00:7::/64"))
NETWORK = Network("web", "abcdef123456", SUBNETS, ports_per_bridge=2)
HOLDER = owner("c9")
KINDS: dict[int, type[Any]] = {16: ifinfmsg, 20: ifaddrmsg, 24: rtmsg, 28: ndmsg}


def place(number: int, segment: int = 0) -> Place:
    return Place(segment, f"10.7.0.{number}", f"fd00:7::{number:x}", f"c{number}", 0)


def plan(
    *places: Place, network: Network = NETWORK, before: Lease | None = None, published: tuple[Lease, ...] = (),
    **wish: Any,
) -> Lease:  # fmt: skip
    found = Circumstances(network, HOLDER, before, places, "eth0", published)
    return plan_lease(Attach("web", "c9", "/n", **wish), found)


def published(*ports: str) -> Lease:
    return replace(plan(), ports=tuple(map(parse_port, ports)))


def decode(requests: list[bytes]) -> list[Any]:
    messages = [KINDS[int.from_bytes(request[4:6], "little")](request) for request in requests]
    for message in messages:
        message.decode()
    return messages


def test_a_lease_gets_the_lowest_addresses_and_the_first_bridge_with_room() -> None:
    lease = plan(place(2), place(4), place(5, 1))
    assert (lease.addresses, lease.segment, lease.mac) == (("10.7.0.3", "fd00:7::3"), 1, "02:42:0a:07:00:03")
    assert lease.place.file_name == "1,10.7.0.3,fd00:7::3,c9,0"
    assert plan().link != plan().link


def test_a_container_gets_back_what_it_had() -> None:
    before = replace(plan(v4="10.7.0.50"), segment=3, attached=False)
    again = plan(place(3), before=before)
    assert (again.v4, again.segment) == ("10.7.0.50", 3)
    assert plan(before=before, v4="10.7.0.60").v4 == "10.7.0.60"


def test_a_network_whose_bridges_are_full_is_full() -> None:
    places = [place(2, segment) for segment in range(256) for _ in range(2)]
    with pytest.raises(AddressError, match="place a container in network web: all 253 are taken"):
        plan(*places)


def test_wishes_that_the_network_cannot_fulfil_are_refused() -> None:
    four = replace(NETWORK, subnets=SUBNETS[:1])
    with pytest.raises(AddressError, match="network web has no IPv6 subnet"):
        plan(network=four, v6="fd00::1")
    with pytest.raises(NetworkError, match="network web is internal"):
        plan(network=replace(NETWORK, internal=True), ports=(PublishedPort(80),))
    with pytest.raises(NetworkError, match=r"8080/tcp is taken by container c9 of network web"):
        plan(published=(published("8080:80"),), ports=(parse_port("8080:81"),))


@given(st.sets(st.integers(2, 254), max_size=252))
def test_a_planned_address_is_always_free(numbers: set[int]) -> None:
    lease = plan(*(place(number) for number in numbers), network=replace(NETWORK, ports_per_bridge=700))
    assert lease.v4
    assert int(lease.v4.rpartition(".")[2]) == min(set(range(2, 255)) - numbers)


def test_ports_are_elements_of_maps_by_ip_version_and_host_address() -> None:
    rules = firewall.port_rules("t", published("8080:80", "127.0.0.1:53-54:53-54/udp", "[fd00::9]:1:2"))
    assert rules.splitlines() == [
        "add element inet t every4 { tcp . 8080 : 10.7.0.2 . 80 }",
        "add element inet t every6 { tcp . 8080 : fd00:7::2 . 80 }",
        "add element inet t one4 { 127.0.0.1 . udp . 53 : 10.7.0.2 . 53, 127.0.0.1 . udp . 54 : 10.7.0.2 . 54 }",
        "add element inet t one6 { fd00::9 . tcp . 1 : fd00:7::2 . 2 }",
    ]
    assert firewall.port_rules("t", published(), "delete") == ""


@pytest.mark.parametrize(
    ("changes", "groups"),
    [
        ({}, {"segments", "gates", "sources4", "sources6"}),
        ({"internal": True}, {"segments", "gates", "internal"}),
        ({"isolated": False}, {"segments", "gates", "sources4", "sources6", "open"}),
    ],
)
def test_what_a_network_needs_of_the_firewall(changes: dict[str, Any], groups: set[str]) -> None:
    rules = firewall.bridge_rules("t", replace(NETWORK, **changes), 0).splitlines()
    assert {rule.split()[4] for rule in rules} == groups
    assert firewall.bridge_rules("t", NETWORK, 3) == 'add element inet t segments { "tarebabcdef-3" }'


def test_the_table_is_replaced_in_one_transaction() -> None:
    text = firewall.whole("t", "c", [(NETWORK, 0)], [published("8080:80")])
    assert text.split("\n")[1:4] == ["add table inet t", "delete table inet t", "table inet t {"]
    assert text.count("every4 { tcp . 8080") == 1


def test_the_host_is_sent_a_labelled_silent_port_and_permanent_neighbours() -> None:
    messages = decode(host_requests(NETWORK, plan(), 7, 8, 9))
    veth, label = messages[:2]
    assert veth.get_attr("IFLA_MASTER") == 7
    peer = veth.get_attr("IFLA_LINKINFO").get_attr("IFLA_INFO_DATA").get_attr("VETH_INFO_PEER")
    assert (peer.get_attr("IFLA_NET_NS_FD"), peer.get_attr("IFLA_IFNAME")) == (9, "eth0")
    assert label.get_attr("IFLA_IFALIAS") == "tare:network:abcdef123456:c9"
    neighbours = [message for message in messages if isinstance(message, ndmsg)]
    assert [(one["ifindex"], one["state"], one.get_attr("NDA_DST")) for one in neighbours] == [
        (8, 0x80, "10.7.0.2"), (8, 0x80, "fd00:7::2"),
    ]  # fmt: skip


def test_the_container_is_sent_its_addresses_and_its_gateway() -> None:
    messages = decode(guest_requests(NETWORK, plan(), 5))
    addresses = [message for message in messages if isinstance(message, ifaddrmsg)]
    assert [(one.get_attr("IFA_LOCAL"), one["prefixlen"], one["flags"]) for one in addresses] == [
        ("10.7.0.2", 24, 0), ("fd00:7::2", 64, 2),
    ]  # fmt: skip
    routes = decode(route_requests(NETWORK))
    assert [route.get_attr("RTA_GATEWAY") for route in routes] == ["10.7.0.1", "fd00:7::1"]
    assert route_requests(replace(NETWORK, internal=True)) == []

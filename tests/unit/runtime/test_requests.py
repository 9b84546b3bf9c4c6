"""The bytes that a container's network is made of, decoded again by pyroute2 and compared with what was meant."""

from __future__ import annotations

import struct
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from pyroute2.netlink.rtnl.ifaddrmsg import ifaddrmsg
from pyroute2.netlink.rtnl.ifinfmsg import ifinfmsg
from pyroute2.netlink.rtnl.ndmsg import ndmsg
from pyroute2.netlink.rtnl.rtmsg import rtmsg

from runtime.network.addresses import InstanceAddress
from runtime.network.messages import neighbour
from runtime.network.requests import LINK, container_network

if TYPE_CHECKING:
    from collections.abc import Callable

ADDRESS = InstanceAddress(203)
BRIDGE_INDEX = 42
NETWORK = container_network(ADDRESS, BRIDGE_INDEX, "tarev203")
KINDS: dict[int, type[Any]] = {16: ifinfmsg, 20: ifaddrmsg, 24: rtmsg, 28: ndmsg}
REQUEST, ACK, REPLACE, EXCL, CREATE = 0x1, 0x4, 0x100, 0x200, 0x400
UP, PERMANENT, LATER = 1, 0x80, 0xFFFFFFFF


def number() -> Callable[[object], str]:
    """Names for parameters that are bytes."""
    numbers = count()
    return lambda _: str(next(numbers))


def decode(request: bytes) -> Any:
    message = KINDS[kind(request)](request)
    message.decode()
    return message


def kind(request: bytes) -> int:
    return int(struct.unpack_from("=H", request, 4)[0])


def flags(request: bytes) -> int:
    return int(struct.unpack_from("=H", request, 6)[0])


def only(requests: tuple[bytes, ...], wanted: int) -> list[Any]:
    return [decode(request) for request in requests if kind(request) == wanted]


@pytest.mark.parametrize("request_bytes", [*NETWORK.host, *NETWORK.guest], ids=number())
def test_each_is_one_whole_message_that_asks_for_an_answer(request_bytes: bytes) -> None:
    assert struct.unpack_from("=I", request_bytes)[0] == len(request_bytes)
    assert flags(request_bytes) & (REQUEST | ACK) == REQUEST | ACK


def test_the_pair_is_born_on_the_bridge_and_in_the_container() -> None:
    request = NETWORK.host[0]
    message = decode(request)
    assert flags(request) & (CREATE | EXCL) == CREATE | EXCL
    assert message.get_attr("IFLA_IFNAME") == "tarev203"
    assert message.get_attr("IFLA_MASTER") == BRIDGE_INDEX
    info = message.get_attr("IFLA_LINKINFO")
    assert info.get_attr("IFLA_INFO_KIND") == "veth"
    peer = info.get_attr("IFLA_INFO_DATA").get_attr("VETH_INFO_PEER")
    assert peer.get_attr("IFLA_IFNAME") == LINK == NETWORK.link == "eth0"
    assert peer.get_attr("IFLA_ADDRESS") == ADDRESS.mac
    assert peer.get_attr("IFLA_NET_NS_PID") == 1
    assert peer["flags"] == 0  # up at birth is refused


def test_the_hosts_end_goes_up_last_of_all_and_quiet() -> None:
    links = [(message, message.get_attr("IFLA_AF_SPEC")) for message in only(NETWORK.host[1:], 16)]
    assert [message.get_attr("IFLA_IFNAME") for message, _ in links] == ["tarev203"] * len(links)
    assert links[-1][0]["flags"] & links[-1][0]["change"] & UP
    if Path("/proc/sys/net/ipv6").is_dir():
        ((_, quiet), _) = links
        assert quiet.get_attr("AF_INET6").get_attr("IFLA_INET6_ADDR_GEN_MODE") == 1
    assert all(message["flags"] == 0 for message, _ in links[:-1])


def test_each_side_knows_the_other_for_good() -> None:
    (host,) = only(NETWORK.host, 28)
    (guest,) = only(NETWORK.guest, 28)
    assert (host.get_attr("NDA_DST"), host.get_attr("NDA_LLADDR")) == (ADDRESS.address, ADDRESS.mac)
    assert (host["ifindex"], host["state"]) == (BRIDGE_INDEX, PERMANENT)
    gateway = ADDRESS.bridge
    assert (guest.get_attr("NDA_DST"), guest.get_attr("NDA_LLADDR")) == (gateway.gateway, gateway.mac)
    assert (guest["ifindex"] & LATER, guest["state"]) == (LATER, PERMANENT)
    again = neighbour(ADDRESS.address, ADDRESS.mac, BRIDGE_INDEX)
    assert flags(again) & (REPLACE | CREATE | EXCL) == REPLACE | CREATE  # an address comes back with another container
    assert again in NETWORK.host


def test_the_container_has_its_address_and_the_gateway_as_its_route() -> None:
    (address,) = only(NETWORK.guest, 20)
    assert (address.get_attr("IFA_LOCAL"), address.get_attr("IFA_ADDRESS")) == (ADDRESS.address,) * 2
    assert (address["prefixlen"], address["index"], address["family"]) == (24, LATER, 2)
    (route,) = only(NETWORK.guest, 24)
    assert route.get_attr("RTA_GATEWAY") == ADDRESS.bridge.gateway
    assert route.get_attr("RTA_DST") is None
    assert (route["dst_len"], route["table"], route["type"], route["proto"]) == (0, 254, 1, 4)


def test_loopback_goes_up_and_then_the_link() -> None:
    links = only(NETWORK.guest, 16)
    assert links[0]["index"] == 1
    assert all(message["index"] & LATER == LATER for message in links[1:])
    assert [bool(message["flags"] & UP) for message in links] == [True, *[False] * (len(links) - 2), True]


def test_in_the_container_everything_follows_the_link() -> None:
    order = [kind(request) for request in NETWORK.guest if kind(request) != 16]
    assert order == [20, 28, 24]
    assert [kind(request) for request in NETWORK.guest][-3:] == order


@pytest.mark.parametrize("request_bytes", NETWORK.guest, ids=number())
def test_the_index_that_the_child_fills_in_stands_where_it_looks(request_bytes: bytes) -> None:
    marked = request_bytes[20:24] == b"\xff\xff\xff\xff"
    message = decode(request_bytes)
    index = message["ifindex"] if kind(request_bytes) == 28 else message["index"] if kind(request_bytes) != 24 else 0
    assert marked == (index & LATER == LATER)
    filled = decode(request_bytes[:20] + struct.pack("=I", 7) + request_bytes[24:]) if marked else message
    if marked:
        assert filled["ifindex" if kind(request_bytes) == 28 else "index"] == 7
        assert str(filled["attrs"]) == str(message["attrs"])


@pytest.mark.parametrize("number", [0, 1, 199, 200, 12345, 102399])
def test_every_container_gets_its_own_and_nothing_of_a_sample(number: int) -> None:
    address, link = InstanceAddress(number), f"tarev{number}"
    network = container_network(address, BRIDGE_INDEX, link)
    veth, *rest = (decode(request) for request in network.host)
    assert [message.get_attr("IFLA_IFNAME") for message in (veth, *rest[:-1])] == [link] * len(rest)
    peer = veth.get_attr("IFLA_LINKINFO").get_attr("IFLA_INFO_DATA").get_attr("VETH_INFO_PEER")
    assert peer.get_attr("IFLA_ADDRESS") == address.mac
    assert (rest[-1].get_attr("NDA_DST"), rest[-1].get_attr("NDA_LLADDR")) == (address.address, address.mac)
    (inside,) = only(network.guest, 20)
    assert inside.get_attr("IFA_LOCAL") == address.address
    (route,) = only(network.guest, 24)
    assert route.get_attr("RTA_GATEWAY") == address.bridge.gateway
    everything = b"".join((*network.host, *network.guest))
    assert all(sample not in everything for sample in (b"\x01\x01\x01", b"\xe9\xfc", b"\xfe\x5a\xa5"))

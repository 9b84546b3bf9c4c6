"""Every instance has an address of its own, on a bridge that has room for it."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.network.addresses import (
    BRIDGES,
    PORTS,
    RANGE,
    AddressPool,
    BridgeAddress,
    InstanceAddress,
    bridges_for,
    mac_of,
)
from runtime.network.errors import AddressError

settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

NUMBERS = st.integers(0, BRIDGES * PORTS - 1)


@pytest.mark.parametrize(
    ("number", "bridge", "address", "mac"),
    [
        (0, "tare0", "198.18.0.2", "02:42:c6:12:00:02"),
        (199, "tare0", "198.18.0.201", "02:42:c6:12:00:c9"),
        (200, "tare1", "198.18.1.2", "02:42:c6:12:01:02"),
        (BRIDGES * PORTS - 1, "tare511", "198.19.255.201", "02:42:c6:13:ff:c9"),
    ],
)
def test_addresses_as_documented(number: int, bridge: str, address: str, mac: str) -> None:
    instance = InstanceAddress(number)
    assert (instance.bridge.name, instance.address, instance.mac) == (bridge, address, mac)


def test_the_gateway_is_the_first_address_of_its_network() -> None:
    bridge = BridgeAddress(1)
    assert (bridge.gateway, bridge.mac, str(bridge.network)) == ("198.18.1.1", "02:42:c6:12:01:01", "198.18.1.0/24")


@given(NUMBERS)
def test_an_instance_is_in_its_bridges_network_and_in_the_range(number: int) -> None:
    instance = InstanceAddress(number)
    address = ipaddress.ip_address(instance.address)
    assert address in instance.bridge.network
    assert instance.bridge.network.subnet_of(RANGE)
    assert address not in {
        instance.bridge.network.network_address,
        instance.bridge.network.broadcast_address,
        ipaddress.ip_address(instance.bridge.gateway),
    }


@given(NUMBERS, NUMBERS)
def test_two_instances_share_neither_address_nor_mac(one: int, other: int) -> None:
    if one != other:
        assert InstanceAddress(one).address != InstanceAddress(other).address
        assert InstanceAddress(one).mac != InstanceAddress(other).mac


@given(NUMBERS)
def test_a_mac_is_local_unicast_and_tells_the_address(number: int) -> None:
    octets = bytes.fromhex(InstanceAddress(number).mac.replace(":", ""))
    assert octets[0] & 0b11 == 0b10
    assert ipaddress.ip_address(octets[2:]) == ipaddress.ip_address(InstanceAddress(number).address)


@given(st.integers(0, BRIDGES * PORTS))
def test_bridges_are_as_many_as_needed_and_no_more(instances: int) -> None:
    bridges = bridges_for(instances)
    assert len(bridges) * PORTS >= instances
    assert (len(bridges) - 1) * PORTS < instances or not bridges
    assert [bridge.number for bridge in bridges] == list(range(len(bridges)))
    assert instances == 0 or InstanceAddress(instances - 1).bridge == bridges[-1]


def test_names_of_bridges_fit_an_interface() -> None:
    assert max(len(BridgeAddress(number).name) for number in range(BRIDGES)) <= 15


@pytest.mark.parametrize("number", [-1, BRIDGES])
def test_a_bridge_outside_the_range_is_refused(number: int) -> None:
    with pytest.raises(AddressError, match=rf"^address bridge {number}: 198\.18\.0\.0/15 has room for 512$"):
        _ = BridgeAddress(number).gateway


def test_more_instances_than_there_are_addresses_are_refused() -> None:
    with pytest.raises(AddressError, match=r"address 102401 instances: .* has room for 102400"):
        bridges_for(BRIDGES * PORTS + 1)


@pytest.mark.parametrize("address", ["", "1.2.3", "1.2.3.256", ":::1"])
def test_what_is_no_address_has_no_mac(address: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        mac_of(address)


def test_the_pool_hands_out_the_lowest_first() -> None:
    pool = AddressPool()
    taken = [pool.acquire() for _ in range(5)]
    assert [address.number for address in taken] == [0, 1, 2, 3, 4]
    for number in (3, 1):
        pool.release(taken[number])
    assert [pool.acquire().number for _ in range(3)] == [1, 3, 5]


def test_the_pool_ends() -> None:
    pool = AddressPool()
    addresses = [pool.acquire() for _ in range(BRIDGES * PORTS)]
    with pytest.raises(AddressError, match=r"^address an instance: all 102400 of 198\.18\.0\.0/15 are taken$"):
        pool.acquire()
    pool.release(addresses[77])
    assert pool.acquire().number == 77


@given(st.lists(st.one_of(st.none(), st.integers(0, 30)), max_size=60))
def test_nobody_gets_what_another_holds(steps: list[int | None]) -> None:
    """None acquires, a number releases the holder of that place, if there is one."""
    pool, held = AddressPool(), list[InstanceAddress]()
    for step in steps:
        if step is None:
            address = pool.acquire()
            assert address not in held
            assert address.number <= len(held)  # a capacity of N is enough for N at a time
            held.append(address)
        elif step < len(held):
            pool.release(held.pop(step))


def test_an_address_is_given_back_once() -> None:
    pool = AddressPool()
    address = pool.acquire()
    pool.release(address)
    with pytest.raises(AddressError, match=r"^release 198\.18\.0\.2: nobody holds it$"):
        pool.release(address)
    with pytest.raises(AddressError, match=r"^release 198\.18\.0\.11: nobody holds it$"):
        pool.release(InstanceAddress(9))
    assert pool.acquire() != pool.acquire()

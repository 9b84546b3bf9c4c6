"""Subnets are read strictly, overlap nothing, and hand out each address once."""

from __future__ import annotations

import ipaddress
from ipaddress import IPv4Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.network.errors import AddressError, SubnetError
from runtime.network.subnets import (
    POOL,
    POOL_PREFIX_LENGTH,
    choose_subnet,
    lowest_free,
    overlap,
    parse_address,
    parse_subnet,
    refuse_overlap,
    unique_local_subnet,
)


@pytest.mark.parametrize(
    ("text", "gateway", "words"),
    [
        ("10.0.0.0/99", None, "read subnet '10.0.0.0/99'"),
        ("10.0.0.1/24", None, "has host bits set"),
        ("nonsense", None, "read subnet 'nonsense'"),
        ("10.0.0.0/31", None, "no room"),
        ("fd00::/127", None, "no room"),
        ("127.0.0.0/16", None, "set aside"),
        ("224.0.0.0/16", None, "set aside"),
        ("169.254.0.0/16", None, "set aside"),
        ("fe80::/64", None, "set aside"),
        ("10.0.0.0/24", "10.0.1.1", r"no host address of 10\.0\.0\.0/24"),
        ("10.0.0.0/24", "10.0.0.0", "no host address"),
        ("10.0.0.0/24", "10.0.0.255", "no host address"),
        ("10.0.0.0/24", "fd00::1", "no host address"),
    ],
)
def test_a_bad_subnet_is_refused_in_one_line(text: str, gateway: str | None, words: str) -> None:
    with pytest.raises(SubnetError, match=words) as refused:
        parse_subnet(text, gateway)
    assert "\n" not in str(refused.value)


def test_the_gateway_is_the_first_address_unless_it_is_named() -> None:
    assert str(parse_subnet("10.1.0.0/16").gateway) == "10.1.0.1"
    assert str(parse_subnet("10.1.0.0/16", "10.1.255.254").gateway) == "10.1.255.254"
    assert str(parse_subnet("fd00:1::/64").gateway) == "fd00:1::1"


def test_an_overlap_is_refused_and_names_whose_it_is() -> None:
    taken = [(ipaddress.ip_network("fd00::/64"), "one"), (ipaddress.ip_network("10.1.0.0/16"), "network web")]
    with pytest.raises(SubnetError, match=r"^use subnet 10\.1\.2\.0/24: it overlaps 10\.1\.0\.0/16 of network web$"):
        refuse_overlap(IPv4Network("10.1.2.0/24"), taken)
    refuse_overlap(IPv4Network("10.2.0.0/16"), taken)


@given(st.sets(st.integers(0, 511), max_size=40))
def test_a_chosen_subnet_overlaps_none_that_is_taken(numbers: set[int]) -> None:
    subnets = list(POOL.subnets(new_prefix=POOL_PREFIX_LENGTH))
    taken = [subnets[number] for number in numbers]
    chosen = choose_subnet(POOL, POOL_PREFIX_LENGTH, taken)
    assert not any(overlap(chosen.network, network) for network in taken)
    assert chosen.network.subnet_of(POOL)  # type: ignore[arg-type]


def test_a_pool_that_is_used_up_says_so() -> None:
    with pytest.raises(SubnetError, match="every /20 of"):
        choose_subnet(POOL, POOL_PREFIX_LENGTH, [IPv4Network("10.0.0.0/8")])


def test_unique_local_subnets_differ() -> None:
    subnets = {str(unique_local_subnet().network) for _ in range(50)}
    assert len(subnets) == 50
    assert all(text.startswith("fd") and text.endswith("::/64") for text in subnets)


@pytest.mark.parametrize("text", ["10.7.0.0/29", "10.7.0.8/29", "fd00:7::/125"])
def test_every_host_address_is_handed_out_once_and_then_no_more(text: str) -> None:
    subnet = parse_subnet(text)
    taken: list[str] = []
    expected = {str(address) for address in subnet.network.hosts()} - {str(subnet.gateway), str(subnet.network[0])}
    for _ in expected:
        taken.append(str(lowest_free(subnet, taken)))
    assert set(taken) == expected
    with pytest.raises(AddressError, match=f"^address a container: every address of {text} is taken$"):
        lowest_free(subnet, taken)


def test_the_lowest_address_is_taken_again_when_it_is_free() -> None:
    subnet = parse_subnet("10.7.0.0/16", "10.7.0.2")
    assert [str(lowest_free(subnet, taken)) for taken in ([], ["10.7.0.1"], ["10.7.0.1", "10.7.0.3"])] == [
        "10.7.0.1", "10.7.0.3", "10.7.0.4",
    ]  # fmt: skip


@pytest.mark.parametrize("text", ["10.8.0.5", "10.7.0.0", "10.7.255.255", "fd00::1", "x"])
def test_an_address_of_elsewhere_is_refused(text: str) -> None:
    with pytest.raises(AddressError):
        parse_address(text, IPv4Network("10.7.0.0/16"))


def test_addresses_are_chosen_from_the_range_alone() -> None:
    subnet = parse_subnet("10.7.0.0/16", None, "10.7.5.0/30")
    taken: list[str] = []
    for expected in ("10.7.5.0", "10.7.5.1", "10.7.5.2", "10.7.5.3"):
        taken.append(str(lowest_free(subnet, taken)))
        assert taken[-1] == expected
    with pytest.raises(AddressError, match=r"every address of 10\.7\.5\.0/30 is taken"):
        lowest_free(subnet, taken)


@pytest.mark.parametrize("text", ["10.8.0.0/24", "10.0.0.0/8", "10.7.0.1/24", "fd00::/64", "x"])
def test_a_range_of_elsewhere_is_refused(text: str) -> None:
    with pytest.raises(SubnetError, match="range"):
        parse_subnet("10.7.0.0/16", None, text)


def test_stores_choose_from_different_places_and_come_round_to_the_first() -> None:
    last = (1 << (POOL_PREFIX_LENGTH - POOL.prefixlen)) - 1
    chosen = [choose_subnet(POOL, POOL_PREFIX_LENGTH, [], first).network for first in (0, 7, last, last + 1)]
    assert [str(one) for one in chosen] == ["10.160.0.0/20", "10.160.112.0/20", "10.191.240.0/20", "10.160.0.0/20"]
    assert choose_subnet(POOL, POOL_PREFIX_LENGTH, [chosen[2]], last).network == chosen[0]

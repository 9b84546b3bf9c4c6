"""A container is found by each of its names as soon as its lease is there, and no longer."""

from __future__ import annotations

import os
from dataclasses import replace
from ipaddress import ip_address
from typing import TYPE_CHECKING

import pytest

from runtime.network.errors import NetworkError
from runtime.network.leases import Lease
from runtime.network.names import Names, check_names, hosts_file, names_of, read_resolv_conf, resolv_conf
from runtime.network.network import Network
from runtime.network.owners import owner
from runtime.network.store import Store
from runtime.network.subnets import parse_subnet

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NETWORK = Network("web", "abcdef123456", (parse_subnet("10.7.0.0/24"),))
LONG_ID = "ab" * 32


def lease(container_id: str, number: int, *names: str) -> Lease:
    return Lease("web", owner(container_id), 0, f"10.7.0.{number}", f"fd00::{number}", "", "", "", "", names)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(tmp_path)
    store.write_network(NETWORK)
    return store


@pytest.fixture
def names(store: Store) -> Iterator[Names]:
    directory = os.open(store.leases_directory("web"), os.O_RDONLY)
    yield Names(directory)
    os.close(directory)


def test_a_container_has_all_its_names_while_it_is_attached(store: Store, names: Names) -> None:
    assert names.addresses("db") == ()
    store.write_lease(lease(LONG_ID, 2, "DB", "alias"))
    addresses = [ip_address("10.7.0.2"), ip_address("fd00::2")]
    for name in ("db", "alias", LONG_ID[:12]):
        assert names.addresses(name) == addresses
    assert (names.name(addresses[0]), names.name(addresses[1])) == ("db", "db")
    store.write_lease(replace(lease(LONG_ID, 2), attached=False), lease(LONG_ID, 2))
    assert names.addresses("db") == ()
    assert names.name(addresses[0]) is None


def test_changes_in_quick_succession_are_all_seen(store: Store, names: Names) -> None:
    for number in range(2, 60):
        store.write_lease(lease(f"c{number}", number, f"n{number}", "all"))
        assert names.addresses(f"n{number}") == [ip_address(f"10.7.0.{number}"), ip_address(f"fd00::{number}")]
    assert len(names.addresses("all")) == 2 * 58
    store.erase_place("web", lease("c2", 2).place)
    assert names.addresses("n2") == ()


def test_a_lease_that_is_written_anew_has_its_new_names(store: Store, names: Names) -> None:
    store.write_lease(lease("c1", 2, "old"))
    assert names.addresses("old")
    store.write_lease(lease("c1", 2, "new"))
    assert (names.addresses("old"), len(names.addresses("new"))) == ((), 2)


def test_broken_leases_still_have_their_ids(store: Store, names: Names) -> None:
    (store.leases_directory("web") / "0,10.7.0.9,-,c9,0").write_text("{")
    assert names.addresses("c9") == [ip_address("10.7.0.9")]


def test_an_id_that_is_too_long_for_a_label_is_known_by_its_beginning() -> None:
    assert names_of(LONG_ID, ["Web"]) == ("web", LONG_ID[:12])
    assert names_of("short", []) == ("short",)


@pytest.mark.parametrize("name", ["", "a..b", "-a", "a b", "ä", "x" * 64, "a." * 127 + "a", "a\n"])
def test_names_that_cannot_be_asked_for_are_refused(name: str) -> None:
    with pytest.raises(NetworkError, match="call a container"):
        check_names([name])
    check_names(["web", "Web_1.example", "x" * 63])


def test_the_hosts_file_has_the_loopback_and_every_name() -> None:
    text = hosts_file({"10.7.0.2": ("web", "c1", "web")})
    assert text.splitlines()[:2] == ["127.0.0.1\tlocalhost", "::1\tlocalhost ip6-localhost ip6-loopback"]
    assert text.splitlines()[-1] == "10.7.0.2\tweb c1"


def test_a_resolv_conf_is_written_and_read_again() -> None:
    text = resolv_conf(["10.7.0.1", "fd00::1"], ["example.org"], ["ndots:0"])
    assert text == "nameserver 10.7.0.1\nnameserver fd00::1\nsearch example.org\noptions ndots:0\n"
    assert read_resolv_conf(text) == (("10.7.0.1", "fd00::1"), ("example.org",))
    assert read_resolv_conf("# x\nnameserver\nnameserver x\ndomain d\nnameserver fe80::1%eth0") == (
        ("fe80::1%eth0",), ("d",),
    )  # fmt: skip

"""What is on disk is whole, found again, and never held by the dead."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from runtime.network.errors import NetworkError, NetworkNotFound, StoreBusy
from runtime.network.leases import Lease, Place
from runtime.network.network import Network, check_name, check_ports_per_bridge
from runtime.network.owners import owner, start_time_ticks
from runtime.network.ports import PublishedPort
from runtime.network.store import Store
from runtime.network.subnets import parse_subnet

if TYPE_CHECKING:
    from pathlib import Path

SUBNETS = (parse_subnet("10.7.0.0/24"), parse_subnet("fd00:7::/64"))
NETWORK = Network("web", "abcdef123456", SUBNETS, labels=(("a", "b"),), created_at_s=7)


def lease(**changes: object) -> Lease:
    made = Lease(
        "web", owner("c1"), 0, "10.7.0.2", "fd00:7::2", "02:42:0a:07:00:02", "tarec1", "eth0", "/n", ("db",),
        (PublishedPort(80, 8080),),
    )  # fmt: skip
    return replace(made, **changes)  # type: ignore[arg-type]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(tmp_path / "networks")
    with store.lock():
        store.write_network(NETWORK)
    return store


def test_a_network_is_found_by_name_and_by_the_beginning_of_its_id(store: Store) -> None:
    assert store.network("web") == store.network("abcd") == store.network("abcdef123456") == NETWORK
    assert store.networks() == (NETWORK,)
    for name in ("we", "", "../web", "abce"):
        with pytest.raises(NetworkNotFound, match="there is none of this name"):
            store.network(name)


def test_a_lease_is_found_by_its_owner_and_its_place_is_in_its_name(store: Store) -> None:
    store.write_lease(lease())
    assert store.places(NETWORK) == (Place(0, "10.7.0.2", "fd00:7::2", "c1", 1),)
    assert store.lease(NETWORK, "c1") == lease()
    assert store.lease(NETWORK, "c2") is None
    reserved = lease(attached=False)
    store.write_lease(reserved, lease())
    assert store.leases(NETWORK) == (reserved,)
    assert store.places(NETWORK)[0].published is None
    store.erase_place("web", reserved.place)
    store.erase_place("web", reserved.place)
    assert store.leases(NETWORK) == ()


def test_what_is_broken_or_not_ours_is_no_lease(store: Store) -> None:
    directory = store.leases_directory("web")
    (directory / "README").write_text("hello")
    (directory / "0,10.7.0.3,-,c3,0").write_text("")
    (directory / "0,10.7.0.4,-,c4,0").write_text('{"owner": 7}')
    assert store.leases(NETWORK) == ()
    assert {place.owner_id for place in store.places(NETWORK)} == {"c3", "c4"}


def test_a_broken_network_is_named(store: Store) -> None:
    (store.root / "bad.json").write_text("{")
    with pytest.raises(NetworkError, match=r"read network .*bad\.json"):
        store.networks()


def test_erasing_a_network_leaves_only_the_lock(store: Store) -> None:
    store.write_lease(lease())
    store.erase_network(NETWORK)
    store.erase_network(NETWORK)
    assert [path.name for path in store.root.iterdir()] == ["lock"]
    assert store.places(NETWORK) == ()


def test_what_a_killed_writer_left_is_swept(store: Store) -> None:
    (store.root / ".new-1").write_text("{")
    (store.leases_directory("web") / ".new-1").write_text("{")
    store.sweep()
    assert not list(store.root.rglob(".new-*"))
    assert store.networks() == (NETWORK,)


def test_a_held_store_is_refused_naming_the_holder(store: Store) -> None:
    with store.lock(), pytest.raises(StoreBusy, match=f"process {os.getpid()} has them"), store.lock(patience_s=0.02):
        pass
    with store.lock(patience_s=0):
        pass


def test_threads_hold_the_store_one_after_the_other(store: Store) -> None:
    inside: list[int] = []
    most: list[int] = []

    def enter() -> None:
        for _ in range(20):
            with store.lock():
                inside.append(1)
                most.append(len(inside))
                inside.pop()

    threads = [threading.Thread(target=enter) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(most) == {1}


def test_an_owner_lives_as_long_as_its_very_process() -> None:
    mine = owner("c1")
    assert mine.is_alive()
    assert not replace(mine, start_time_ticks=mine.start_time_ticks + 1).is_alive()
    assert not replace(mine, boot_id="another").is_alive()
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        theirs = owner("c2", process.pid)
        assert theirs.is_alive()
        assert process.stdin
        process.stdin.close()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert start_time_ticks(process.pid) is None  # a zombie holds nothing
    assert not theirs.is_alive()
    with pytest.raises(NetworkError, match="there is no such process"):
        owner("c2", process.pid)


@pytest.mark.parametrize("name", ["", "a,b", "a/b", "-a", "a" * 129, "a\n", "ä"])
def test_an_owner_that_could_not_be_a_file_name_is_refused(name: str) -> None:
    with pytest.raises(NetworkError, match="name an owner"):
        owner(name)


@pytest.mark.parametrize("name", ["", ".a", "a/b", "a b", "none", "host", "container", "x" * 64])
def test_a_network_that_could_not_be_named_so_is_refused(name: str) -> None:
    with pytest.raises(NetworkError, match="name a network"):
        check_name(name)


def test_names_on_the_host_fit_the_kernel() -> None:
    names = [NETWORK.segment(0), NETWORK.gate, NETWORK.gate_port, NETWORK.segment(255), *NETWORK.trunk(255)]
    assert names[:3] == ["tarebabcdef", "tarebgabcdef", "tarebpabcdef"]
    assert names[3:] == ["tarebabcdef-255", "taretabcdef-255", "tareuabcdef-255"]
    assert max(map(len, names)) <= 15
    assert NETWORK.gate_mac == "02:42:0a:07:00:01"
    assert NETWORK.segment_mac(255) == "02:44:ab:cd:ef:ff"


def test_capacity_is_bounded_by_addresses_and_by_bridges() -> None:
    assert NETWORK.capacity == 253
    assert replace(NETWORK, subnets=(parse_subnet("10.0.0.0/8"),)).capacity == 256 * 200
    for ports in (0, 768):
        with pytest.raises(NetworkError, match="besides its trunks"):
            check_ports_per_bridge(ports)


def test_a_network_is_stored_whole(store: Store) -> None:
    assert Network.from_json(json.loads((store.root / "web.json").read_text())) == NETWORK

"""A container's network: link, address, route, silence, and who reaches whom."""

from __future__ import annotations

import http.client
import json
import subprocess
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from runtime.linux import constants, syscalls
from runtime.linux.numbers import numbers
from runtime.network.addresses import BridgeAddress
from runtime.network.bridge import (
    create_bridge,
    delete_links,
    existing_links,
    labelled_links,
    routed_elsewhere,
)
from runtime.network.errors import NetworkError
from runtime.network.requests import container_network
from runtime.process.client import LauncherError
from tests.support.containers import BRIDGE, instance_address, link, make_ground
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from runtime.network.addresses import InstanceAddress
    from runtime.spec.container import ContainerSpec, Network
    from tests.support.containers import Ground

pytestmark = pytest.mark.root

bridge_address = BridgeAddress(BRIDGE)
_links = count()


@pytest.fixture(scope="module")
def bridge() -> Iterator[int]:
    """The index of a bridge that no run would take."""
    run_id = f"test-{BRIDGE}"
    index = create_bridge(bridge_address, run_id)
    try:
        assert labelled_links(run_id) == (bridge_address.name,)
        yield index
    finally:
        delete_links((bridge_address.name,))
    assert existing_links((bridge_address.name,)) == ()


def network(address: InstanceAddress, bridge: int) -> tuple[str, Network]:
    # A name is not used again: the link of a container that was just removed may still be there.
    name = f"taret{BRIDGE}-{next(_links)}"
    return name, container_network(address, bridge, name)


@contextmanager
def connected(
    ground: Ground, bridge: int, number: int, *argv: str
) -> Iterator[tuple[ContainerSpec, InstanceAddress, str]]:
    address = instance_address(number)
    name, requests = network(address, bridge)
    with ground.running(*argv, network=requests) as (spec, _):
        yield spec, address, name


def ip(*arguments: str) -> list[dict[str, Any]]:
    listing = subprocess.run(("ip", "-j", "-d", *arguments), capture_output=True, text=True, check=True).stdout
    return json.loads(listing or "[]")  # type: ignore[no-any-return]


def fetch(host: str) -> str | None:
    """What the container's web server says; None while it does not listen yet."""
    connection = http.client.HTTPConnection(host, 8080, timeout=5)
    try:
        connection.request("GET", "/name")
        return connection.getresponse().read().decode()
    except ConnectionRefusedError:
        return None
    finally:
        connection.close()


def test_link_address_and_route_are_those_planned(ground: Ground, bridge: int) -> None:
    with connected(ground, bridge, 0) as (spec, address, name):
        _, out, _ = ground.execute(spec.id, "ip", "addr")
        text = out.decode()
        assert f"inet {address.address}/24" in text
        assert f"link/ether {address.mac}" in text
        assert text.count("eth0@") == 1
        assert text.count(": <") == 2  # and lo
        assert "UP,LOWER_UP" in text.partition("eth0@")[2]
        assert "inet 127.0.0.1/8" in text
        _, out, _ = ground.execute(spec.id, "ip", "route")
        assert [line.strip() for line in out.decode().splitlines()] == [
            f"default via {bridge_address.gateway} dev eth0",
            f"{bridge_address.network} dev eth0 scope link  src {address.address}",
        ]
        (link,) = ip("link", "show", "dev", name)
        assert link["master"] == bridge_address.name
        assert "UP" in link["flags"]


def test_neighbours_are_known_for_good_on_both_sides(ground: Ground, bridge: int) -> None:
    with connected(ground, bridge, 1) as (spec, address, _):
        _, out, _ = ground.execute(spec.id, "ip", "neigh")
        assert out.decode().startswith(f"{bridge_address.gateway} dev eth0 lladdr {bridge_address.mac}")
        assert b"PERMANENT" in out
        entries = {entry["dst"]: entry for entry in ip("neigh", "show", "dev", bridge_address.name)}
        assert entries[address.address]["lladdr"] == address.mac
        assert entries[address.address]["state"] == ["PERMANENT"]


def test_no_autoconfiguration_of_ipv6_is_heard(ground: Ground, bridge: int) -> None:
    with connected(ground, bridge, 2) as (spec, _, name):
        _, out, _ = ground.execute(spec.id, "cat", "/proc/net/if_inet6")
        assert [line for line in out.decode().splitlines() if not line.endswith(" lo")] == []
        # Router solicitations and duplicate detection start within a second.
        assert not eventually(lambda: ip("-s", "link", "show", "dev", name)[0]["stats64"]["rx"]["packets"] > 0, 1.5)
    links = ip("addr", "show", "dev", bridge_address.name)
    assert [address["family"] for address in links[0]["addr_info"]] == ["inet"]


def test_the_container_reaches_the_gateway(ground: Ground, bridge: int) -> None:
    with connected(ground, bridge, 3) as (spec, _, _):
        status, out, _ = ground.execute(spec.id, "ping", "-c", "1", "-W", "5", bridge_address.gateway)
        assert (status, b"1 packets received" in out) == (0, True)


SERVE = ("sh", "-c", "hostname > /srv/name; exec httpd -f -p 8080 -h /srv")


def test_the_host_reaches_every_container(ground: Ground, bridge: int) -> None:
    with connected(ground, bridge, 4, *SERVE) as one, connected(ground, bridge, 5, *SERVE) as two:
        for spec, address, _ in (one, two):
            assert eventually(lambda host=address.address: fetch(host) is not None)  # type: ignore[misc]
            assert fetch(address.address) == f"{spec.id}\n"


def in_a_network_of_its_own(body: Callable[[], None]) -> None:
    """Run it in a thread that has left the host's network, and with it what Docker's firewall does to all bridges."""

    def leave() -> None:
        assert syscalls.raw(numbers()["unshare"], constants.CLONE_NEWNET) == 0
        body()

    with ThreadPoolExecutor(1) as pool:
        pool.submit(leave).result()


def test_containers_reach_each_other(tmp_path: Path, busybox_layers: tuple[Path, ...]) -> None:
    def check() -> None:
        bridge = create_bridge(bridge_address, "elsewhere")
        with (
            make_ground(tmp_path / "ground", busybox_layers) as ground,
            connected(ground, bridge, 4, *SERVE) as (server, address, _),
            connected(ground, bridge, 5) as (client, _, _),
        ):
            command = ("timeout", "10", "wget", "-q", "-O", "-", f"http://{address.address}:8080/name")
            assert eventually(lambda: ground.execute(client.id, *command) == (0, f"{server.id}\n".encode(), b""))

    in_a_network_of_its_own(check)
    assert labelled_links("elsewhere") == ()


def test_there_is_nothing_of_the_hosts_network_inside(ground: Ground, bridge: int) -> None:
    with connected(ground, bridge, 6) as (spec, _, _):
        _, out, _ = ground.execute(spec.id, "ls", "/sys/class/net")
        # Fallback devices of tunnels appear in every new namespace where their modules are loaded.
        assert {"eth0", "lo"} <= set(out.decode().split())
        assert set(out.decode().split()).isdisjoint({bridge_address.name, "docker0"})
    assert ground.shell("ip -o link | grep -c eth0").output == "0\n"  # without a network there is none


def test_the_container_cannot_change_its_network(ground: Ground, bridge: int) -> None:
    with connected(ground, bridge, 7) as (spec, _, _):
        for change in ("ip link set eth0 down", "ip addr add 198.18.0.9/24 dev eth0", "ip route del default"):
            status, _, err = ground.execute(spec.id, "sh", "-c", change)
            assert status != 0
            assert b"Operation not permitted" in err


def test_the_link_goes_with_the_container(ground: Ground, bridge: int) -> None:
    with connected(ground, bridge, 8) as (_, _, name):
        assert existing_links((name,)) == (name,)
    assert eventually(lambda: existing_links((name,)) == ())


def test_an_address_can_be_used_again_at_once(ground: Ground, bridge: int) -> None:
    for _ in range(10):
        with connected(ground, bridge, 9) as (spec, _, _):
            assert ground.execute(spec.id, "ping", "-c", "1", "-W", "5", bridge_address.gateway)[0] == 0


def test_a_start_that_fails_after_the_network_leaves_no_link(ground: Ground, bridge: int) -> None:
    name, requests = network(instance_address(10), bridge)
    with pytest.raises(LauncherError, match="execute /nothing"):
        ground.launcher.launch(ground.spec(ground.process("/nothing"), network=requests))
    assert eventually(lambda: existing_links((name,)) == ())
    assert ground.leftovers() == []


def test_a_network_made_ahead_is_the_containers(ground: Ground, bridge: int) -> None:
    name, requests = network(instance_address(20), bridge)
    ground.launcher.stock(requests)
    assert existing_links((name,)) == (name,)
    with pytest.raises(LauncherError, match=r"^make a network ahead: it is there$"):
        ground.launcher.stock(requests)
    with ground.running(network=requests) as (spec, _):
        assert instance_address(20).address in ground.execute(spec.id, "ip", "addr")[1].decode()
        assert ground.execute(spec.id, "ping", "-c", "1", "-W", "5", bridge_address.gateway)[0] == 0
        assert ground.execute(spec.id, "ls", "/sys/class/net")[1].split().count(b"eth0") == 1
    assert eventually(lambda: existing_links((name,)) == ())


def test_a_network_made_ahead_goes_with_a_start_that_fails_and_with_the_launcher(
    tmp_path: Path, busybox_layers: tuple[Path, ...], bridge: int
) -> None:
    (first, one), (second, two) = (network(instance_address(number), bridge) for number in (21, 22))
    with make_ground(tmp_path / "ground", busybox_layers) as other:
        for requests in (one, two, None, None):
            other.launcher.stock(requests)
        with pytest.raises(LauncherError, match="execute /nothing"):
            other.launcher.launch(other.spec(other.process("/nothing"), network=one))
        assert eventually(lambda: existing_links((first, second)) == (second,))
        with other.running() as (_, pid), other.running() as (_, another):
            assert len({link(f"/proc/{one}/ns/net") for one in (pid, another, other.launcher.pid)}) == 3
    assert eventually(lambda: existing_links((second,)) == ())


def test_a_network_that_cannot_be_made_ahead_is_refused(ground: Ground, bridge: int) -> None:
    name, requests = network(instance_address(23), 1 << 30)
    with pytest.raises(LauncherError, match=r"^configure the link: (no such device|invalid argument)$"):
        ground.launcher.stock(requests)
    assert existing_links((name,)) == ()
    assert bridge
    assert ground.run("true").status == 0


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("taken name", "^configure the link: file exists$"),
        ("no such bridge", r"^configure the link: (no such device|invalid argument)$"),
        ("no such link", "^find link eth9: no such device$"),
    ],
)
def test_a_network_that_cannot_be_is_refused(ground: Ground, bridge: int, change: str, words: str) -> None:
    with connected(ground, bridge, 11) as (_, _, name):
        address = instance_address(12)
        fresh = f"taret{BRIDGE}-{next(_links)}"
        requests = {
            "taken name": container_network(address, bridge, name),
            "no such bridge": container_network(address, 1 << 30, fresh),
            "no such link": replace(container_network(address, bridge, fresh), link="eth9"),
        }[change]
        with pytest.raises(LauncherError, match=words):
            ground.launcher.launch(ground.spec(ground.process("true"), network=requests))
        assert len(ground.leftovers()) == 1 + len(set(dict(ground.hierarchy.mounts).values()))
        assert eventually(lambda: existing_links((fresh,)) == ())
        assert existing_links((name,)) == (name,)


def test_a_bridge_whose_name_is_taken_is_refused(bridge: int) -> None:
    with pytest.raises(NetworkError, match=rf"^create bridge {bridge_address.name}: File exists$"):
        create_bridge(bridge_address, "other")
    assert bridge
    assert labelled_links("other") == ()


def test_links_are_labelled_by_run(bridge: int) -> None:
    assert bridge
    assert bridge_address.name in labelled_links()
    assert labelled_links(f"test-{BRIDGE}") == (bridge_address.name,)
    assert labelled_links("test") == ()  # a beginning is not the whole
    assert existing_links((bridge_address.name, "nolink0", "lo")) == (bridge_address.name, "lo")
    delete_links(("nolink0",))


def test_our_own_routes_are_not_somebody_elses(bridge: int) -> None:
    assert bridge
    assert routed_elsewhere((bridge_address,)) is None


def test_a_route_of_the_host_into_the_range_is_found(bridge: int) -> None:
    assert bridge
    elsewhere = BridgeAddress(BRIDGE + 1)
    subprocess.run(("ip", "route", "add", str(elsewhere.network), "dev", "lo"), check=True)
    try:
        assert routed_elsewhere((bridge_address, elsewhere)) == f"{elsewhere.network} via lo"
        assert routed_elsewhere((bridge_address,)) is None
    finally:
        subprocess.run(("ip", "route", "del", str(elsewhere.network), "dev", "lo"), check=True)


def test_addresses_of_the_bridge_are_those_planned(bridge: int) -> None:
    (link,) = ip("addr", "show", "dev", bridge_address.name)
    assert link["ifindex"] == bridge
    assert link["address"] == bridge_address.mac
    (address,) = link["addr_info"]
    assert (address["local"], address["prefixlen"]) == (bridge_address.gateway, 24)
    assert Path(f"/proc/sys/net/ipv6/conf/{bridge_address.name}/disable_ipv6").read_text() == "1\n"

"""Containers of one network reach each other, over as many bridges as it takes, and nothing is left afterwards."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from runtime.network.errors import AddressError, NetworkError
from runtime.network.planning import Attach
from runtime.network.ports import parse_port
from tests.support.networks import make_host, run

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.networks import Host

pytestmark = pytest.mark.root


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    with make_host(tmp_path) as made:
        yield made


def ip(*arguments: str) -> list[dict[str, Any]]:
    return json.loads(run("ip", "-j", "-d", *arguments) or "[]")  # type: ignore[no-any-return]


def test_two_containers_reach_each_other_and_the_gateway(host: Host) -> None:
    host.create("web", "10.33.0.0/24", "fd33::/64")
    one, mine = host.container("web")
    two, theirs = host.container("web")
    assert (mine.addresses, theirs.addresses) == (("10.33.0.2", "fd33::2"), ("10.33.0.3", "fd33::3"))
    assert all(one.pings(address) for address in (*theirs.addresses, "10.33.0.1", "fd33::1"))
    assert two.pings(mine.addresses[0])
    assert "inet 127.0.0.1/8" in one.run("ip", "addr", "show", "lo")


def test_every_port_forwards_as_soon_as_its_container_is_attached(host: Host) -> None:
    host.create("web", "10.33.0.0/24", ports_per_bridge=2)
    for _ in range(7):
        host.container("web")
        ports = {link["ifname"]: link["state"] for link in json.loads(run("bridge", "-j", "link"))}
        assert set(ports.values()) == {"forwarding"}, ports


def test_everything_of_a_network_carries_our_label(host: Host) -> None:
    host.create("web", "10.33.0.0/24", ports_per_bridge=1)
    host.container("web")
    host.container("web")
    links = [link for link in ip("link") if link["ifname"] != "lo" and link.get("linkinfo", {}).get("info_kind")]
    ours = [link for link in links if link["linkinfo"]["info_kind"] in {"bridge", "veth"}]
    assert len(ours) == 8  # two bridges, a trunk and a gate of two ends each, two containers
    assert all(link["ifalias"].startswith("tare:network:") for link in ours)


def test_the_container_has_what_was_planned_and_knows_its_gateway_for_good(host: Host) -> None:
    host.create("web", "10.33.0.0/24", "fd33::/64")
    one, lease = host.container("web", mac="02:00:00:00:00:77")
    assert f"link/ether {lease.mac}" in one.run("ip", "link", "show", "eth0")
    assert one.run("ip", "route", "show", "default").split()[:3] == ["default", "via", "10.33.0.1"]
    assert one.run("ip", "-6", "route", "show", "default").split()[:3] == ["default", "via", "fd33::1"]
    assert one.run("ip", "neigh").count("PERMANENT") == 2
    gate = host.networks.store.network("web").gate
    assert {entry["dst"]: entry["state"] for entry in ip("neigh", "show", "dev", gate)} == {
        "10.33.0.2": ["PERMANENT"], "fd33::2": ["PERMANENT"],
    }  # fmt: skip


def test_a_network_without_ipv6_is_silent(host: Host) -> None:
    host.create("web", "10.33.0.0/24")
    one, _ = host.container("web")
    assert [line for line in one.run("cat", "/proc/net/if_inet6").splitlines() if not line.endswith(" lo")] == []


def test_containers_on_several_bridges_are_one_network(host: Host) -> None:
    host.create("web", "10.33.0.0/24", "fd33::/64", ports_per_bridge=2)
    made = [host.container("web") for _ in range(7)]
    assert [lease.segment for _, lease in made] == [0, 0, 1, 1, 2, 2, 3]
    for container, lease in made:
        others = [address for _, other in made if other != lease for address in other.addresses]
        assert [address for address in others if not container.pings(address)] == []


def test_a_network_with_an_ipv6_subnet_only(host: Host) -> None:
    host.create("six", "fd34::/64")
    one, mine = host.container("six")
    _, theirs = host.container("six")
    assert (mine.v4, theirs.v6) == (None, "fd34::3")
    assert one.pings("fd34::3")
    assert one.pings("fd34::1")


def test_a_container_of_several_networks(host: Host) -> None:
    host.create("one", "10.33.0.0/24")
    host.create("two", "10.34.0.0/24")
    container, _ = host.container("one")
    lease = host.networks.attach(Attach("two", container.id, container.path))
    assert lease.interface == "eth1"
    assert container.pings("10.33.0.1")
    assert container.pings("10.34.0.1")
    assert container.run("ip", "route", "show", "default").split()[2] == "10.33.0.1"
    host.networks.detach(container.id, "one")
    assert container.run("ip", "route", "show", "default").split()[2] == "10.34.0.1"
    assert "eth0" not in container.run("ip", "-o", "link", "show", "type", "veth")


def test_detaching_twice_is_detaching_once(host: Host) -> None:
    host.create("web", "10.33.0.0/24")
    container, _ = host.container("web")
    for _ in range(2):
        host.networks.detach(container.id, "web")
        host.networks.detach(container.id)
        host.networks.detach("nobody")
    assert host.networks.catalog.describe("web")["containers"] == {}


def test_an_address_is_kept_over_a_restart_and_given_back_at_the_end(host: Host) -> None:
    host.create("web", "10.33.0.0/24", "fd33::/64")
    first, before = host.container("web")
    host.networks.detach(first.id, keep=True)
    assert ip("link", "show", "type", "bridge") == []
    _, other = host.container("web")
    again = host.networks.attach(Attach("web", first.id, first.path))
    assert (again.addresses, again.mac, again.segment) == (before.addresses, before.mac, before.segment)
    assert other.addresses == ("10.33.0.3", "fd33::3")
    assert first.pings("10.33.0.3")
    host.networks.detach(first.id, keep=True)
    host.networks.detach(first.id)
    assert host.container("web")[1].addresses == before.addresses


def test_a_wished_address_is_given_and_a_taken_one_refused(host: Host) -> None:
    host.create("web", "10.33.0.0/24", "fd33::/64")
    _, lease = host.container("web", v4="10.33.0.77", v6="fd33::beef")
    assert lease.addresses == ("10.33.0.77", "fd33::beef")
    before = host.facts()
    for wrong, words in (
        ({"v4": "10.33.0.77"}, "is taken in network web"),
        ({"v4": "10.33.0.1"}, "is taken in network web"),
        ({"v4": "10.99.0.1"}, r"no host address of 10\.33\.0\.0/24"),
        ({"v6": "fd33::beef"}, "is taken"),
    ):
        with pytest.raises(AddressError, match=words):
            host.networks.attach(Attach("web", "other", lease.namespace, **wrong))  # type: ignore[arg-type]
    assert host.facts() == before


def test_a_full_network_says_so_and_changes_nothing(host: Host) -> None:
    host.create("tiny", "10.33.0.0/30")
    container, _ = host.container("tiny")
    before = host.facts()
    with pytest.raises(AddressError, match=r"every address of 10\.33\.0\.0/30 is taken"):
        host.networks.attach(Attach("tiny", "other", container.path))
    assert host.facts() == before


@pytest.mark.parametrize("what", ["twice", "no namespace", "not a namespace", "no network"])
def test_a_refused_attachment_changes_nothing(host: Host, tmp_path: Path, what: str) -> None:
    host.create("web", "10.33.0.0/24")
    container, _ = host.container("web")
    before = host.facts()
    (tmp_path / "file").touch()
    wish = {
        "twice": Attach("web", container.id, container.path),
        "no namespace": Attach("web", "other", "/nowhere"),
        "not a namespace": Attach("web", "other", tmp_path / "file"),
        "no network": Attach("nothing", "other", container.path),
    }[what]
    with pytest.raises(NetworkError) as refused:
        host.networks.attach(wish)
    assert "\n" not in str(refused.value)
    assert host.facts() == before


@pytest.mark.slow
def test_more_containers_than_a_bridge_has_ports_reach_each_other(host: Host) -> None:
    host.create("wide", "10.32.0.0/16", ports_per_bridge=300)
    made = [host.container("wide") for _ in range(1050)]
    (first, mine), (middle, _), (last, theirs) = made[0], made[700], made[-1]
    assert (mine.segment, theirs.segment, theirs.v4) == (0, 3, "10.32.4.27")
    assert all(middle.pings(address) for lease in (mine, theirs) for address in lease.addresses)
    assert first.pings("10.32.4.27")
    assert last.pings("10.32.0.2")
    assert last.pings("10.32.0.1")


def test_the_hosts_forwarding_is_set_and_put_back(host: Host) -> None:
    host.create("web", "10.33.0.0/24")
    before = host.facts()["/proc/sys/net/ipv4/ip_forward"]
    container, _ = host.container("web")
    assert (before, host.facts()["/proc/sys/net/ipv4/ip_forward"]) == ("0\n", "1\n")
    host.networks.release(container.id)
    assert host.facts()["/proc/sys/net/ipv4/ip_forward"] == "0\n"


def test_a_host_that_listens_to_routers_goes_on_doing_so(host: Host) -> None:
    host.outside()
    assert run("sysctl", "-n", "net.ipv6.conf.uplink.accept_ra") == "1\n"
    host.create("web", "10.33.0.0/24", "fd33::/64")
    container, _ = host.container("web")
    assert run("sysctl", "-n", "net.ipv6.conf.all.forwarding", "net.ipv6.conf.uplink.accept_ra") == "1\n2\n"
    host.networks.release(container.id)
    assert run("sysctl", "-n", "net.ipv6.conf.all.forwarding", "net.ipv6.conf.uplink.accept_ra") == "0\n1\n"


def test_attaching_and_detaching_leaves_no_descriptor_open(host: Host) -> None:
    host.create("web", "10.33.0.0/24")

    def cycle() -> int:
        container, _ = host.container("web", ports=(parse_port("8080:80"),))
        host.networks.release(container.id)
        return len(list(Path("/proc/self/fd").iterdir()))

    assert cycle() == max(cycle() for _ in range(5))


def test_forwarding_that_was_set_already_stays(host: Host) -> None:
    run("sysctl", "-qw", "net.ipv4.ip_forward=1")
    host.create("web", "10.33.0.0/24")
    container, _ = host.container("web")
    host.networks.release(container.id)
    assert host.facts()["/proc/sys/net/ipv4/ip_forward"] == "1\n"
    run("sysctl", "-qw", "net.ipv4.ip_forward=0")

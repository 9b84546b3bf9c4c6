"""A network that nobody is in any more may stay up for the next container, until somebody sweeps it away."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.networks import eventually, make_host, run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.networks import Host

pytestmark = pytest.mark.root


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    with make_host(tmp_path) as made:
        yield made


def is_up(host: Host, name: str) -> bool:
    return host.networks.store.network(name).segment(0) in run("ip", "link")


def test_a_network_lingers_and_is_used_again_as_it_is(host: Host) -> None:
    host.create("web", "10.33.0.0/24")
    first, _ = host.container("web")
    host.networks.release(first.id, linger=True)
    index = host.networks.socket.index(host.networks.store.network("web").segment(0))
    assert is_up(host, "web")
    second, lease = host.container("web")
    assert lease.v4 == "10.33.0.2"
    assert host.networks.socket.index(host.networks.store.network("web").segment(0)) == index
    assert second.pings("10.33.0.1")
    host.networks.rest()
    assert is_up(host, "web"), "somebody is in it"


def test_rest_takes_down_what_has_lingered_long_enough(host: Host) -> None:
    host.create("web", "10.33.0.0/24")
    container, _ = host.container("web")
    before = host.networks.leftovers()
    host.networks.release(container.id, linger=True)
    host.networks.rest(idle_s=3600)
    assert is_up(host, "web")
    assert eventually(lambda: not [line for line in host.networks.leftovers() if line not in before])
    host.networks.rest()
    assert not is_up(host, "web")
    host.networks.rest()


def test_a_network_that_lingers_can_be_removed(host: Host) -> None:
    host.create("web", "10.33.0.0/24")
    container, _ = host.container("web")
    host.networks.release(container.id, linger=True)
    network = host.networks.catalog.remove("web")
    assert network.segment(0) not in run("ip", "link")


def test_gateways_and_ranges_belong_to_the_subnet_that_they_are_in(host: Host) -> None:
    host.create("web", "fd33::/64", "10.33.0.0/24", gateways=("10.33.0.254",), ranges=("10.33.0.64/28",))
    _, lease = host.container("web")
    assert lease.v4 == "10.33.0.64"
    assert [str(one.gateway) for one in host.networks.store.network("web").subnets] == ["fd33::1", "10.33.0.254"]


def test_a_container_that_is_renamed_is_found_by_its_new_name(host: Host) -> None:
    host.create("web", "10.33.0.0/24")
    container, _ = host.container("web", names=("old", "alias"))
    host.networks.rename(container.id, "old", "new")
    assert host.networks.leases_of(container.id)[0][1].names == ("new", "alias")

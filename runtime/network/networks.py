"""The networks of this host: what the engine calls.

    networks = Networks()
    networks.catalog.create(Wish("web", ipv6=True))
    namespace = networks.create_namespace("c1")
    networks.attach(Attach("web", "c1", namespace, names=("db",), ports=(parse_port("8080:80"),)))
    networks.adopt("c1", pid)           # it runs: its own process holds now what this one held for it
    networks.detach("c1", keep=True)    # stopped: the addresses stay its own
    networks.release("c1")              # removed

Each step is on disk before it is made. Whoever is killed between two leaves a record, and `reconcile` undoes what the
dead hold. A network is on the host only while a container is attached to it.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from runtime.network import attachment, reconcile
from runtime.network.addresses import mac_of
from runtime.network.catalog import Catalog
from runtime.network.errors import AddressError, NetworkError
from runtime.network.leases import Lease
from runtime.network.names import check_names
from runtime.network.netlink import NetlinkSocket
from runtime.network.network import SEGMENTS
from runtime.network.owners import owner
from runtime.network.pins import Pins
from runtime.network.presence import Presence
from runtime.network.publishing import check_ports
from runtime.network.store import Store
from runtime.network.subnets import POOL, lowest_free, parse_address

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence
    from ipaddress import IPv4Network

    from runtime.network.leases import Place
    from runtime.network.network import Network
    from runtime.network.owners import Owner
    from runtime.network.ports import PublishedPort

ROOT = Path("/var/lib/tare/networks")
RUN = Path("/run/tare-networks")
RESOLV_CONF = Path("/etc/resolv.conf")
_TOKEN_BYTES = 5


@dataclass(frozen=True, slots=True)
class Attach:
    """A container's wish to be in a network. What is None is chosen; ``pid`` None holds it for this process."""

    network: str | None
    container_id: str
    namespace: str | Path
    names: tuple[str, ...] = ()
    ports: tuple[PublishedPort, ...] = ()
    v4: str | None = None
    v6: str | None = None
    mac: str | None = None
    pid: int | None = None


class Networks:
    """The networks of one store: one on a host, unless they are kept apart on purpose."""

    def __init__(
        self, root: Path = ROOT, run: Path = RUN, pool: IPv4Network = POOL, resolv_conf: Path = RESOLV_CONF
    ) -> None:
        self.store = Store(root)
        self.catalog = Catalog(self.store, pool)
        self.pins = Pins(run / "netns")
        table = "tare" if root == ROOT else f"tare_{hashlib.sha256(os.fsencode(root)).hexdigest()[:8]}"
        self.presence = Presence(run, table, self.store, resolv_conf)
        self._socket: tuple[int, NetlinkSocket] | None = None

    @property
    def socket(self) -> NetlinkSocket:
        """The netlink socket that stays open; another one in a forked child."""
        if self._socket is None or self._socket[0] != os.getpid():
            self._socket = (os.getpid(), NetlinkSocket())
        return self._socket[1]

    def close(self) -> None:
        """Close the socket; the networks stay. Idempotent."""
        if self._socket is not None:
            self._socket[1].close()
            self._socket = None

    def create_namespace(self, container_id: str, pid: int | None = None) -> Path:
        """Make a network namespace with loopback only, pinned at the path that is returned; raises `NamespaceError`."""
        return self.pins.create(owner(container_id, pid))

    def remove_namespace(self, container_id: str) -> None:
        """Unpin the container's namespace. Idempotent."""
        self.pins.remove(container_id)

    def attach(self, wish: Attach) -> Lease:
        """Put the container into the network; raises `NetworkError`, and then nothing has changed."""
        holder = owner(wish.container_id, wish.pid)
        check_names(wish.names)
        with self.store.lock():
            network = self.catalog.default() if wish.network is None else self.store.network(wish.network)
            before = self._before(network, holder)
            lease = self._plan(network, holder, wish, before)
            self.store.write_lease(lease, before)
            try:
                self._make(network, lease)
            except BaseException:
                self._unmake(network, lease, keep=before is not None)
                raise
        return lease

    def adopt(self, container_id: str, pid: int) -> None:
        """Let everything that the container holds depend on this process from now on; raises `NetworkError`."""
        holder = owner(container_id, pid)
        with self.store.lock():
            for _, lease in self._leases_of(container_id):
                self.store.write_lease(replace(lease, owner=holder), lease)
            if self.pins.holder(container_id) is not None:
                self.pins.write(holder)

    def detach(self, container_id: str, network: str | None = None, *, keep: bool = False) -> None:
        """Take the container out of the network, or of all. ``keep`` reserves its addresses. Idempotent."""
        with self.store.lock():
            only = None if network is None else self.store.network(network)
            for one, lease in self._leases_of(container_id):
                if only in (None, one) and lease.attached:
                    self._unmake(one, lease, keep=keep)
                elif only in (None, one) and not keep:
                    self.store.erase_place(one.name, lease.place)
            if only is not None:
                for one, lease in self._leases_of(container_id):
                    if lease.attached:
                        attachment.restore_routes(one, lease)

    def release(self, container_id: str) -> None:
        """Take the container out of every network, give its addresses back and unpin its namespace. Idempotent."""
        # The namespace first: when nobody else is in it, its links go with it, which is quicker than one by one.
        self.pins.remove(container_id)
        self.detach(container_id)

    def reconcile(self, known: Collection[str] | None = None) -> tuple[str, ...]:
        """Undo what the dead hold and repair what the living need; what was undone, one line each.

        An owner that has died loses what is attached; with the ids of all ``known`` containers, those of it keep their
        addresses reserved, and what any other one has reserved is given back.
        """
        return reconcile.reconcile(self, known)

    def leftovers(self) -> tuple[str, ...]:
        """What `reconcile` would undo. Changes nothing."""
        return reconcile.find(self).lines()

    def undo(self, network: Network, lease: Lease, *, keep: bool) -> None:
        """Undo one lease, whoever holds it; call it with the lock held."""
        self._unmake(network, lease, keep=keep)

    def _before(self, network: Network, holder: Owner) -> Lease | None:
        """The lease that the container has already; one that a dead process held for it is undone first."""
        before = self.store.lease(network, holder.id)
        if before is not None and before.attached:
            if before.owner.is_alive():
                raise NetworkError(f"attach {holder.id} to network {network.name}: it is attached already")
            self._unmake(network, before, keep=True)
            before = replace(before, attached=False)
        return before

    def _plan(self, network: Network, holder: Owner, wish: Attach, before: Lease | None) -> Lease:
        places = [place for place in self.store.places(network) if place.owner_id != holder.id]
        v4 = self._address(network, 4, places, wish.v4 or (before.v4 if before else None))
        v6 = self._address(network, 6, places, wish.v6 or (before.v6 if before else None))
        return Lease(
            network=network.name,
            owner=holder,
            segment=before.segment if before else _free_segment(network, places),
            v4=v4,
            v6=v6,
            mac=wish.mac or mac_of(v4 or v6 or ""),
            link=f"tarec{secrets.token_hex(_TOKEN_BYTES)}",
            interface=attachment.free_interface(str(wish.namespace)),
            namespace=str(wish.namespace),
            names=wish.names,
            ports=self._ports(network, holder, wish, {version for version, one in ((4, v4), (6, v6)) if one}),
        )

    def _address(self, network: Network, version: int, places: Sequence[Place], wanted: str | None) -> str | None:
        subnet = network.subnet(version)
        if subnet is None:
            if wanted is not None:
                raise AddressError(f"use address {wanted}: network {network.name} has no IPv{version} subnet")
            return None
        taken = [one for place in places if (one := place.v4 if version == 4 else place.v6)]
        if wanted is None:
            return str(lowest_free(subnet, taken))
        address = parse_address(wanted, subnet.network)
        if str(address) in taken or address == subnet.gateway:
            raise AddressError(f"use address {address}: it is taken in network {network.name}")
        return str(address)

    def _ports(self, network: Network, holder: Owner, wish: Attach, versions: set[int]) -> tuple[PublishedPort, ...]:
        if not wish.ports:
            return ()
        if network.internal:
            raise NetworkError(f"publish {wish.ports[0]}: network {network.name} is internal")
        others = [lease for lease in self._publishing() if (lease.network, lease.owner.id) != (network.name, holder.id)]
        return check_ports(wish.ports, versions, others)

    def _publishing(self) -> Iterator[Lease]:
        for one in self.store.networks():
            for place in self.store.places(one):
                if place.published and (lease := self.store.read_lease(one, place)):
                    yield lease

    def _make(self, network: Network, lease: Lease) -> None:
        bridge = self.presence.bring_up(self.socket, network, lease.segment)
        attachment.attach(self.socket, network, lease, bridge)
        if lease.ports:
            self.presence.publish(lease)

    def _unmake(self, network: Network, lease: Lease, *, keep: bool) -> None:
        """In the reverse order; the record goes last, so that what fails here is found again."""
        if lease.ports:
            self.presence.withdraw(lease)
        attachment.detach(self.socket, lease, self.socket.index(network.gate))
        if keep:
            self.store.write_lease(replace(lease, attached=False, ports=()), lease)
        else:
            self.store.erase_place(network.name, lease.place)
        if not any(place.attached for place in self.store.places(network)):
            self.presence.take_down(self.socket, network)

    def _leases_of(self, container_id: str) -> list[tuple[Network, Lease]]:
        found = ((one, self.store.lease(one, container_id)) for one in self.store.networks())
        return [(one, lease) for one, lease in found if lease is not None]


def _free_segment(network: Network, places: Sequence[Place]) -> int:
    used = [0] * SEGMENTS
    for place in places:
        used[place.segment] += 1
    for number, ports in enumerate(used):
        if ports < network.ports_per_bridge:
            return number
    raise AddressError(f"place a container in network {network.name}: all {network.capacity} places are taken")

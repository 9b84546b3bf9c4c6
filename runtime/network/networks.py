"""The networks of this host: what the engine calls.

    networks = Networks()
    networks.catalog.create(Wish("web", ipv6=True))
    namespace = networks.create_namespace("c1")
    networks.attach(Attach("web", "c1", namespace, names=("db",), ports=(parse_port("8080:80"),)))
    networks.adopt("c1", pid)           # it runs: its own process holds now what this one held for it
    networks.detach("c1", keep=True)    # stopped: the addresses stay its own
    networks.release("c1")              # removed

Each step is on disk before it is made. Whoever is killed between two leaves a record, and `reconcile` undoes what the
dead hold; call it at the start. A network is on the host only while a container is attached to it, or for a while after
the last one, if that was taken out with ``linger``: until `rest`.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from runtime.network import attachment, reconcile
from runtime.network.attachment import Inside
from runtime.network.catalog import DEFAULT, Catalog
from runtime.network.errors import NetworkError
from runtime.network.names import check_names
from runtime.network.netlink import NetlinkSocket
from runtime.network.owners import owner
from runtime.network.pins import Pins
from runtime.network.planning import Circumstances, plan_lease
from runtime.network.presence import Presence
from runtime.network.store import Store
from runtime.network.subnets import POOL

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from ipaddress import IPv4Network

    from runtime.network.leases import Lease, Place
    from runtime.network.network import Network
    from runtime.network.owners import Owner
    from runtime.network.planning import Attach

ROOT = Path("/var/lib/tare/networks")
RUN = Path("/run/tare-networks")
RESOLV_CONF = Path("/etc/resolv.conf")


class Networks:
    """The networks of one store: one on a host, unless they are kept apart on purpose."""

    def __init__(
        self, root: Path = ROOT, run: Path = RUN, pool: IPv4Network = POOL, resolv_conf: Path = RESOLV_CONF
    ) -> None:
        self.store = Store(root)
        # Of another store by another name, and from another place in the pool.
        mark = "" if root == ROOT else hashlib.sha256(os.fsencode(root)).hexdigest()[:8]
        self.catalog = Catalog(self.store, pool, self._lower, int(mark or "0", 16))
        self.pins = Pins(run / "netns")
        table = f"tare_{mark}" if mark else "tare"
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

    def default(self) -> Network:
        """The network of containers that name none, made when it is first asked for."""
        found = next((one for one in self.store.networks() if one.name == DEFAULT), None)
        if found is not None:
            return found
        with self.store.lock():
            return self.catalog.default()

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
            places = self.store.places(network)
            before = self._before(network, holder, places)
            with Inside(wish.namespace) as inside:
                others = tuple(place for place in places if place.owner_id != holder.id)
                published = self._publishing(network, holder) if wish.ports else ()
                found = Circumstances(network, holder, before, others, inside.free_interface(), published)
                lease = plan_lease(wish, found)
                self.store.write_lease(lease, before)
                try:
                    self._make(network, lease, inside)
                except BaseException:
                    self._unmake(network, lease, keep=before is not None)
                    raise
        return lease

    def adopt(self, container_id: str, pid: int) -> None:
        """Let everything that the container holds depend on this process from now on; raises `NetworkError`."""
        holder = owner(container_id, pid)
        with self.store.lock():
            for _, lease in self.leases_of(container_id):
                self.store.write_lease(replace(lease, owner=holder), lease)
            if self.pins.holder(container_id) is not None:
                self.pins.write(holder)

    def detach(
        self, container_id: str, network: str | None = None, *, keep: bool = False, linger: bool = False
    ) -> None:
        """Take the container out of the network, or of all. ``keep`` reserves its addresses. Idempotent.

        With ``linger`` a network that nobody is attached to any more stays up until `rest`: to make it anew for the
        next container takes tens of milliseconds.
        """
        with self.store.lock():
            only = None if network is None else self.store.network(network)
            for one, lease in self.leases_of(container_id):
                if only in (None, one) and lease.attached:
                    self._unmake(one, lease, keep=keep, linger=linger)
                elif only in (None, one) and not keep:
                    self.store.erase_place(one.name, lease.place)
            if only is not None:
                for one, lease in self.leases_of(container_id):
                    if lease.attached:
                        attachment.restore_routes(one, lease)

    def release(self, container_id: str, *, linger: bool = False) -> None:
        """The container has ended: give back all that it has, and unpin its namespace. Idempotent."""
        # The namespace first: its links go with it, in the background, which is quicker than one by one.
        self.pins.remove(container_id)
        self.detach(container_id, linger=linger)

    def rest(self, idle_s: float = 0) -> None:
        """Take down the networks that have lingered for so long. Idempotent."""
        with self.store.lock():
            for network in self.store.networks():
                lingered = self.presence.idle_s(network)
                if lingered is not None and lingered >= idle_s and not self.store.has_attached(network):
                    self.presence.take_down(self.socket, network)

    def rename(self, container_id: str, before: str, name: str) -> None:
        """Call the container otherwise in every network where it was called so; raises `NetworkError`."""
        check_names((name,))
        with self.store.lock():
            for _, lease in self.leases_of(container_id):
                names = tuple(name if one == before else one for one in lease.names)
                self.store.write_lease(replace(lease, names=names), lease)

    def leases_of(self, container_id: str) -> list[tuple[Network, Lease]]:
        """What the container has, or has reserved, in each network."""
        found = ((one, self.store.lease(one, container_id)) for one in self.store.networks())
        return [(one, lease) for one, lease in found if lease is not None]

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

    def _lower(self, network: Network) -> None:
        if self.presence.has_traces(self.socket, network):
            self.presence.take_down(self.socket, network)

    def _before(self, network: Network, holder: Owner, places: Sequence[Place]) -> Lease | None:
        """The lease that the container has already; one that a dead process held for it is undone first."""
        mine = next((place for place in places if place.owner_id == holder.id), None)
        before = mine and self.store.read_lease(network, mine)
        if before is not None and before.attached:
            if before.owner.is_alive():
                raise NetworkError(f"attach {holder.id} to network {network.name}: it is attached already")
            self._unmake(network, before, keep=True)
            before = replace(before, attached=False)
        return before

    def _publishing(self, network: Network, holder: Owner) -> tuple[Lease, ...]:
        """The leases that publish ports, but for the holder's own of this network."""
        mine = (network.name, holder.id)
        places = ((one, place) for one in self.store.networks() for place in self.store.places(one) if place.published)
        others = (self.store.read_lease(one, place) for one, place in places if (one.name, place.owner_id) != mine)
        return tuple(lease for lease in others if lease)

    def _make(self, network: Network, lease: Lease, inside: Inside) -> None:
        bridge = self.presence.bring_up(self.socket, network, lease.segment)
        attachment.attach(self.socket, inside, network, lease, bridge)
        if lease.ports:
            self.presence.publish(lease)

    def _unmake(self, network: Network, lease: Lease, *, keep: bool, linger: bool = False) -> None:
        """In the reverse order; the record goes last, so that what fails here is found again."""
        if lease.ports:
            self.presence.withdraw(lease)
        attachment.detach(self.socket, lease, self.socket.index(network.gate))
        if keep:
            self.store.write_lease(replace(lease, attached=False, ports=()), lease)
        else:
            self.store.erase_place(network.name, lease.place)
        if self.store.has_attached(network):
            return
        if linger:
            self.presence.linger(network)
        else:
            self.presence.take_down(self.socket, network)

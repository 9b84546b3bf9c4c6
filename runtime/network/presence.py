"""What a network is on the host while containers are attached: bridges, rules, settings, and its resolver.

A mark below the run directory says that a network was brought up completely, so that an attachment need not look at
each part again; without it every part is made anew, or found to be there.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from runtime.network import nft, policies, star
from runtime.network.errors import FirewallError
from runtime.network.firewall import Firewall, bridge_rules
from runtime.network.flows import forget_udp
from runtime.network.resolvers import Resolvers
from runtime.network.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from runtime.network.leases import Lease
    from runtime.network.netlink import NetlinkSocket
    from runtime.network.network import Network
    from runtime.network.store import Store


class Presence:
    """The parts that all containers of a network share, and those that all networks share."""

    def __init__(self, run: Path, table: str, store: Store, resolv_conf: Path) -> None:
        self.run = run
        self.store = store
        self.comment = f"tare:networks {table}"  # the kernel's limit is 128 bytes, so not the store's path
        self.firewall = Firewall(table, self.comment)
        self.settings = Settings(run / "settings.json")
        self.resolvers = Resolvers(run / "resolvers", resolv_conf)

    def bring_up(self, socket: NetlinkSocket, network: Network, number: int = 0) -> int:
        """Make everything that is missing for the ``number``-th bridge; its index. Idempotent."""
        self._wake(network)
        index = socket.index(network.segment(number))
        if index is not None and self._mark(network, number) == str(index):
            return index
        if number:
            self.bring_up(socket, network)
            index = star.raise_segment(socket, network, number)
        else:
            index = self._bring_up_first(socket, network)
        self._rules(network, number)
        self._write_mark(network, number, index)
        return index

    def take_down(self, socket: NetlinkSocket, network: Network) -> None:
        """Remove everything of the network, and what all share with the last one. Idempotent."""
        for _, number in self._marked([network]):
            self._mark_path(network, number).unlink(missing_ok=True)
        self._wake(network)
        self.resolvers.stop(network)
        star.lower(socket, network)
        if any(self.up()):
            self.rewrite()
        else:
            self.clear()

    def linger(self, network: Network) -> None:
        """Leave it up though nobody is attached, and write down since when."""
        path = self.run / "idle" / network.id
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()

    def idle_s(self, network: Network) -> float | None:
        """For how long it has lingered; None if it does not."""
        try:
            return time.time() - (self.run / "idle" / network.id).stat().st_mtime
        except FileNotFoundError:
            return None

    def _wake(self, network: Network) -> None:
        (self.run / "idle" / network.id).unlink(missing_ok=True)
        with suppress(OSError):
            (self.run / "idle").rmdir()

    def has_traces(self, socket: NetlinkSocket, network: Network) -> bool:
        """Whether anything of the network is on the host."""
        return socket.index(network.segment(0)) is not None or self._mark(network, 0) is not None

    def repair(self, socket: NetlinkSocket, network: Network) -> None:
        """Bring up again what is missing of a network that containers are attached to. Idempotent."""
        for number in sorted({0, *(place.segment for place in self.store.places(network) if place.attached)}):
            self._mark_path(network, number).unlink(missing_ok=True)
            self.bring_up(socket, network, number)

    def clear(self) -> None:
        """Remove what all networks share. Idempotent."""
        self.firewall.write((), ())
        policies.withdraw(self.comment)
        self.settings.put_back()
        for directory in (self.run / "up", self.run):
            with suppress(OSError):
                directory.rmdir()

    def up(self) -> Iterator[Network]:
        """The networks that are on the host."""
        return (network for network in self.store.networks() if self._mark(network, 0) is not None)

    def publish(self, lease: Lease) -> None:
        """Publish the ports of a lease that is in the store."""
        try:
            self.firewall.publish(lease)
        except FirewallError:  # the table has been flushed, or holds what nobody withdrew
            self.rewrite()
        forget_udp(lease)

    def withdraw(self, lease: Lease) -> None:
        """Stop publishing the ports of a lease that may still be in the store. Idempotent."""
        try:
            self.firewall.withdraw(lease)
        except FirewallError:
            self.rewrite(without=lease)
        forget_udp(lease)

    def rewrite(self, also: tuple[Network, int] | None = None, without: Lease | None = None) -> None:
        """Make the table what the store says, whatever it was; with a bridge that is just coming up."""
        bridges = list(self._marked(self.store.networks()))
        bridges += [also] if also and also not in bridges else []
        leases = [lease for one in self.up() for lease in self.store.leases(one) if lease.attached and lease.ports]
        self.firewall.write(bridges, [lease for lease in leases if without is None or lease.place != without.place])

    def _bring_up_first(self, socket: NetlinkSocket, network: Network) -> int:
        if not network.internal:
            self.settings.forward({subnet.version for subnet in network.subnets})
        index = star.raise_first(socket, network)
        self.resolvers.start(network, self.store.root)
        policies.accept(self.comment)
        return index

    def _rules(self, network: Network, number: int) -> None:
        try:
            nft.change(bridge_rules(self.firewall.table, network, number))
        except FirewallError:  # it is the first, or the table has been flushed
            self.rewrite(also=(network, number))

    def _marked(self, networks: Iterable[Network]) -> Iterator[tuple[Network, int]]:
        """Every bridge of the networks that is up."""
        names = os.listdir(self.run / "up") if (self.run / "up").is_dir() else []  # noqa: PTH208 - names are wanted
        for network in networks:
            numbers = (name.removeprefix(f"{network.id}-") for name in names if name.startswith(f"{network.id}-"))
            yield from ((network, number) for number in sorted(map(int, numbers)))

    def _mark_path(self, network: Network, number: int) -> Path:
        return self.run / "up" / f"{network.id}-{number}"

    def _mark(self, network: Network, number: int) -> str | None:
        try:
            return self._mark_path(network, number).read_text(encoding="ascii")
        except OSError:
            return None

    def _write_mark(self, network: Network, number: int, index: int) -> None:
        path = self._mark_path(network, number)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(str(index), encoding="ascii")

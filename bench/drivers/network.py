"""The run's network: labelled bridges, shared by every driver whose instances have an address of their own."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

from bench.workload import HostCannot
from runtime.network.addresses import BRIDGES, PORTS, AddressPool, InstanceAddress, bridges_for

if TYPE_CHECKING:
    from collections.abc import Sequence


class RunNetwork:
    """As many bridges as ``capacity`` instances need, made when the first is asked for, removed on `close`."""

    def __init__(self, run_id: str, capacity: int) -> None:
        self.run_id = run_id
        self.capacity = capacity
        self.pool = AddressPool()
        self._indices: list[int] = []
        self._stack = ExitStack()

    def check(self) -> None:
        """Raise `HostCannot` if a name or an address that the bridges need is taken. Changes nothing."""
        from runtime.network import bridge

        # More than the range holds is for the preflight to refuse, beside the other limits.
        wanted = bridges_for(min(self.capacity, PORTS * BRIDGES))
        taken = bridge.existing_links(tuple(one.name for one in wanted))
        if taken:
            ours = set(bridge.labelled_links())
            hint = "bench clean" if taken[0] in ours else f"rename it or remove it: ip link delete {taken[0]}"
            raise HostCannot(f"create bridge {taken[0]}: a link of this name is there", hint)
        elsewhere = bridge.routed_elsewhere(wanted)
        if elsewhere:
            raise HostCannot(f"address the instances: the host already routes {elsewhere}", "remove that route first")

    def open(self) -> None:
        """Make the bridges. Idempotent."""
        from runtime.network import bridge
        from runtime.network.errors import NetworkError

        if self._indices:
            return
        # Deleting by label takes the instances' links along with the bridges.
        self._stack.callback(lambda: bridge.delete_links(bridge.labelled_links(self.run_id)))
        for wanted in bridges_for(self.capacity):
            try:
                self._indices.append(bridge.create_bridge(wanted, self.run_id))
            except NetworkError as error:
                raise HostCannot(str(error)) from error

    def bridge_index(self, address: InstanceAddress) -> int:
        """The interface index of the instance's bridge."""
        return self._indices[address.bridge.number]

    def announce(self, addresses: Sequence[InstanceAddress]) -> None:
        """Permanent neighbour entries for instances that do not bring their own."""
        from runtime.network import bridge

        for address in addresses:
            bridge.add_neighbour(self.bridge_index(address), address.address, address.mac)

    def close(self) -> None:
        """Remove the bridges, and any link of an instance that is still a port of one. Idempotent."""
        self._indices.clear()
        self._stack.close()

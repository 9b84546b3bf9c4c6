"""Networks as the engine's users see them: bridges of their own beside ``bridge``, ``host`` and ``none``."""

from __future__ import annotations

from runtime.engine.errors import BadOption, Conflict, EngineError, InUse, NoSuchNetwork
from runtime.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from runtime.engine.attachments import Attachments
    from runtime.engine.container import Container
    from runtime.engine.engine import Engine
    from runtime.engine.filters import Filters
    from runtime.engine.options import Endpoint
    from runtime.network.network import Network as Stored

BRIDGE, HOST, NONE = "bridge", "host", "none"
PREDEFINED = (BRIDGE, HOST, NONE)


class NetworkOptions(Value):
    """What a network is to be; without ``subnets`` free ones are chosen, one of IPv6 too if ``ipv6``.

    Each of the ``gateways`` and ``ranges`` belongs to the subnet that it is in.
    """

    name: str
    subnets: tuple[str, ...] = ()
    gateways: tuple[str, ...] = ()
    ranges: tuple[str, ...] = ()
    internal: bool = False
    ipv6: bool = False
    labels: tuple[tuple[str, str], ...] = ()
    driver: str = BRIDGE


class Subnet(Value):
    """As text; ``range`` is the part that addresses are chosen from, empty for all."""

    subnet: str
    gateway: str
    range: str = ""


class Member(Value):
    """A container that is in a network now."""

    container_id: str
    name: str
    mac: str
    ip: str
    ip6: str
    aliases: tuple[str, ...]


class Network(Value):
    """A network; of ``host`` and ``none`` there is no more than this to say."""

    id: str
    name: str
    driver: str = "bridge"
    created_ns: int = 0
    subnets: tuple[Subnet, ...] = ()
    internal: bool = False
    labels: tuple[tuple[str, str], ...] = ()
    scope: str = "local"

    @property
    def ipv6(self) -> bool:
        """Whether it has IPv6."""
        return any(":" in one.subnet for one in self.subnets)


class Networks:
    """The networks of one root."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._home = engine.home
        self._attachments: Attachments | None = None

    @property
    def attachments(self) -> Attachments:
        """What puts containers into networks as they start and end."""
        if self._attachments is None:
            from runtime.engine.attachments import Attachments

            self._attachments = Attachments(self._engine)
        return self._attachments

    def close(self) -> None:
        """Close what is open. Idempotent."""
        if self._attachments is not None:
            self._attachments.close()
            self._attachments = None

    def create(self, options: NetworkOptions) -> Network:
        """Add a network; raises `Conflict` or `BadOption`."""
        from runtime.network.catalog import Wish
        from runtime.network.errors import NameTaken, NetworkError

        name, driver = options.name, options.driver
        if driver != BRIDGE:
            raise BadOption(f'could not find plugin {driver} in v1 plugin registry: plugin "{driver}" not found')
        if name in {HOST, NONE, BRIDGE}:
            raise Conflict(f"operation is not permitted on predefined {name} network")
        wish = Wish(name, options.subnets, options.gateways, options.ranges, options.ipv6, options.internal,
                    labels=dict(options.labels))  # fmt: skip
        try:
            made = _view(self.attachments.networks.catalog.create(wish))
        except NameTaken:
            raise Conflict(f"network with name {name} already exists") from None
        except NetworkError as error:
            raise BadOption(str(error)) from error
        self._tell("create", made)
        return made

    def list(self) -> tuple[Network, ...]:
        """All, by name, those that are always there included."""
        networks = self.attachments.networks
        networks.default()
        found = [_view(one) for one in networks.store.networks()]
        return tuple(sorted((*found, *_modes()), key=lambda one: one.name))

    def find(self, reference: str) -> Network:
        """By name, id, or the beginning of an id that no other has; raises `NoSuchNetwork` or `Ambiguous`."""
        from runtime.engine.errors import Ambiguous

        found = self.list()
        for one in found:
            if reference in {one.name, one.id}:
                return one
        begun = [one for one in found if reference and one.id.startswith(reference)]
        if len(begun) > 1:
            raise Ambiguous(reference, "network")
        if not begun:
            raise NoSuchNetwork(reference)
        return begun[0]

    def members(self, network: Network) -> tuple[Member, ...]:
        """The containers that are in it now."""
        return tuple(self._members(network))

    def inspect(self, reference: str) -> dict[str, Any]:
        """Everything that is known of it, in the form of Docker's API."""
        from runtime.engine.network_document import document

        network = self.find(reference)
        return document(network, self.members(network))

    def remove(self, reference: str) -> Network:
        """Forget it; raises `InUse` naming the containers that are in it, and `Conflict` for one that always is."""
        from runtime.network.errors import NetworkInUse, NetworkNotFound

        network = self.find(reference)
        if network.name in PREDEFINED:
            raise Conflict(f"{network.name} is a pre-defined network and cannot be removed")
        try:
            self.attachments.networks.catalog.remove(network.name)
        except NetworkNotFound:
            raise NoSuchNetwork(reference) from None
        except NetworkInUse as error:
            held = ", ".join(f'name:"{one.name}" id:"{one.container_id[:12]}"' for one in self.members(network))
            message = f"error while removing network: network {network.name} has active endpoints ({held or error})"
            raise InUse(message) from error
        self._tell("destroy", network)
        return network

    def prune(self, filters: Filters | None = None) -> tuple[str, ...]:
        """Forget every network that no container has, running or not; the names. Filters are until and label."""
        from runtime.engine.filters import matches_labels, prune_labels, refuse_unknown, until_ns

        given = filters or {}
        refuse_unknown(given, ("until", "label", "label!"))
        latest_ns, gone = until_ns(given), []
        wanted = {endpoint.network for one in self._engine.containers.list() for endpoint in one.networks}
        for network in self.list():
            young = latest_ns is not None and network.created_ns > latest_ns
            if network.name in PREDEFINED or wanted & {network.name, network.id} or young:
                continue
            if not matches_labels(dict(network.labels), prune_labels(given)):
                continue
            try:
                self.remove(network.name)
            except (InUse, NoSuchNetwork):
                continue
            gone.append(network.name)
        return tuple(gone)

    def connect(self, reference: str, container: Container, endpoint: Endpoint | None = None) -> None:
        """Have the container in a further network, at once if it runs. ``endpoint`` says how; its network is not read.

        Raises `Conflict` for one that is in it, or has no network namespace of its own.
        """
        from runtime.engine.options import Endpoint
        from runtime.values import replace

        network = self.find(reference)
        _refuse_modes(network, container)
        wish = replace(endpoint or Endpoint(network.name), network=network.name)
        before = self._engine.containers.connect(container, wish)
        pid = before.state.pid
        if not pid:
            return
        try:
            self.attachments.connect(before, wish, pid)
        except EngineError:
            self._engine.containers.disconnect(before, network.name)
            raise

    def disconnect(self, reference: str, container: Container, *, force: bool = False) -> None:
        """Have it in the network no more, at once if it runs; raises `Conflict` if it is not in it, unless forced."""
        network = self.find(reference)
        if network.name == HOST:
            raise Conflict("container cannot be disconnected from host network or connected to host network")
        try:
            self._engine.containers.disconnect(container, network.name)
        except Conflict:
            if not force:
                raise
        if container.state.pid:
            self.attachments.disconnect(container.id, network.name)

    def _members(self, network: Network) -> Iterator[Member]:
        if network.driver != BRIDGE:
            return
        from runtime.engine.records import read_record

        networks = self.attachments.networks
        for lease in networks.store.leases(networks.store.network(network.name)):
            record = read_record(self._home, lease.owner.id)
            name = str(record["name"]) if record else lease.owner.id
            v4, v6 = (self._with_prefix(network, address) for address in (lease.v4, lease.v6))
            yield Member(lease.owner.id, name, lease.mac, v4, v6, lease.names)

    @staticmethod
    def _with_prefix(network: Network, address: str | None) -> str:
        if address is None:
            return ""
        six = ":" in address
        prefix = next((one.subnet.partition("/")[2] for one in network.subnets if (":" in one.subnet) == six), "")
        return f"{address}/{prefix}"

    def _tell(self, action: str, network: Network) -> None:
        self._engine.events.tell("network", action, network.id, {"name": network.name, "type": network.driver})


def _refuse_modes(network: Network, container: Container) -> None:
    """Docker's words (libnetwork, daemon/container_operations.go)."""
    mode = container.config.network
    if mode.startswith("container:"):
        raise Conflict("container sharing network namespace with another container or host cannot be connected to any "
                       "other network")  # fmt: skip
    if HOST in {mode, network.name}:
        raise Conflict("container cannot be disconnected from host network or connected to host network")
    if NONE in {mode, network.name}:
        raise Conflict("container cannot be connected to multiple networks with one of the networks in private (none) "
                       "mode")  # fmt: skip


def _view(stored: Stored) -> Network:
    subnets = tuple(
        Subnet(str(one.network), str(one.gateway), str(one.pool) if one.pool else "") for one in stored.subnets
    )
    return Network(stored.id, stored.name, BRIDGE, stored.created_at_s * 1_000_000_000, subnets, stored.internal,
                   stored.labels)  # fmt: skip


def _modes() -> tuple[Network, ...]:
    """The two that are no networks; their ids are always the same."""
    import hashlib

    kinds = ((HOST, HOST), (NONE, "null"))
    return tuple(Network(hashlib.sha256(b"tare:" + name.encode()).hexdigest()[:12], name, kind) for name, kind in kinds)

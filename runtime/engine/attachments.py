"""Containers put into their networks and taken out again, as the supervisor starts and ends them.

    attachments = Attachments(engine)
    namespace = attachments.attach(container)      # before it is created: None for the host's
    attachments.running(container.id, pid)         # it is there: what it has depends on its process now
    attachments.ended(container.id)                # it has gone; a network nobody is in lingers for the next one
    attachments.removed(container.id)
    attachments.rest(5.0)                          # now and then: networks that have lingered so long go
"""

from __future__ import annotations

from runtime.engine.attached import erase_attached, read_attached, write_attached
from runtime.engine.container import Attached
from runtime.engine.errors import BadOption, Conflict, EngineError, NoSuchNetwork
from runtime.engine.options import PublishedPort
from runtime.values import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from runtime.engine.container import Container
    from runtime.engine.engine import Engine
    from runtime.engine.options import CreateOptions, Endpoint
    from runtime.network.leases import Lease
    from runtime.network.network import Network
    from runtime.network.networks import Networks
    from runtime.network.ports import PublishedPort as Wanted


class Attachments:
    """The containers of one root in their networks."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._home = engine.home
        self._networks: Networks | None = None

    @property
    def networks(self) -> Networks:
        """The networks, opened by the first who asks."""
        if self._networks is None:
            self._networks = self._home.open_networks()
        return self._networks

    def close(self) -> None:
        """Close what is open; the networks stay. Idempotent."""
        if self._networks is not None:
            self._networks.close()
            self._networks = None

    def attach(self, container: Container) -> str | None:
        """The namespace for it, in its networks; None for the host's. Raises `EngineError`, and leaves nothing."""
        mode = container.config.network
        if mode == "host":
            return None
        if mode.startswith("container:"):
            return self._joined(mode.removeprefix("container:"))
        namespace = str(self.networks.create_namespace(container.id))
        try:
            self._enter(container, namespace, container.networks)
        except BaseException:
            self.networks.release(container.id, linger=True)
            raise
        return namespace

    def running(self, container_id: str, pid: int) -> None:
        """It is there: what it has of networks depends on this process from now on."""
        if self.networks.pins.holder(container_id) is not None:
            self.networks.adopt(container_id, pid)

    def ended(self, container_id: str) -> None:
        """It has gone: it gives back all that it has. Idempotent."""
        links, _ = read_attached(self._home, container_id)
        self.networks.release(container_id, linger=True)
        erase_attached(self._home, container_id)
        for link in links:
            self._tell("disconnect", link, container_id)

    def removed(self, container_id: str) -> None:
        """It is forgotten; its directory goes with what was noted there. Idempotent."""
        if self.networks.leases_of(container_id) or self.networks.pins.holder(container_id) is not None:
            self.networks.release(container_id, linger=True)

    def renamed(self, container_id: str, before: str, name: str) -> None:
        """The networks that it is in know it by the new name."""
        if read_attached(self._home, container_id)[0] and is_hostname(name):
            self.networks.rename(container_id, before, name)

    def rest(self, idle_s: float = 0.0) -> None:
        """Take down the networks that nobody has been in for so long. Idempotent."""
        self.networks.rest(idle_s)

    def connect(self, container: Container, endpoint: Endpoint, pid: int) -> None:
        """Put one that runs into a further network; raises `EngineError`."""
        namespace = str(self.networks.pins.path(container.id))
        link = self._place(container, namespace, endpoint, (), pid)[0]
        links, ports = read_attached(self._home, container.id)
        write_attached(self._home, container.id, (*links, link), ports)
        self._tell("connect", link, container.id)

    def disconnect(self, container_id: str, network: str) -> None:
        """Take one that runs out of a network that it is in."""
        links, _ = read_attached(self._home, container_id)
        self.networks.detach(container_id, network, linger=True)
        kept = [link for link in links if link.network != network]
        ports = [_told(port) for _, lease in self.networks.leases_of(container_id) for port in lease.ports]
        write_attached(self._home, container_id, kept, ports)
        for link in links:
            if link.network == network:
                self._tell("disconnect", link, container_id)

    def _enter(self, container: Container, namespace: str, wanted: Sequence[Endpoint]) -> None:
        """Each network in turn; the ports are published in the first that leads outside."""
        links: list[Attached] = []
        published: list[PublishedPort] = []
        waiting = _ports(container.config)
        for endpoint in wanted:
            internal = self._network(endpoint.network).internal
            link, lease = self._place(container, namespace, endpoint, () if internal else waiting)
            waiting = waiting if internal else ()
            links.append(link)
            published += [_told(port) for port in lease.ports]
        write_attached(self._home, container.id, links, published)
        for link in links:
            self._tell("connect", link, container.id)

    def _place(
        self, container: Container, namespace: str, endpoint: Endpoint, ports: Sequence[PublishedPort],
        pid: int | None = None,
    ) -> tuple[Attached, Lease]:
        """Into one network; ports of which the host's may be any of a range move on to the next that is free."""
        from runtime.network.errors import NetworkError, PortTaken
        from runtime.network.planning import Attach

        network = self._network(endpoint.network)
        names = (*((container.name,) if is_hostname(container.name) else ()), *endpoint.aliases)
        asked = list(ports)
        while True:
            wanted = tuple(_wanted(port) for port in asked)
            wish = Attach(network.name, container.id, namespace, names, wanted, endpoint.ip or None,
                          endpoint.ip6 or None, endpoint.mac or None, pid)  # fmt: skip
            try:
                lease = self.networks.attach(wish)
            except PortTaken as error:
                _move_on(container, asked, wanted, error)
            except NetworkError as error:
                raise EngineError(f"failed to set up container networking: {error}") from error
            else:
                return _link(network, lease), lease

    def _network(self, name: str) -> Network:
        from runtime.network.errors import NetworkNotFound

        networks = self.networks
        try:
            if name == "bridge":
                return networks.default()
            return networks.store.network(name)
        except NetworkNotFound:
            raise NoSuchNetwork(name) from None

    def _joined(self, target: str) -> str | None:
        """Another container's namespace; raises `Conflict` if it does not run."""
        from runtime.engine.states import read_state
        from runtime.network.errors import NamespaceError
        from runtime.network.modes import Mode, NetworkMode, prepare_namespace

        def pid_of(container_id: str) -> int | None:
            return read_state(self._home, container_id).pid or None

        try:
            path = prepare_namespace(self.networks, NetworkMode(Mode.CONTAINER, target), "", pid_of)
        except NamespaceError:
            raise Conflict(f"cannot join network of a non running container: {target}") from None
        return None if path is None else str(path)

    def _tell(self, action: str, link: Attached, container_id: str) -> None:
        attributes = {"container": container_id, "name": link.network, "type": "bridge"}
        self._engine.events.tell("network", action, link.network_id, attributes)


def is_hostname(name: str) -> bool:
    """Whether somebody can ask for it by name."""
    from runtime.network.errors import NetworkError
    from runtime.network.names import check_names

    try:
        check_names((name,))
    except NetworkError:
        return False
    return True


def _ports(options: CreateOptions) -> tuple[PublishedPort, ...]:
    """Those that are to be published; with ``publish_all`` every exposed one that is not yet."""
    if not options.publish_all:
        return options.ports
    named = {(one.port + number, one.protocol) for one in options.ports for number in range(one.count)}
    exposed = dict.fromkeys(pair for text in options.expose for pair in _exposed(text))
    return (*options.ports, *(PublishedPort(port, 0, kind) for port, kind in exposed if (port, kind) not in named))


def _exposed(text: str) -> Iterable[tuple[int, str]]:
    """Nothing for what an image says and cannot be published, such as ports of sctp."""
    from runtime.engine.ports import parse_exposed

    try:
        return parse_exposed(text)
    except BadOption:
        return ()


def _wanted(port: PublishedPort) -> Wanted:
    from runtime.network.errors import NetworkError
    from runtime.network.ports import PublishedPort as Wanted

    try:
        return Wanted(port.port, port.host_port, port.protocol, port.host_ip or None, port.count)
    except NetworkError as error:
        raise BadOption(str(error)) from error


def _told(port: Wanted) -> PublishedPort:
    return PublishedPort(port.port, port.host_port, port.protocol, port.host_address or "", port.count)


def _move_on(
    container: Container, asked: list[PublishedPort], wanted: Sequence[Wanted], error: Exception
) -> None:
    """The next port of the host for the one that is taken, if a range was asked for; raises `Conflict` if not."""
    number = next((place for place, one in enumerate(wanted) if str(error).startswith(f"publish {one}:")), None)
    if number is not None and asked[number].host_port < asked[number].host_last:
        asked[number] = replace(asked[number], host_port=asked[number].host_port + 1)
        return
    port = asked[number or 0]
    host = f"[{port.host_ip}]" if ":" in port.host_ip else port.host_ip or "0.0.0.0"  # noqa: S104 - as Docker says it
    raise Conflict(
        f"failed to set up container networking: driver failed programming external connectivity on endpoint "
        f"{container.name} ({container.id[:12]}): Bind for {host}:{port.host_port} failed: port is already allocated "
        f"({error})"
    ) from error


def _link(network: Network, lease: Lease) -> Attached:
    four, six = network.subnet(4), network.subnet(6)
    return Attached(
        network.name,
        network.id,
        *(("", 0, "") if four is None else (lease.v4 or "", four.network.prefixlen, str(four.gateway))),
        *(("", 0, "") if six is None else (lease.v6 or "", six.network.prefixlen, str(six.gateway))),
        lease.mac,
        lease.names,
    )

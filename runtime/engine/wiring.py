"""A container's way to its networks, when it starts: a namespace, attachments, and files of names."""

from __future__ import annotations

import os

from runtime import jsontext
from runtime.engine.codec import encode
from runtime.engine.container import ATTACHED, Attached, Container
from runtime.engine.errors import StartFailed
from runtime.engine.modes import joined
from runtime.engine.options import PublishedPort
from runtime.engine.records import write_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from runtime.engine.options import CreateOptions, Endpoint
    from runtime.network.leases import Lease
    from runtime.network.networks import Networks
    from runtime.network.ports import PublishedPort as NetworkPort

_FILES = ("hostname", "hosts", "resolv.conf")
_ALONE = "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n"


def wire(container: Container, networks: Networks) -> tuple[str | None, str, tuple[tuple[str, str], ...]]:
    """The namespace (empty for one of its own with loopback alone, None for the host's), hostname, and files.

    The files are (path in the container, path on the host). Raises `StartFailed`, `NetworkError`.
    """
    config = container.config
    target = joined(config.network)
    if target is not None:
        return _with_another(container, networks, target)
    hostname = config.hostname or (os.uname().nodename if "host" in {config.network, config.uts} else container.id[:12])
    namespace: str | None = None if config.network == "host" else ""
    leases: tuple[Lease, ...] = ()
    if container.networks and namespace is not None:
        namespace = str(networks.create_namespace(container.id))
        leases = tuple(attach(container, networks, endpoint, namespace) for endpoint in container.networks)
    write_attached(container, networks, leases)
    return namespace, hostname, _write_files(container, networks, hostname)


def _with_another(
    container: Container, networks: Networks, target: str
) -> tuple[str, str, tuple[tuple[str, str], ...]]:
    """Its network, its name and its files."""
    from runtime.engine.stage import namespace_of

    other = Container.read(container.home, target)
    if other is None:
        raise StartFailed(f"No such container: {target}")
    pin = str(networks.pins.path(target))
    from runtime.network.namespaces import is_namespace

    namespace = pin if is_namespace(pin) else namespace_of(container.home, target, "net")
    files = tuple((f"/etc/{name}", f"{other.directory}/{name}") for name in _FILES)
    return namespace, other.config.hostname or target[:12], files


def attach(container: Container, networks: Networks, endpoint: Endpoint, namespace: str) -> Lease:
    """Put it into one network; raises `StartFailed`. Ports are published at the first."""
    from runtime.network.errors import NetworkError, NetworkNotFound, PortTaken
    from runtime.network.planning import Attach

    is_default = endpoint.network == "bridge"
    is_first = endpoint == container.networks[0]
    wish = Attach(
        network=None if is_default else endpoint.network,
        container_id=container.id,
        namespace=namespace,
        names=(container.name, container.id[:12], *endpoint.aliases),
        ports=_ports(container.config) if is_first else (),
        v4=endpoint.ip or None,
        v6=endpoint.ip6 or None,
        mac=endpoint.mac or None,
    )
    try:
        return networks.attach(wish)
    except NetworkNotFound as error:
        raise StartFailed(f"network {endpoint.network} not found") from error
    except PortTaken as error:
        raise StartFailed(_already_allocated(container, str(error))) from error
    except NetworkError as error:
        raise StartFailed(f"failed to set up container networking: {error}") from error


def _already_allocated(container: Container, message: str) -> str:
    """In Docker's words, by which its users know that somebody else has the port."""
    number = message.rpartition(": port ")[2].partition("/")[0]
    wanted = next((port for port in container.config.ports if str(port.host_port) == number), None)
    address = (wanted.host_ip if wanted else "") or "0.0.0.0"  # noqa: S104 - as it is written, not bound
    return (
        f"failed to set up container networking: driver failed programming external connectivity on endpoint "
        f"{container.name} ({container.id}): Bind for {address}:{number} failed: port is already allocated"
    )


def _ports(config: CreateOptions) -> tuple[NetworkPort, ...]:
    from runtime.network.ports import PublishedPort as NetworkPort

    asked = [NetworkPort(one.port, one.host_port, one.protocol, one.host_ip or None, one.count) for one in config.ports]
    if not config.publish_all:
        return tuple(asked)
    taken = {(port, one.protocol) for one in asked for _, port in one.pairs()}
    exposed = ((port, protocol) for text in config.expose for port, protocol in exposed_ports(text))
    return (*asked, *(NetworkPort(port, 0, protocol) for port, protocol in exposed if (port, protocol) not in taken))


def exposed_ports(text: str) -> Sequence[tuple[int, str]]:
    """``80``, ``80/udp`` or ``7000-7010/tcp``, as an image has it; nothing for anything else."""
    numbers, _, protocol = text.partition("/")
    first, _, last = numbers.partition("-")
    if not (first.isascii() and first.isdigit()) or (last and not (last.isascii() and last.isdigit())):
        return ()
    return [(port, protocol or "tcp") for port in range(int(first), int(last or first) + 1) if 0 < port < 1 << 16]


def write_attached(container: Container, networks: Networks, leases: Sequence[Lease]) -> None:
    """What it has, for `ps` and `inspect`, who need not read the networks' own records."""
    aliases = {endpoint.network: endpoint.aliases for endpoint in container.networks}
    document = {
        "networks": [encode(_attached(networks, lease, aliases.get(lease.network, ()))) for lease in leases],
        "ports": [
            encode(PublishedPort(port.port, port.host_port, port.protocol, port.host_address or "", port.count))
            for lease in leases
            for port in lease.ports
        ],
    }
    write_file(f"{container.directory}/{ATTACHED}", jsontext.dumps(document))


def _attached(networks: Networks, lease: Lease, aliases: tuple[str, ...]) -> Attached:
    network = networks.store.network(lease.network)
    v4, v6 = network.subnet(4), network.subnet(6)
    return Attached(
        network=lease.network,
        network_id=network.id,
        ip=lease.v4 or "",
        prefix=v4.network.prefixlen if v4 and lease.v4 else 0,
        gateway=str(v4.gateway) if v4 else "",
        ip6=lease.v6 or "",
        prefix6=v6.network.prefixlen if v6 and lease.v6 else 0,
        gateway6=str(v6.gateway) if v6 else "",
        mac=lease.mac,
        aliases=aliases,
    )


def _write_files(container: Container, networks: Networks, hostname: str) -> tuple[tuple[str, str], ...]:
    from runtime.network.files import hosts_text, resolv_conf_text

    config = container.config
    if config.network == "host":
        hosts, resolv = _read("/etc/hosts"), _read("/etc/resolv.conf")
    elif container.networks:
        own = ".".join(filter(None, (hostname, config.domainname)))
        hosts, resolv = hosts_text(networks, container.id, own), resolv_conf_text(networks, container.id)
    else:
        hosts, resolv = _ALONE, _read("/etc/resolv.conf")
    texts = {
        "hostname": f"{hostname}\n",
        "hosts": hosts + _extra_hosts(container, networks),
        "resolv.conf": _own_resolv_conf(config, resolv),
    }
    for name, text in texts.items():
        write_file(f"{container.directory}/{name}", text)
        os.chmod(f"{container.directory}/{name}", 0o644)
    return tuple((f"/etc/{name}", f"{container.directory}/{name}") for name in texts)


def _extra_hosts(container: Container, networks: Networks) -> str:
    """``NAME:ADDRESS``, where host-gateway is the host as the container reaches it."""
    lines = []
    for entry in container.config.extra_hosts:
        name, _, address = entry.partition("=") if "=" in entry else entry.partition(":")
        if address == "host-gateway":
            leases = networks.leases_of(container.id)
            address = str(leases[0][0].subnets[0].gateway) if leases else "127.0.0.1"
        lines.append(f"{address.strip('[]')}\t{name}\n")
    return "".join(lines)


def _own_resolv_conf(config: CreateOptions, text: str) -> str:
    """What was asked for replaces what would be there, each kind for itself."""
    kinds = {"nameserver": config.dns, "search": config.dns_search, "options": config.dns_option}
    replaced = {kind for kind, given in kinds.items() if given}
    kept = [line for line in text.splitlines() if line.split(maxsplit=1)[:1] and line.split()[0] not in replaced]
    added = [f"nameserver {address}" for address in config.dns]
    if config.dns_search and config.dns_search != (".",):
        added.append(f"search {' '.join(config.dns_search)}")
    if config.dns_option:
        added.append(f"options {' '.join(config.dns_option)}")
    return "".join(f"{line}\n" for line in (*added, *kept))


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            return file.read()
    except OSError:
        return ""

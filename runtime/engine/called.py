"""What a container and its neighbours are called: its hostname, and the files that say so in its /etc."""

from __future__ import annotations

import os

from runtime.engine.container import Container
from runtime.engine.errors import NoSuchContainer
from runtime.engine.modes import joined
from runtime.engine.records import write_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runtime.engine.options import CreateOptions
    from runtime.network.networks import Networks

_FILES = ("hostname", "hosts", "resolv.conf")


def hostname_of(container: Container) -> str:
    """As asked for, or the host's where it is in a namespace of that, or how its id begins."""
    config = container.config
    target = joined(config.network)
    if target is not None:
        other = Container.read(container.home, target)
        return target[:12] if other is None else hostname_of(other)
    if config.hostname:
        return config.hostname
    return os.uname().nodename if "host" in {config.network, config.uts} else container.id[:12]


def files_of(container: Container, networks: Networks) -> tuple[tuple[str, str], ...]:
    """(path in the container, path on the host); those of the container whose network is joined are shared."""
    target = joined(container.config.network)
    if target is None:
        _write_files(container, networks)
        directory = container.directory
    else:
        other = Container.read(container.home, target)
        if other is None:
            raise NoSuchContainer(target)
        directory = other.directory
    return tuple((f"/etc/{name}", f"{directory}/{name}") for name in _FILES)


def _write_files(container: Container, networks: Networks) -> None:
    from runtime.network.files import hosts_text, resolv_conf_text
    from runtime.network.names import hosts_file

    config, hostname = container.config, hostname_of(container)
    if config.network == "host":
        hosts, resolv = _read("/etc/hosts"), _read("/etc/resolv.conf")
    elif container.networks:
        own = (f"{hostname}.{config.domainname}", hostname) if config.domainname else (hostname,)
        hosts, resolv = hosts_text(networks, container.id, *own), resolv_conf_text(networks, container.id)
    else:
        hosts, resolv = hosts_file({}), _read("/etc/resolv.conf")
    texts = {
        "hostname": f"{hostname}\n",
        "hosts": hosts + _extra_hosts(container, networks),
        "resolv.conf": _own_resolv_conf(config, resolv),
    }
    for name, text in texts.items():
        write_file(f"{container.directory}/{name}", text)
        os.chmod(f"{container.directory}/{name}", 0o644)


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

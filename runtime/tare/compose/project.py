"""A Compose file as a value: services, networks and volumes, under the name of a project."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any

from runtime.tare.compose.interpolation import interpolate
from runtime.tare.compose.reading import Reading
from runtime.tare.compose.service import Service, read_service
from runtime.tare.errors import CommandError
from runtime.values import Value

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

FILES = ("compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml")
_MOST_BYTES = 1 << 20
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")
_SERVICE = re.compile(r"[A-Za-z0-9._-]+")
DEFAULT_NETWORK = "default"


class NamedNetwork(Value):
    """A network; an ``external`` one has to be there, and stays."""

    key: str
    name: str
    external: bool = False
    internal: bool = False
    ipv6: bool = False
    labels: tuple[tuple[str, str], ...] = ()
    subnets: tuple[str, ...] = ()
    gateways: tuple[str, ...] = ()
    ranges: tuple[str, ...] = ()


class NamedVolume(Value):
    """A volume; an ``external`` one has to be there."""

    key: str
    name: str
    external: bool = False
    labels: tuple[tuple[str, str], ...] = ()


class Project(Value):
    """``services`` are in an order in which each comes after those that it needs."""

    name: str
    directory: str
    services: tuple[Service, ...]
    networks: tuple[NamedNetwork, ...]
    volumes: tuple[NamedVolume, ...]

    def service(self, name: str) -> Service:
        """Raises `CommandError`."""
        for service in self.services:
            if service.name == name:
                return service
        raise CommandError(f"no such service: {name}")

    def network(self, key: str) -> NamedNetwork:
        """By its key in the file."""
        return next(network for network in self.networks if network.key == key)

    def chosen(self, names: Sequence[str]) -> tuple[Service, ...]:
        """The services of these names and all that they need; those without a profile for no names."""
        wanted: set[str] = set()
        waiting = list(names) or [service.name for service in self.services if not service.profiles]
        while waiting:
            service = self.service(waiting.pop())
            if service.name not in wanted:
                wanted.add(service.name)
                waiting += [need.service for need in service.needs]
        return tuple(service for service in self.services if service.name in wanted)


def find_file(directory: str, given: str) -> str:
    """The file that was named, or the first of `FILES` in the directory or one above; raises `CommandError`."""
    if given:
        return os.path.abspath(given)
    here = os.path.abspath(directory)
    while True:
        for name in FILES:
            if os.path.isfile(f"{here}/{name}"):
                return f"{here}/{name}"
        if here == "/":
            raise CommandError(f"no configuration file provided: there is no {FILES[0]} in {directory} or above it")
        here = os.path.dirname(here)


def load_project(path: str, name: str, environment: Mapping[str, str]) -> Project:
    """The file, with the ``.env`` beside it below the environment; raises `CommandError`."""
    directory = os.path.dirname(path)
    variables = {**_dot_env(f"{directory}/.env"), **environment}
    document = interpolate(_read(path), variables)
    return read_project(document, name or variables.get("COMPOSE_PROJECT_NAME", ""), directory)


def _read(path: str) -> Any:
    import yaml

    try:
        with open(path, "rb") as file:
            content = file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise CommandError(f"read {path}: {(error.strerror or str(error)).lower()}") from None
    if len(content) > _MOST_BYTES:
        raise CommandError(f"read {path}: longer than {_MOST_BYTES} bytes")
    try:
        return yaml.safe_load(content)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise CommandError(f"read {path}: {' '.join(str(error).split()) or 'nested too deep'}") from None


def _dot_env(path: str) -> dict[str, str]:
    found = {}
    try:
        with open(path, encoding="utf-8") as file:
            lines = file.read(_MOST_BYTES).splitlines()
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"read {path}: {error}") from None
    for line in map(str.strip, lines):
        name, equals, value = line.removeprefix("export ").partition("=")
        if equals and not line.startswith("#"):
            found[name.strip()] = value.strip().strip("\"'")
    return found


def read_project(document: Any, name: str, directory: str) -> Project:
    """The document as a project; raises `CommandError`."""
    reading = Reading(document, "", ("name", "services", "networks", "volumes", "version"))
    project = name or reading.text("name") or _made_name(directory)
    if not _NAME.fullmatch(project):
        raise CommandError(f"name: {project!r}: lower-case letters, digits, - and _ make one, - and _ do not begin it")
    services = tuple(_service(key, item) for key, item in reading.mappings("services"))
    if not services:
        raise CommandError("services: is missing or empty")
    networks = _networks(reading, project, services)
    volumes = tuple(_volume(key, item, project) for key, item in reading.mappings("volumes"))
    _check_networks(services, {network.key for network in networks})
    return Project(project, directory, in_order(services), networks, volumes)


def _service(key: str, item: Any) -> Service:
    if not _SERVICE.fullmatch(key):
        raise CommandError(f"services.{key}: letters, digits and any of . _ - make the name of a service")
    return read_service(key, item)


def _made_name(directory: str) -> str:
    return re.sub(r"^[_-]+|[^a-z0-9_-]", "", os.path.basename(directory).lower()) or "default"


def _networks(reading: Reading, project: str, services: tuple[Service, ...]) -> tuple[NamedNetwork, ...]:
    networks = tuple(_network(key, item, project) for key, item in reading.mappings("networks"))
    uses_default = any(not service.networks and not service.network_mode for service in services)
    if uses_default and all(network.key != DEFAULT_NETWORK for network in networks):
        networks = (*networks, NamedNetwork(DEFAULT_NETWORK, f"{project}_{DEFAULT_NETWORK}"))
    return networks


def _network(key: str, item: Any, project: str) -> NamedNetwork:
    reading = Reading(
        item, f"networks.{key}", ("name", "external", "internal", "labels", "driver", "enable_ipv6", "ipam")
    )
    if reading.text("driver") not in {"", "bridge"}:
        raise CommandError(f"{reading.at('driver')}: {reading.text('driver')!r} is not supported; bridge is")
    external = reading.flag("external")
    subnets = tuple(_subnets(Reading(reading.raw("ipam"), reading.at("ipam"), ("driver", "config"))))
    return NamedNetwork(
        key=key,
        name=reading.text("name") or (key if external else f"{project}_{key}"),
        external=external,
        internal=reading.flag("internal"),
        ipv6=reading.flag("enable_ipv6"),
        labels=_labels(reading),
        subnets=tuple(subnet.text("subnet") for subnet in subnets if subnet.text("subnet")),
        gateways=tuple(subnet.text("gateway") for subnet in subnets if subnet.text("gateway")),
        ranges=tuple(subnet.text("ip_range") for subnet in subnets if subnet.text("ip_range")),
    )


def _subnets(ipam: Reading) -> Iterator[Reading]:
    configs = ipam.raw("config")
    for number, config in enumerate(configs if isinstance(configs, list) else ()):
        yield Reading(config, f"{ipam.at('config')}[{number}]", ("subnet", "gateway", "ip_range"))


def _labels(reading: Reading) -> tuple[tuple[str, str], ...]:
    return tuple((name, value or "") for name, value in reading.pairs("labels"))


def _volume(key: str, item: Any, project: str) -> NamedVolume:
    reading = Reading(item, f"volumes.{key}", ("name", "external", "labels", "driver"))
    if reading.text("driver") not in {"", "local"}:
        raise CommandError(f"{reading.at('driver')}: {reading.text('driver')!r} is not supported; local is")
    external = reading.flag("external")
    name = reading.text("name") or (key if external else f"{project}_{key}")
    return NamedVolume(key, name, external, _labels(reading))


def _check_networks(services: tuple[Service, ...], known: set[str]) -> None:
    for service in services:
        for attached in service.networks:
            if attached.network not in known:
                raise CommandError(f"services.{service.name}.networks: undefined network {attached.network!r}")


def in_order(services: tuple[Service, ...]) -> tuple[Service, ...]:
    """Each after those that it needs, and else as they were; raises `CommandError` for a circle."""
    by_name = {service.name: service for service in services}
    done: dict[str, Service] = {}

    def visit(service: Service, path: tuple[str, ...]) -> None:
        if service.name in path:
            raise CommandError(f"services: depend on each other: {' -> '.join((*path, service.name))}")
        for need in service.needs:
            if need.service not in by_name:
                raise CommandError(f"services.{service.name}.depends_on: undefined service {need.service!r}")
            if need.service not in done:
                visit(by_name[need.service], (*path, service.name))
        done.setdefault(service.name, service)

    for service in services:
        visit(service, ())
    return tuple(done.values())

"""What a container's network is: ``bridge`` (or a network's name), ``none``, ``host`` or ``container:ID``."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runtime.network.catalog import DEFAULT
from runtime.network.errors import NamespaceError, NetworkError
from runtime.network.namespaces import is_namespace

if TYPE_CHECKING:
    from collections.abc import Callable

    from runtime.network.networks import Networks

_CONTAINER = "container:"


class Mode(Enum):
    """How a container comes to its network namespace."""

    NETWORK = "network"  # one of its own, attached to networks
    NONE = "none"  # one of its own, with loopback alone
    HOST = "host"  # the host's
    CONTAINER = "container"  # another container's


@dataclass(frozen=True, slots=True)
class NetworkMode:
    """A mode, and the network or container that it names; ``name`` None is the default network."""

    mode: Mode
    name: str | None = None


def parse_mode(text: str) -> NetworkMode:
    """What a user writes; raises `NetworkError`."""
    if text in {Mode.NONE.value, Mode.HOST.value}:
        return NetworkMode(Mode(text))
    if text.startswith(_CONTAINER):
        target = text.removeprefix(_CONTAINER)
        if not target:
            raise NetworkError(f"join network {text!r}: name the container, as in container:ID")
        return NetworkMode(Mode.CONTAINER, target)
    return NetworkMode(Mode.NETWORK, None if text in {"", DEFAULT} else text)


def prepare_namespace(
    networks: Networks, mode: NetworkMode, container_id: str, pid_of: Callable[[str], int | None]
) -> Path | None:
    """The namespace that the container joins, made if it is to have one of its own; None for the host's.

    ``pid_of`` knows the process of a running container that we pinned no namespace for. Raises `NamespaceError`.
    """
    if mode.mode is Mode.HOST:
        return None
    if mode.mode is Mode.CONTAINER:
        return _namespace_of(networks, mode.name or "", pid_of)
    return networks.create_namespace(container_id)


def namespace_entry(path: Path | None) -> dict[str, Any] | None:
    """The entry of ``linux.namespaces`` in config.json; None where there must be none, as for the host's."""
    return None if path is None else {"type": "network", "path": str(path)}


def _namespace_of(networks: Networks, container_id: str, pid_of: Callable[[str], int | None]) -> Path:
    pin = networks.pins.path(container_id)
    if is_namespace(pin):
        return pin
    pid = pid_of(container_id)
    if pid is None:
        raise NamespaceError(f"join the network of container {container_id}: it does not run")
    return Path(f"/proc/{pid}/ns/net")

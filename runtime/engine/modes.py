"""Namespaces that a container has of its own, shares with the host, or joins another container in."""

from __future__ import annotations

from runtime.engine.errors import BadOption
from runtime.engine.options import Endpoint
from runtime.values import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runtime.engine.containers import Containers
    from runtime.engine.options import CreateOptions

CONTAINER = "container:"
_IPC = frozenset({"", "private", "shareable", "none", "host"})
_DEFAULT = "bridge"


def resolve_modes(containers: Containers, config: CreateOptions) -> CreateOptions:
    """With the ids of the containers that are to be joined; raises `BadOption` or `NoSuchContainer`."""
    if config.ipc not in _IPC and not config.ipc.startswith(CONTAINER):
        raise BadOption(f"invalid IPC mode: {config.ipc}")
    if config.pid not in {"", "host", "private"} and not config.pid.startswith(CONTAINER):
        raise BadOption(f"invalid PID mode: {config.pid}")
    if config.uts not in {"", "host", "private"}:
        raise BadOption(f"invalid UTS mode: {config.uts}")
    if config.uts == "host" and (config.hostname or config.domainname):
        raise BadOption("conflicting options: hostname and the UTS mode")
    if config.cgroupns not in {"", "host", "private"}:
        raise BadOption(f"invalid cgroup namespace mode: {config.cgroupns}")
    return replace(
        config,
        network=_resolve(containers, config.network or _DEFAULT),
        ipc=_resolve(containers, config.ipc),
        pid=_resolve(containers, config.pid),
    )


def _resolve(containers: Containers, mode: str) -> str:
    if not mode.startswith(CONTAINER):
        return _DEFAULT if mode == "default" else mode
    reference = mode.removeprefix(CONTAINER)
    if not reference:
        raise BadOption("invalid container format container:<name|id>")
    return f"{CONTAINER}{containers.find(reference).id}"


def endpoints_of(config: CreateOptions) -> tuple[Endpoint, ...]:
    """The network that was asked for; none where it is a mode."""
    if config.network in {"none", "host"} or config.network.startswith(CONTAINER):
        return ()
    return (Endpoint(config.network, config.network_aliases, config.ip, config.ip6, config.mac),)


def joined(mode: str) -> str | None:
    """The id of the container whose namespace is joined."""
    return mode.removeprefix(CONTAINER) if mode.startswith(CONTAINER) else None

"""A container as a row of `ps`: docker's fields, each worked out when it is asked for."""

from __future__ import annotations

from runtime.engine.states import NEVER
from runtime.tare.containers.port import hosts
from runtime.tare.output.ages import ago, human_duration, seconds_of
from runtime.tare.output.sizes import human_size
from runtime.tare.output.table import ellipsised

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from runtime.engine.container import Container
    from runtime.engine.options import PublishedPort
    from runtime.engine.states import State

_COMMAND_LENGTH = 20
_MOUNT_LENGTH = 15


def row_of(container: Container, now: float, *, full: bool) -> Mapping[str, Any]:
    """``full`` leaves out the ellipses."""
    return {
        "ID": container.id if full else container.short_id,
        "Names": container.name,
        "Image": container.image,
        "Command": lambda: _command(container, full=full),
        "CreatedAt": lambda: _local(container.created),
        "RunningFor": lambda: ago(seconds_of(container.created), now),
        "Ports": lambda: ports_of(container),
        "State": lambda: container.state.status,
        "Status": lambda: status_of(container.state, now),
        "Size": lambda: _size(container),
        "Labels": lambda: ",".join(f"{name}={content}" for name, content in container.labels.items()),
        "Label": lambda name: container.labels.get(name, ""),
        "Mounts": lambda: _mounts(container, full=full),
        "LocalVolumes": lambda: str(sum(mount.kind == "volume" for mount in container.mounts)),
        "Networks": lambda: ",".join(networks_of(container)),
    }


def _size(container: Container) -> str:
    """What it has changed, and all that it sees."""
    from runtime.engine.df import container_size

    changed, virtual = container_size(container)
    return f"{human_size(changed)} (virtual {human_size(virtual)})"


def _command(container: Container, *, full: bool) -> str:
    """In quotes, as docker shows it (strconv.Quote), with arguments of several words in quotes of their own."""
    path, *arguments = container.command or ("",)
    text = " ".join([path, *(f"'{word}'" if " " in word else word for word in arguments)])
    return quoted(text if full else ellipsised(text, _COMMAND_LENGTH))


def quoted(text: str) -> str:
    """With what is no text escaped."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{"".join(_printable(letter) for letter in escaped)}"'


def _printable(letter: str) -> str:
    if letter.isprintable():
        return letter
    named = {"\n": "\\n", "\t": "\\t", "\r": "\\r"}.get(letter)
    if named is not None:
        return named
    code = ord(letter)
    return f"\\x{code & 0xFF:02x}" if code < 0x80 or 0xDC80 <= code <= 0xDCFF else f"\\u{code:04x}"


def _local(moment: str) -> str:
    import time

    return time.strftime("%Y-%m-%d %H:%M:%S %z %Z", time.localtime(seconds_of(moment)))


def status_of(state: State, now: float) -> str:
    """``Up 5 minutes (healthy)``, ``Exited (0) 3 weeks ago``."""
    if state.status == "restarting":
        return f"Restarting ({state.exit_code}) {ago(seconds_of(state.finished_at), now)}"
    if state.is_running:
        return f"Up {human_duration(now - seconds_of(state.started_at))}{_remark(state)}"
    if state.status == "exited" and state.finished_at == NEVER:  # nobody watched
        return f"Exited ({state.exit_code})"
    if state.status == "exited":
        return f"Exited ({state.exit_code}) {ago(seconds_of(state.finished_at), now)}"
    return {"created": "Created", "removing": "Removal In Progress", "dead": "Dead"}.get(state.status, state.status)


def _remark(state: State) -> str:
    if state.status == "paused":
        return " (Paused)"
    if state.health is None or state.health.status == "none":
        return ""
    return f" ({'health: ' if state.health.status == 'starting' else ''}{state.health.status})"


def ports_of(container: Container) -> str:
    """``0.0.0.0:8080->80/tcp, [::]:8080->80/tcp``, and what is exposed only, while it runs."""
    if not container.state.is_running:
        return ""
    published = container.ports
    shown = [
        f"{host}:{_span(port.host_port, port.count)}->{_span(port.port, port.count)}/{port.protocol}"
        for host_place in range(2)
        for port in published
        for host in hosts(port)[host_place : host_place + 1]
    ]
    reached = {f"{port.port + offset}/{port.protocol}" for port in published for offset in range(port.count)}
    exposed = [text if "/" in text else f"{text}/tcp" for text in container.config.expose]
    return ", ".join([*(one for one in exposed if one not in reached), *shown])


def _span(first: int, count: int) -> str:
    return str(first) if count == 1 else f"{first}-{first + count - 1}"


def _mounts(container: Container, *, full: bool) -> str:
    names = [mount.name or mount.source for mount in container.mounts if mount.kind != "tmpfs"]
    return ",".join(name if full else ellipsised(name, _MOUNT_LENGTH) for name in names)


def networks_of(container: Container) -> list[str]:
    """Names, or the mode that is none."""
    return [endpoint.network for endpoint in container.networks] or [container.config.network]


def published_numbers(ports: tuple[PublishedPort, ...]) -> set[str]:
    """``8080/tcp`` of the host, for the filter of that name."""
    return {f"{port.host_port + offset}/{port.protocol}" for port in ports for offset in range(port.count)}

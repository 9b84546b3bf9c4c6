"""``--filter`` of `ps`: any of the values of one name, and all names."""

from __future__ import annotations

from runtime.tare.containers.rows import networks_of, published_numbers
from runtime.tare.errors import FAILED, CommandError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from runtime.engine.container import Container
    from runtime.engine.containers import Containers

    Values = tuple[str, ...]

_STATUSES = frozenset({"created", "restarting", "running", "removing", "paused", "exited", "dead"})


def select(containers: Containers, found: Sequence[Container], filters: Mapping[str, Values]) -> list[Container]:
    """Those that pass."""
    kept = list(found)
    for name, values in filters.items():
        if name in {"before", "since"}:
            kept = _around(containers, kept, name, values)
        elif name == "ancestor":
            kept = [one for one in kept if _is_made_of(one, values)]
        else:
            passes = _TESTS[name]
            kept = [one for one in kept if passes(one, values)]
    return kept


def _around(containers: Containers, kept: list[Container], name: str, values: Values) -> list[Container]:
    pivot = containers.find(values[-1]).created
    return [one for one in kept if (one.created < pivot if name == "before" else one.created > pivot)]


def _is_made_of(container: Container, values: Values) -> bool:
    """By name, with or without a tag, or by the beginning of its id or digest."""
    image = container.image
    plain = {image, image.removesuffix(":latest"), f"{image}:latest", image.rpartition(":")[0]}
    ids = (container.image_id, container.image_digest)
    return any(
        value in plain or any(one == value or one.partition(":")[2].startswith(value) for one in ids)
        for value in values
    )


def _has_name(container: Container, values: Values) -> bool:
    """A part of it, or a regular expression; docker's names begin with a slash."""
    import re

    try:
        return any(re.search(value, name) for value in values for name in (container.name, f"/{container.name}"))
    except re.error as error:
        raise CommandError(f"invalid filter 'name': {error}") from None


def _has_label(container: Container, values: Values) -> bool:
    """All of them."""
    labels = container.labels
    for value in values:
        name, equals, content = value.partition("=")
        if name not in labels or (equals and labels[name] != content):
            return False
    return True


def _has_status(container: Container, values: Values) -> bool:
    for value in values:
        if value not in _STATUSES:
            raise UsageError(f"invalid filter 'status={value}'", FAILED)
    return container.state.status in values


def _has_exited(container: Container, values: Values) -> bool:
    for value in values:
        if not value.lstrip("-").isdecimal():
            raise UsageError(f"invalid filter 'exited={value}'", FAILED)
    state = container.state
    return state.status == "exited" and str(state.exit_code) in values


def _has_health(container: Container, values: Values) -> bool:
    health = container.state.health
    return (health.status if health else "none") in values


def _has_volume(container: Container, values: Values) -> bool:
    return any(value in {mount.name, mount.target, mount.source} for value in values for mount in container.mounts)


def _has_network(container: Container, values: Values) -> bool:
    ids = {attached.network_id for attached in container.attached}
    return any(value in networks_of(container) or any(one.startswith(value) for one in ids) for value in values)


def _with_protocol(value: str) -> str:
    return value if "/" in value else f"{value}/tcp"


def _publishes(container: Container, values: Values) -> bool:
    """The port of the host, or that of the container."""
    inner = {f"{port.port}/{port.protocol}" for port in container.ports}
    return bool((published_numbers(container.ports) | inner) & {_with_protocol(value) for value in values})


def _exposes(container: Container, values: Values) -> bool:
    exposed = {_with_protocol(text) for text in container.config.expose}
    exposed |= {f"{port.port}/{port.protocol}" for port in container.config.ports}
    return bool(exposed & {_with_protocol(value) for value in values})


_TESTS: dict[str, Callable[[Container, Values], bool]] = {
    "id": lambda one, values: any(one.id.startswith(value) for value in values),
    "name": _has_name,
    "label": _has_label,
    "status": _has_status,
    "exited": _has_exited,
    "health": _has_health,
    "volume": _has_volume,
    "network": _has_network,
    "publish": _publishes,
    "expose": _exposes,
}
FILTERS = frozenset({*_TESTS, "before", "since", "ancestor"})

"""``port``."""

from __future__ import annotations

from runtime.tare.errors import CommandError
from runtime.tare.verb import Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from runtime.engine.options import PublishedPort
    from runtime.tare.context import Session
    from runtime.tare.flags import Given

EVERYWHERE = ("0.0.0.0", "[::]")  # noqa: S104 - how docker writes it, not what we bind


def perform(session: Session, given: Given) -> None:
    """``80/tcp -> 0.0.0.0:8080``, or only where one port leads."""
    container = session.engine.containers.find(given.arguments[0])
    pairs = list(_pairs(container.ports))
    if len(given.arguments) == 1:
        for port, where in pairs:
            session.say(f"{port} -> {where}")
        return
    number, _, protocol = given.arguments[1].partition("/")
    wanted = f"{number}/{protocol or 'tcp'}"
    found = [where for port, where in pairs if port == wanted]
    if not found:
        raise CommandError(f"no public port '{wanted}' published for {given.arguments[0]}")
    for where in found:
        session.say(where)


def _pairs(ports: Sequence[PublishedPort]) -> Iterator[tuple[str, str]]:
    for port in sorted(ports, key=lambda one: (one.port, one.protocol)):
        for offset in range(port.count):
            for host in hosts(port):
                yield f"{port.port + offset}/{port.protocol}", f"{host}:{port.host_port + offset}"


def hosts(port: PublishedPort) -> tuple[str, ...]:
    """Where it is published, as it stands before a port."""
    if not port.host_ip:
        return EVERYWHERE
    return (f"[{port.host_ip}]" if ":" in port.host_ip else port.host_ip,)


PORT = Verb(
    "port CONTAINER [PRIVATE_PORT[/PROTO]]",
    "List port mappings or a specific mapping for the container",
    perform,
    least=1,
    most=2,
)

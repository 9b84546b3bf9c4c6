"""``network connect`` and ``network disconnect``."""

from __future__ import annotations

from runtime.tare.flags import Flag
from runtime.tare.verb import Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runtime.tare.context import Session
    from runtime.tare.flags import Given


def perform_connect(session: Session, given: Given) -> None:
    """Have a container in a further network, at once if it runs."""
    from runtime.engine.options import Endpoint

    network, name = given.arguments
    engine = session.engine
    endpoint = Endpoint(network, given.many("alias"), given.text("ip"), given.text("ip6"))
    engine.networks.connect(network, engine.containers.find(name), endpoint)


def perform_disconnect(session: Session, given: Given) -> None:
    """And no more in it."""
    network, name = given.arguments
    engine = session.engine
    engine.networks.disconnect(network, engine.containers.find(name), force=given.switch("force"))


CONNECT = Verb(
    "connect [OPTIONS] NETWORK CONTAINER",
    "Connect a container to a network",
    perform_connect,
    (
        Flag("alias", "Add network-scoped alias for the container", metavar="strings", many=True),
        Flag("ip", 'IPv4 address (e.g., "172.30.100.104")', metavar="ip"),
        Flag("ip6", 'IPv6 address (e.g., "2001:db8::33")', metavar="ip"),
    ),
    least=2,
    most=2,
)
DISCONNECT = Verb(
    "disconnect [OPTIONS] NETWORK CONTAINER",
    "Disconnect a container from a network",
    perform_disconnect,
    (Flag("force", "Force the container to disconnect from a network", short="f"),),
    least=2,
    most=2,
)

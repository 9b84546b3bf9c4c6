"""``network create``."""

from __future__ import annotations

from runtime.tare.flags import Flag
from runtime.tare.verb import Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runtime.tare.context import Session
    from runtime.tare.flags import Given


def perform(session: Session, given: Given) -> None:
    """What is printed is the network's id."""
    from runtime.engine.networks import NetworkOptions
    from runtime.tare.containers.environment import pairs

    options = NetworkOptions(
        given.arguments[0],
        subnets=given.many("subnet"),
        gateways=given.many("gateway"),
        ranges=given.many("ip-range"),
        internal=given.switch("internal"),
        ipv6=given.switch("ipv6"),
        labels=pairs(given.many("label")),
        driver=given.text("driver"),
    )
    session.say(session.engine.networks.create(options).id)


CREATE = Verb(
    "create [OPTIONS] NETWORK",
    "Create a network",
    perform,
    (
        Flag("driver", "Driver to manage the Network", short="d", metavar="string", default="bridge"),
        Flag("gateway", "IPv4 or IPv6 Gateway for the master subnet", metavar="strings", many=True),
        Flag("internal", "Restrict external access to the network"),
        Flag("ip-range", "Allocate container ip from a sub-range", metavar="strings", many=True),
        Flag("ipv6", "Enable IPv6 networking"),
        Flag("label", "Set metadata on a network", metavar="list", many=True),
        Flag("subnet", "Subnet in CIDR format that represents a network segment", metavar="strings", many=True),
    ),
    least=1,
    most=1,
)

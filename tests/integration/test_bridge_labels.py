"""Which links count as ours, in a network namespace of the test's own."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytestmark = pytest.mark.root

_PROGRAM = """
from pyroute2 import IPRoute
from runtime.network.addresses import BridgeAddress
from runtime.network.bridge import create_bridge, delete_links, labelled_links

create_bridge(BridgeAddress(0), "RUN")
with IPRoute() as ipr:
    # Killed before it was labelled; somebody else's of our name; and one that only looks like it.
    ipr.link("add", ifname="tare1", kind="bridge", address=BridgeAddress(1).mac)
    ipr.link("add", ifname="tare2", kind="bridge", address="02:00:00:00:00:07")
    ipr.link("add", ifname="tareware", kind="bridge", address=BridgeAddress(3).mac)
    # A container's network, which lives and dies with its containers.
    ipr.link("add", ifname="tarebabcdef", kind="bridge")
    ipr.link("set", index=ipr.link_lookup(ifname="tarebabcdef")[0], ifalias="tare:network:abcdef123456")
print(*sorted(labelled_links()), "|", *labelled_links("RUN"), "|", *labelled_links("OTHER"))
delete_links(labelled_links())
with IPRoute() as ipr:
    print(*sorted(link.get_attr("IFLA_IFNAME") for link in ipr.get_links() if link["index"] > 1))
"""


def test_ours_are_the_labelled_and_those_killed_before_their_label() -> None:
    command = ["unshare", "--net", sys.executable, "-c", _PROGRAM]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.splitlines() == ["tare0 tare1 | tare0 |", "tare2 tarebabcdef tareware"]

"""Network devices that move into the container (config-linux.md, "Network Devices"), from a namespace made for it."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from tests.conformance.test_namespaces import holder, mapped

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.bundle import Bundle


class Host:
    """A network namespace in place of the host's, with a pair of devices, ``one`` and ``two``."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.under = ("nsenter", f"--net=/proc/{pid}/ns/net")
        self.ip("link", "add", "one", "type", "veth", "peer", "name", "two")

    def ip(self, *argv: str) -> str:
        return ip(self.pid, *argv)

    def names(self) -> set[str]:
        return {link["ifname"] for link in json.loads(self.ip("-json", "link"))} - {"lo"}


def ip(pid: int, *argv: str) -> str:
    command = ("nsenter", f"--net=/proc/{pid}/ns/net", "ip", *argv)
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@pytest.fixture
def host(box: Bundle) -> Iterator[Host]:
    with holder("network") as pid:
        made = Host(pid)
        box.under = made.under
        yield made
        box.under = ()


def moved(box: Bundle, **devices: dict[str, Any]) -> dict[str, Any]:
    """The links of a container that is given these devices, by name, as ip(8) tells them."""
    box.linux["netDevices"] = devices
    links = json.loads(ip(box.pid(box.started()), "-json", "-details", "address"))
    return {link["ifname"]: link for link in links if link["ifname"] != "lo"}


def test_a_device_moves_into_the_container(box: Bundle, host: Host) -> None:
    assert set(moved(box, one={})) == {"one"}
    assert host.names() == {"two"}


def test_a_device_may_have_another_name_there(box: Bundle, host: Host) -> None:
    assert set(moved(box, one={"name": "eth7"})) == {"eth7"}
    assert host.names() == {"two"}


def test_several_devices_may_move(box: Bundle, host: Host) -> None:
    assert set(moved(box, one={"name": "eth0"}, two={"name": "eth1"})) == {"eth0", "eth1"}
    assert host.names() == set()


def test_a_name_may_be_a_pattern(box: Bundle, host: Host) -> None:
    assert set(moved(box, one={"name": "eth%d"}, two={"name": "eth%d"})) == {"eth0", "eth1"}
    assert host.names() == set()


def test_a_device_is_up_when_the_container_runs(box: Bundle, host: Host) -> None:
    assert "UP" in moved(box, one={})["one"]["flags"]
    assert host.names() == {"two"}


def test_a_device_keeps_its_permanent_global_addresses_and_attributes(box: Bundle, host: Host) -> None:
    host.ip("address", "add", "192.0.2.5/24", "dev", "one")
    host.ip("address", "add", "2001:db8::5/64", "dev", "one", "nodad")
    host.ip("address", "add", "192.0.2.77/24", "dev", "one", "valid_lft", "1000", "preferred_lft", "1000")
    host.ip("link", "set", "one", "mtu", "1400", "address", "02:00:00:00:00:07")
    link = moved(box, one={"name": "eth0"})["eth0"]
    kept = {f"{entry['local']}/{entry['prefixlen']}" for entry in link["addr_info"] if entry["scope"] == "global"}
    assert kept == {"192.0.2.5/24", "2001:db8::5/64"}
    assert (link["mtu"], link["address"]) == (1400, "02:00:00:00:00:07")


def test_a_device_moves_into_a_container_with_mapped_users(box: Bundle, host: Host) -> None:
    mapped(box)
    assert set(moved(box, one={"name": "eth0"})) == {"eth0"}
    assert host.names() == {"two"}


def test_a_device_moves_into_a_namespace_that_is_joined(box: Bundle, host: Host) -> None:
    with holder("network") as pid:
        box.namespace("network", f"/proc/{pid}/ns/net")
        box.linux["netDevices"] = {"one": {"name": "eth0"}}
        name = box.started()
        assert "eth0" in ip(pid, "link")
        box.ask("delete", "--force", name)
        # Nor does it leave with the container: whose the namespace is, his are the devices.
        assert "eth0" in ip(pid, "link")
        assert host.names() == {"two"}


def test_a_name_that_is_taken_there_is_an_error(box: Bundle, host: Host) -> None:
    host.ip("address", "add", "192.0.2.5/24", "dev", "one")
    box.linux["netDevices"] = {"one": {"name": "lo"}}
    name, code = box.try_create()
    assert code != 0
    assert box.status(name) == "gone"
    assert host.names() == {"one", "two"}
    assert "192.0.2.5/24" in host.ip("address", "show", "dev", "one")


@pytest.mark.parametrize("device", ["none", "a-name-that-is-too-long", "a/b", ""])
def test_a_device_that_does_not_exist_is_an_error(box: Bundle, host: Host, device: str) -> None:
    box.linux["netDevices"] = {device: {}}
    name, code = box.try_create()
    assert code != 0
    assert box.status(name) == "gone"
    assert host.names() == {"one", "two"}


def test_a_device_comes_back_when_the_container_cannot_be_made(box: Bundle, host: Host) -> None:
    host.ip("address", "add", "192.0.2.5/24", "dev", "one")
    box.linux["netDevices"] = {"one": {"name": "eth0"}}
    box.config["hooks"] = {"createRuntime": [{"path": "/no/such/hook"}]}
    name, code = box.try_create()
    assert code != 0
    assert box.status(name) == "gone"
    assert host.names() == {"one", "two"}
    assert "192.0.2.5/24" in host.ip("address", "show", "dev", "one")


def test_a_device_needs_a_namespace_to_move_to(box: Bundle, host: Host) -> None:
    box.without_namespace("network")
    box.linux["netDevices"] = {"one": {}}
    assert box.try_create()[1] != 0
    assert host.names() == {"one", "two"}

"""Networks as docker and podman make them, inside the sandbox's own network namespace."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.bundle import wait_until

if TYPE_CHECKING:
    from tests.support.engine import Engine

pytestmark = [pytest.mark.root, pytest.mark.engines, pytest.mark.slow]

HTTPD = ("httpd", "-f", "-p", "80", "-h", "/etc")


def links(text: str) -> list[str]:
    return [line.split(":")[1].split("@")[0].strip() for line in text.splitlines() if line[:1].isdigit()]


def fetch(engine: Engine, address: str) -> str:
    """What a web server says, once it answers."""
    argv = ("busybox", "wget", "-q", "-O", "-", f"http://{address}/group")
    wait_until(lambda: engine.host.sandbox.run(*argv).returncode == 0)
    return engine.host.sandbox.output(*argv)


def test_published_port(engine: Engine) -> None:
    with engine.container(*HTTPD, options=("--publish", "18080:80")):
        assert "nogroup" in fetch(engine, "127.0.0.1:18080")


def test_published_port_of_one_address(engine: Engine) -> None:
    with engine.container(*HTTPD, options=("--publish", "127.0.0.1::80")) as container:
        published = engine("port", container.name, "80/tcp").text
        assert published.startswith("127.0.0.1:")
        assert "nogroup" in fetch(engine, published)


def test_published_port_is_closed_afterwards(engine: Engine) -> None:
    with engine.container(*HTTPD, options=("--publish", "18080:80")):
        fetch(engine, "127.0.0.1:18080")
    argv = ("busybox", "wget", "-q", "-O", "-", "http://127.0.0.1:18080/group")
    assert engine.host.sandbox.run(*argv).returncode != 0


def test_own_address_on_a_bridge(engine: Engine) -> None:
    with engine.container(*HTTPD) as container:
        address = container.inspect("{{.NetworkSettings.IPAddress}}")
        assert address in container.shell("ip -4 addr show dev eth0")
        assert "nogroup" in fetch(engine, address)


def test_containers_reach_each_other(engine: Engine) -> None:
    with engine.container(*HTTPD) as container:
        address = container.inspect("{{.NetworkSettings.IPAddress}}")
        fetch(engine, address)
        assert "nogroup" in engine.shell(f"wget -q -O - http://{address}/group")


def test_network_none(engine: Engine) -> None:
    """There is only the loopback link, and it works."""
    said = engine.shell("ip -o link; ping -c 1 -w 5 127.0.0.1 > /dev/null && echo answers", "--network", "none")
    assert links(said) == ["lo"]
    assert said.endswith("answers")


def test_network_host(engine: Engine) -> None:
    there = engine.host.sandbox.output("readlink", "/proc/self/ns/net").strip()
    assert engine.shell("readlink /proc/self/ns/net", "--network", "host") == there


def test_network_of_another_container(engine: Engine) -> None:
    with engine.container(*HTTPD, options=("--network", "none")) as container:
        wait_until(lambda: ":80 " in container.shell("netstat -ltn"))
        script = "wget -q -O - http://127.0.0.1/group"
        assert "nogroup" in engine.shell(script, "--network", f"container:{container.name}")


def test_a_network_of_its_own(engine: Engine) -> None:
    network = "tare-test-net"
    engine("network", "create", "--subnet", "198.51.100.0/24", network)
    try:
        with engine.container(options=("--network", network, "--ip", "198.51.100.7")) as container:
            assert "198.51.100.7/24" in container.shell("ip -4 addr show dev eth0")
    finally:
        engine("network", "rm", network)


def test_dns(engine: Engine) -> None:
    assert "192.0.2.53" in engine.shell("cat /etc/resolv.conf", "--dns", "192.0.2.53")

"""Containers on networks: addresses, names, and published ports."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from runtime.engine.errors import StartFailed
from runtime.engine.options import PublishedPort
from tests.support.enginehouse import PATIENCE_S
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from tests.support.enginehouse import House

pytestmark = [pytest.mark.root]

_SERVER = ("/bin/sh", "-c", "mkdir /www; echo hello >/www/x; exec httpd -f -p 80 -h /www")


def fetched(port: int) -> bytes:
    """What is at a port of this host; nothing while nobody answers."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
            connection.sendall(b"GET /x HTTP/1.0\r\n\r\n")
            answer = b""
            while piece := connection.recv(4096):
                answer += piece
            return answer
    except OSError:
        return b""


def test_a_published_port(house: House) -> None:
    server = house.start(*_SERVER, network="bridge", ports=(PublishedPort(80),))
    (port,) = server.ports
    assert (port.port, port.protocol) == (80, "tcp")
    assert eventually(lambda: fetched(port.host_port).endswith(b"hello\n"), PATIENCE_S)
    (attached,) = server.attached
    settings = house.engine.containers.inspect(server)["NetworkSettings"]
    assert settings["IPAddress"] == settings["Networks"]["bridge"]["IPAddress"] == attached.ip
    assert settings["Ports"]["80/tcp"][0] == {"HostIp": "0.0.0.0", "HostPort": str(port.host_port)}  # noqa: S104
    client = house.run("wget", "-q", "-O", "-", f"http://{attached.ip}/x", network="bridge")
    assert client.stdout == "hello\n"
    other = house.create("true", network="bridge", ports=(PublishedPort(80, port.host_port),))
    with pytest.raises(StartFailed, match="port is already allocated"):
        house.engine.containers.start(other)
    house.engine.containers.remove(server, force=True)
    house.engine.containers.start(other)  # it is free now
    house.engine.containers.remove(other, force=True)
    assert fetched(port.host_port) == b""


def test_every_exposed_port(house: House) -> None:
    server = house.start("sleep", "1000", network="bridge", publish_all=True, expose=("80", "81/udp"))
    assert sorted((port.port, port.protocol) for port in server.ports) == [(80, "tcp"), (81, "udp")]
    house.engine.containers.stop(server, timeout_s=0)
    assert house.engine.containers.find(server.id).ports == ()
    house.engine.containers.remove(server)


def test_a_network_that_is_not_there(house: House) -> None:
    container = house.create("true", network="nowhere")
    with pytest.raises(StartFailed, match="network nowhere not found"):
        house.engine.containers.start(container)
    house.engine.containers.remove(container)

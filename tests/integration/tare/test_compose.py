"""Applications of several containers, up and down."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest

from tests.support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.integration.tare.conftest import Tare

pytestmark = [pytest.mark.root, pytest.mark.slow]

# The client says what it read from the server by its name, over a network of their own.
FILE = """
services:
  client:
    image: busybox
    command: sh -c 'wget -qO- http://server:8000/page; exec sleep 1000'
    depends_on: {server: {condition: service_healthy}, once: {condition: service_completed_successfully}}
    stop_grace_period: 0s
    environment: {SAID: "${WORD:-nothing}"}
  server:
    image: busybox
    command: sh -c 'echo hello > /www/page; touch /ok; exec httpd -f -p 8000 -h /www'
    healthcheck: {test: [CMD, test, -e, /ok], interval: 200ms}
    networks: {default: {aliases: [other]}}
    volumes: ["www:/www", "./here:/here:ro"]
    stop_grace_period: 0s
  once: {image: busybox, command: "true", network_mode: none}
volumes: {www: }
"""


class Application:
    """A Compose file in a directory, and `tare compose` on it."""

    def __init__(self, tare: Tare, directory: Path) -> None:
        self.tare = tare
        self.directory = directory
        self.project = f"p{os.getpid()}{directory.name[-6:].lower().replace('_', '')}"
        (directory / "here").mkdir()
        self.write(FILE)

    def write(self, content: str) -> None:
        (self.directory / "compose.yaml").write_text(content)

    @property
    def before(self) -> tuple[str, ...]:
        return ("compose", "-f", str(self.directory / "compose.yaml"), "-p", self.project)

    def __call__(self, *words: str) -> str:
        return self.tare.says(*self.before, *words)

    def id_of(self, service: str) -> str:
        return self("ps", "-a", "-q", service)


@pytest.fixture
def application(tare: Tare, tmp_path: Path) -> Iterator[Application]:
    made = Application(tare, tmp_path)
    try:
        yield made
    finally:
        made("down", "-v")
    assert made.project not in tare.says("ps", "-a")
    assert made.project not in tare.says("network", "ls")
    assert made.project not in tare.says("volume", "ls")


def test_services_come_up_in_order_and_reach_each_other(application: Application) -> None:
    application("up", "-d")
    assert eventually(lambda: "-client-1" in application("logs", "client") and "hello" in application("logs"), 60)
    listed = application("ps", "-a", "--format", "{{.Service}} {{.State}}").splitlines()
    assert listed == ["client running", "once exited", "server running"]
    client = application.id_of("client")
    assert application.tare.says("exec", client, "cat", "/proc/1/environ").find("SAID=nothing") >= 0
    assert "200" not in application.tare.says("exec", client, "wget", "-qO-", "http://other:8000/page")


def test_what_is_as_the_file_says_is_left_alone(application: Application) -> None:
    application("up", "-d", "server")
    server = application.id_of("server")
    assert application.id_of("client") == ""
    application("up", "-d")
    assert application.id_of("server") == server
    application.write(FILE.replace("-p 8000", "-p 8000 -v"))
    application("up", "-d", "server")
    assert application.id_of("server") not in {"", server}


def test_up_in_front_shows_logs_and_stops_at_an_interrupt(application: Application) -> None:
    with application.tare.beside(*application.before, "up", "server") as process:
        assert eventually(lambda: application("ps", "-q", "server") != "", 60)
        process.send_signal(signal.SIGINT)
        process.wait(60)
    assert process.returncode == 130
    assert application("ps", "-q") == ""


def test_a_dependency_that_fails_is_told(application: Application) -> None:
    application.write(FILE.replace('command: "true"', 'command: "false"'))
    error = application.tare.fails(1, *application.before, "up", "-d")
    assert "service 'once' didn't complete successfully: exit 1" in error


def test_a_file_that_makes_no_sense_changes_nothing(application: Application) -> None:
    application.write(FILE.replace("image: busybox", "imago: busybox", 1))
    assert "services.client.imago: is not supported" in application.tare.fails(1, *application.before, "up", "-d")
    application.write("services: [")
    assert "read " in application.tare.fails(1, *application.before, "up", "-d")
    assert "no such service: nobody" in _nobody(application)


def _nobody(application: Application) -> str:
    application.write(FILE)
    return application.tare.fails(1, *application.before, "up", "-d", "nobody")

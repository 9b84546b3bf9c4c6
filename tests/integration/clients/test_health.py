"""Health checks: further processes that docker runs by itself, and podman, without systemd, when it is asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.bundle import wait_until

if TYPE_CHECKING:
    from tests.support.engine import Container, Engine

pytestmark = [pytest.mark.root, pytest.mark.engines, pytest.mark.slow]

OPTIONS = ("--health-cmd", "test -e /tmp/well", "--health-interval", "1s", "--health-retries", "1")


def health(container: Container) -> str:
    """The status after a further check."""
    if not container.engine.is_docker:
        container.engine("healthcheck", "run", container.name, code=None)
    return container.inspect("{{.State.Health.Status}}")


def test_healthy(engine: Engine) -> None:
    with engine.container("sh", "-c", "touch /tmp/well; sleep 1000", options=OPTIONS) as container:
        wait_until(lambda: health(container) == "healthy")


def test_unhealthy_and_well_again(engine: Engine) -> None:
    with engine.container(options=OPTIONS) as container:
        wait_until(lambda: health(container) == "unhealthy")
        container.shell("touch /tmp/well")
        wait_until(lambda: health(container) == "healthy")
        assert container.status == "running"

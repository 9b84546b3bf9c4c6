"""One sandbox with every engine for the session.

``OCI_RUNTIME`` names the runtime that they drive, such as ``runc``; without it, ours. The tests are named after the
operations, so that ``pytest --verbose tests/integration/clients`` is the table of operations and engines.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support import engines
from tests.support.bundle import wait_until
from tests.support.containers import require_root
from tests.support.sandbox import sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.engine import Engine, Host

# What the engines keep however many containers there are: parents of control groups, and dockerd's own network.
KEPT = {
    "docker", "libpod_parent", "libpod_parent/conmon", "default", "docker0",
    "/run/netns", "/run/tare-test/docker/netns/default",
}  # fmt: skip


@pytest.fixture(scope="package")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    require_root()
    return engines.make_image(tmp_path_factory.mktemp("image"))


@pytest.fixture(scope="package")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    require_root()
    with sandbox() as made:
        yield engines.make_host(made, tmp_path_factory.mktemp("engines"))


@pytest.fixture(scope="package")
def driver(host: Host) -> str:
    return engines.storage_driver(host.sandbox, host.directory / "probe")


@pytest.fixture(scope="package")
def ctr(host: Host, archive: Path) -> Iterator[tuple[str, ...]]:
    with engines.containerd(host) as command:
        host.call(*command, "images", "import", str(archive))
        yield command


@pytest.fixture(scope="package")
def docker(host: Host, driver: str, archive: Path, ctr: tuple[str, ...]) -> Iterator[Engine]:
    assert ctr
    with engines.docker(host, driver) as engine:
        engine("load", "--input", str(archive))
        yield from _leaving_nothing(engine)


@pytest.fixture(scope="package")
def podman(host: Host, driver: str, archive: Path) -> Iterator[Engine]:
    engine = engines.podman(host, driver)
    engine("load", "--input", str(archive))
    yield from _leaving_nothing(engine)


@pytest.fixture(scope="package")
def tare(host: Host, archive: Path) -> Iterator[Engine]:
    """Ours, which drives no runtime but its own."""
    with engines.tare(host) as engine:
        engine("load", "--input", str(archive))
        yield from _leaving_nothing(engine)


@pytest.fixture(scope="package", params=["docker", "podman", "tare"])
def engine(request: pytest.FixtureRequest) -> Engine:
    found: Engine = request.getfixturevalue(request.param)
    return found


def _leaving_nothing(engine: Engine) -> Iterator[Engine]:
    """The engine; when all its containers are removed, the sandbox must be as it was after the first one."""
    engine.run("true")
    sandbox = engine.host.sandbox
    before = sandbox.inventory(engine.host.directory)
    yield engine
    assert engine.names() == []

    def left() -> dict[str, set[str]]:
        after = sandbox.inventory(engine.host.directory)
        return {kind: new for kind in before if (new := after[kind] - before[kind] - KEPT)}

    wait_until(lambda: not left() or pytest.fail(f"{engine.name} left on the host: {left()}"))

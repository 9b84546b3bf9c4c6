"""docker with the runtime that it comes with, and `tare`: one sandbox, and the same image loaded in both."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support import engines
from tests.support.containers import require_root
from tests.support.engine import program
from tests.support.sandbox import sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.engine import Engine, Host


@pytest.fixture(scope="package")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    require_root()
    with sandbox() as made:
        yield engines.make_host(made, tmp_path_factory.mktemp("alike"))


@pytest.fixture(scope="package")
def pair(host: Host, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Engine, Engine]]:
    """docker and `tare`."""
    archive = str(engines.make_image(tmp_path_factory.mktemp("image")))
    driver = engines.storage_driver(host.sandbox, host.directory / "probe")
    with (
        engines.containerd(host),
        engines.docker(host, driver, program("runc")) as docker,
        engines.tare(host) as tare,
    ):
        for engine in (docker, tare):
            engine("load", "--input", archive)
        yield docker, tare
        for engine in (docker, tare):
            assert engine.names() == []

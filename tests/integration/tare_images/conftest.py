"""Registries, images and commands that the tests of the image verbs share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from runtime.image.builder import Directory, File, LayerRecipe, Symlink, build_image
from runtime.image.config import ImageConfig
from tests.support.fake_registry import FakeRegistry, fake_registry
from tests.support.registry import Registry, docker_registry
from tests.support.tarecli import Tare

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from runtime.image.store import Image

LAYERS = (
    LayerRecipe((Directory("bin"), File("bin/tool", b"tool" * 10_000, mode=0o4755), Symlink("t", "bin/tool")), "base"),
    LayerRecipe((Directory("srv", uid=7, gid=8), File("srv/ä.html", b"hello")), "site"),
)
CONFIG = ImageConfig(entrypoint=("/bin/tool",), env=("PATH=/bin",), user="7:8", labels={"key": "value"})


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    with docker_registry(tmp_path_factory.mktemp("registry") / "open") as running:
        yield running


@pytest.fixture
def fake() -> Iterator[FakeRegistry]:
    with fake_registry() as running:
        yield running


@pytest.fixture
def tare(tmp_path: Path) -> Tare:
    return Tare(tmp_path / "root")


@pytest.fixture
def other(tmp_path: Path) -> Tare:
    return Tare(tmp_path / "other")


@pytest.fixture
def site(tare: Tare) -> Image:
    """An image of two layers in the command's own store, called ``site:1``."""
    return build_image(tare.store, "site:1", LAYERS, CONFIG)


@pytest.fixture
def offered(fake: FakeRegistry, tare: Tare, site: Image) -> Image:
    """An image that the fake registry offers as ``a/site:1``."""
    fake.add(tare.store, site, "a/site", "1")
    return site

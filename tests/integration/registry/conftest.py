"""Registries, stores and images that the tests of transfers share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from runtime.image.builder import Directory, File, LayerRecipe, Symlink, build_image
from runtime.image.config import ImageConfig
from runtime.image.registry.client import RegistryClient
from runtime.image.store import ImageStore
from tests.support.fake_registry import FakeRegistry, fake_registry
from tests.support.registry import QUICK, Registry, docker_registry

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from runtime.image.store import Image

LAYERS = (
    LayerRecipe((Directory("bin"), File("bin/tool", b"tool" * 10_000, mode=0o4755), Symlink("t", "bin/tool")), "base"),
    LayerRecipe((Directory("srv", uid=7, gid=8), File("srv/ä.html", b"hello"), File(".wh.t", b"")), "site"),
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
def client() -> Iterator[RegistryClient]:
    with RegistryClient(QUICK) as opened:
        yield opened


@pytest.fixture
def store(tmp_path: Path) -> ImageStore:
    return ImageStore(tmp_path / "store")


@pytest.fixture
def other(tmp_path: Path) -> ImageStore:
    return ImageStore(tmp_path / "other")


def make_image(store: ImageStore, reference: str = "site:1") -> Image:
    return build_image(store, reference, LAYERS, CONFIG)


@pytest.fixture
def offered(fake: FakeRegistry, store: ImageStore) -> Image:
    """An image that the fake registry offers as ``a/site:1``."""
    image = make_image(store)
    fake.add(store, image, "a/site", "1")
    return image

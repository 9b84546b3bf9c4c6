"""One image for all tests of containers, and one launcher a module."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.containers import Ground, base_layer, make_ground, require_root, unpack

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="session")
def busybox_layers(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ...]:
    require_root()
    return unpack(tmp_path_factory.mktemp("busybox"), base_layer())


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory, busybox_layers: tuple[Path, ...]) -> Iterator[Ground]:
    with make_ground(tmp_path_factory.mktemp("ground"), busybox_layers) as made:
        yield made
        assert made.leftovers() == [], "a test of this module left containers behind"

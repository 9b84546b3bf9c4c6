"""One engine a module: what is expensive is its supervisor, and the image."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.enginehouse import House, engine_house

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with engine_house(tmp_path_factory.mktemp("engine")) as made:
        yield made

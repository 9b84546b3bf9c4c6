"""One engine a module: what it costs is its image."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.containers import require_root
from tests.support.engine_root import make_engine

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runtime.engine.engine import Engine


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    require_root()
    with make_engine(tmp_path_factory.mktemp("engine")) as made:
        yield made

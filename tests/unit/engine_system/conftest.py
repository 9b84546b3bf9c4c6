"""An engine of the test's own, in which nothing runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from runtime.engine.engine import Engine

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    with Engine(str(tmp_path / "root")) as made:
        yield made

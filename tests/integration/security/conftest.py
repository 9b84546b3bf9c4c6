"""A bundle, a directory of the host, and the attackers' programs."""

from __future__ import annotations

import shutil
from functools import cache
from typing import TYPE_CHECKING

import pytest

from tests.support.attack import compile_program
from tests.support.bundle import bundle
from tests.support.containers import require_root

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.support.bundle import Bundle


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Bundle]:
    """A bundle whose containers are gone afterwards."""
    require_root()
    with bundle(tmp_path) as made:
        yield made


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A directory of the host that no container may reach."""
    directory = tmp_path / "outside"
    directory.mkdir()
    (directory / "secret").write_text("kept\n")
    return directory


@pytest.fixture(scope="session")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The compiled program of a name."""
    directory = tmp_path_factory.mktemp("programs")
    return cache(lambda name: compile_program(name, directory))


@pytest.fixture
def install(box: Bundle, programs: Callable[[str], Path]) -> Callable[[str], str]:
    """Put a program into the image; returns the path of it there."""

    def put(name: str) -> str:
        shutil.copy(programs(name), box.rootfs / name)
        return f"/{name}"

    return put

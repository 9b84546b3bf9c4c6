"""The drivers that the contract is held against."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.kinds import prepared

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.kinds import Kind

_KINDS = [
    "fake",
    pytest.param("process", marks=pytest.mark.root),
    pytest.param("container", marks=pytest.mark.root),
    pytest.param("vm", marks=[pytest.mark.root, pytest.mark.vm]),
]


@pytest.fixture(scope="module", params=_KINDS)
def kind(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kind]:
    """One prepared driver for the whole suite: preparing is shared by design."""
    with prepared(request.param, tmp_path_factory.mktemp("data")) as made:
        yield made

"""Black-box tests of an OCI runtime's command line; ``OCI_RUNTIME`` names another runtime than ours, such as ``runc``.

Where another runtime differs from the specification is data (``deviations.toml``), and asserted: a test that is listed
there must fail. Ours has no such list.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.bundle import MARK, Bundle, bundle, runtime_path

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).parent


def known_deviations(runtime: str) -> dict[str, str]:
    """Why, by test: of this folder, a function for all its parameters or a single case."""
    table = tomllib.loads((HERE / "deviations.toml").read_text()).get(runtime, {})
    return {f"{file}::{test}": str(why) for file, tests in table.items() for test, why in tests.items()}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    ours = [item for item in items if item.path.parent == HERE]
    known = known_deviations(os.environ.get("OCI_RUNTIME", ""))
    for item in ours:
        item.add_marker(pytest.mark.root)
        test = f"{item.path.name}::{item.name}"
        why = known.get(test, known.get(test.partition("[")[0]))
        if why is not None:
            item.add_marker(pytest.mark.xfail(reason=why, strict=True))


@pytest.fixture
def ground() -> Iterator[Path]:
    """A directory of the test's own, which every user may pass through: pytest's are for root alone."""
    directory = Path(tempfile.mkdtemp(prefix=MARK))
    directory.chmod(0o711)
    yield directory
    shutil.rmtree(directory)


@pytest.fixture
def box(ground: Path) -> Iterator[Bundle]:
    """A bundle; afterwards nothing of its containers is on the host, or the test fails."""
    assert runtime_path()
    with bundle(ground) as made:
        yield made

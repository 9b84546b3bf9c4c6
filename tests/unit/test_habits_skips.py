"""Under CI a test that could have run may not skip."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

PROVED = """
    import pytest
    @pytest.mark.needs("moonlight")
    def test_moon(): raise AssertionError
"""
UNPROVED = """
    import pytest
    def test_lazy(): pytest.skip("cannot run here: says who?")
"""
WHOLE_MODULE = """
    import pytest
    pytest.skip("not today", allow_module_level=True)
"""


def outcome(repository: Path, directory: Path, body: str, ci: str) -> str:
    """The last line of pytest's summary on one test module, run under the project's own conftest."""
    conftest = (repository / "tests/conftest.py").read_text()
    (directory / "conftest.py").write_text(conftest + '\nCAPABILITIES["moonlight"] = lambda: False\n')
    lines = [line.removeprefix("    ") for line in body.splitlines()]
    (directory / "test_it.py").write_text("\n".join(lines))
    (directory / "pytest.ini").write_text("[pytest]\nmarkers = needs(x): y\n")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_it.py"]
    environment = {**os.environ, "CI": ci}
    done = subprocess.run(command, cwd=directory, env=environment, capture_output=True, text=True, check=False)
    return done.stdout.splitlines()[-1]


EXPECTED = [(PROVED, "1 skipped"), (UNPROVED, "1 failed"), (WHOLE_MODULE, "1 error")]


@pytest.mark.parametrize(("body", "expected"), EXPECTED)
def test_a_skip_under_ci_needs_proof(repository: Path, tmp_path: Path, body: str, expected: str) -> None:
    assert outcome(repository, tmp_path, body, "true").startswith(expected)


@pytest.mark.parametrize("body", [PROVED, UNPROVED, WHOLE_MODULE])
def test_elsewhere_a_test_may_skip(repository: Path, tmp_path: Path, body: str) -> None:
    assert outcome(repository, tmp_path, body, "").startswith("1 skipped")

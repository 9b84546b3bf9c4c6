"""The linters, run as tests: there is one test command and it knows everything."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest


def output_of(repository: Path, *argv: str) -> str:
    """What a tool of this environment says of the repository; the empty string if it found nothing wrong."""
    program = Path(sys.executable).parent / argv[0]
    command = [str(program), *argv[1:]]
    done = subprocess.run(command, cwd=repository, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr if done.returncode else ""


def test_ruff(repository: Path) -> None:
    assert output_of(repository, "ruff", "check", "--output-format=concise", ".") == ""


@pytest.mark.slow
def test_mypy(repository: Path) -> None:
    assert output_of(repository, "mypy", "--no-error-summary") == ""


def test_import_contracts(repository: Path) -> None:
    assert output_of(repository, "lint-imports", "--no-logo") == ""

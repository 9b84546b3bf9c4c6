"""`tare` answers at once: what is heavy or slow is imported by what needs it."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.conftest import ROOT

if TYPE_CHECKING:
    from pathlib import Path

HEAVY = {
    "asyncio", "click", "email", "http", "importlib.metadata", "jinja2", "logging", "msgspec", "pyroute2", "rich",
    "shutil", "ssl", "subprocess", "tarfile", "tempfile", "urllib3", "yaml", "zstandard",
}  # fmt: skip
# What of the standard library costs a short command more than it can afford.
SLOW = {"argparse", "ast", "dataclasses", "enum", "inspect", "json", "pathlib", "re", "socket", "typing"}


def imported_by(root: Path, *words: str) -> set[str]:
    command = [sys.executable, "-I", "-S", "-X", "importtime", str(ROOT / "runtime/tare/tare"), "--root", str(root)]
    done = subprocess.run([*command, *words], capture_output=True, text=True, check=True)
    return set(re.findall(r"^import time:.*\| +(\S+)$", done.stderr, re.MULTILINE))


@pytest.mark.parametrize("words", [["--help"], ["ps"], ["ps", "-aq"], ["run", "--help"], ["exec", "--help"]])
def test_short_commands_load_nothing_slow(tmp_path: Path, words: list[str]) -> None:
    imported_by(tmp_path, *words)  # the first may make the file of modules
    loaded = imported_by(tmp_path, *words)
    assert "runtime.tare.main" in loaded
    assert loaded & (HEAVY | SLOW) == set()


def test_help_loads_no_verb_and_no_engine(tmp_path: Path) -> None:
    imported_by(tmp_path, "--help")
    loaded = imported_by(tmp_path, "--help")
    assert {name for name in loaded if name.startswith(("runtime.engine", "runtime.tare.containers"))} == set()

"""The locks: every package by version and hash, from nowhere in particular, and in agreement with each other."""

from __future__ import annotations

import re
import tomllib
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

LOCKS = ("requirements.lock", "ansible/requirements.lock")


def entries(lock: Path) -> dict[str, str]:
    """Of each requirement in a lock, by name and version, the text that follows."""
    logical = lock.read_text().replace("\\\n", " ").splitlines()
    return dict(line.split(" ", 1) for line in logical)


@pytest.mark.parametrize("name", LOCKS)
def test_every_line_is_a_version_with_hashes(repository: Path, name: str) -> None:
    locked = entries(repository / name)
    assert locked
    for requirement, rest in locked.items():
        assert re.fullmatch(r"[a-z0-9-]+==[\w.+!]+", requirement), requirement
        assert re.fullmatch(r"(\s*--hash=sha256:[0-9a-f]{64})+\s*", rest), requirement


def test_the_locks_agree(repository: Path) -> None:
    small, whole = (entries(repository / name) for name in reversed(LOCKS))
    assert {name: whole.get(name) for name in small} == small


def test_what_the_project_asks_for_is_locked(repository: Path) -> None:
    project = tomllib.loads((repository / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    asked = [*project["dependencies"], *(name for extra in extras.values() for name in extra)]
    locked = {requirement.split("==")[0] for requirement in entries(repository / "requirements.lock")}
    assert {re.split(r"[<>=~! ]", requirement)[0] for requirement in asked} <= locked

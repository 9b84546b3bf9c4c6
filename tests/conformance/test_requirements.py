"""The table of what the specification demands: every sentence has its tests, and all of these exist."""

from __future__ import annotations

import ast
import tomllib
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest

from tests.conformance.conftest import HERE
from tests.conftest import ROOT

if TYPE_CHECKING:
    from pathlib import Path

TABLE: list[dict[str, Any]] = tomllib.loads((HERE / "requirements.toml").read_text())["requirement"]
NOBODY_HERE = {"other platform", "bundle author", "the specification", "reader of the features"}


@cache
def names_in(path: Path) -> frozenset[str]:
    nodes = ast.walk(ast.parse(path.read_text()))
    return frozenset(node.name for node in nodes if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"))


def exists(test: str) -> bool:
    file, _, name = test.partition("::")
    path = ROOT / file if "/" in file else HERE / file
    return path.is_file() and name in names_in(path)


def test_every_requirement_is_somebodys() -> None:
    open_ones = [entry["id"] for entry in TABLE if ("of" in entry) == bool(entry.get("tests"))]
    assert open_ones == [], "neither proved by a test nor somebody else's"
    assert {entry["of"] for entry in TABLE if "of" in entry} <= NOBODY_HERE


def test_every_test_of_a_requirement_exists() -> None:
    missing = {entry["id"]: test for entry in TABLE for test in entry.get("tests", ()) if not exists(test)}
    assert missing == {}


def test_every_requirement_says_where_it_is_and_is_there_once() -> None:
    assert all(entry["in"].split(", ")[0].endswith(".md") and entry["says"].endswith(".") for entry in TABLE)
    assert len({entry["id"] for entry in TABLE}) == len(TABLE)
    assert len(TABLE) > 250


@pytest.mark.parametrize("runtime", tomllib.loads((HERE / "deviations.toml").read_text()))
def test_every_deviation_is_of_a_test_that_exists(runtime: str) -> None:
    table = tomllib.loads((HERE / "deviations.toml").read_text())[runtime]
    known = [f"{file}::{test}".partition("[")[0] for file, tests in table.items() for test in tests]
    assert [test for test in known if not exists(test)] == []

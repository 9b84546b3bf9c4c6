"""What a program and a person read of one fixed run, held against the texts beside this file.

After a change that is meant: ``TARE_WRITE_GOLDEN=1 pytest tests/golden``, and read the difference before committing it.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from bench.analysis.document import summary_document
from bench.analysis.headline import headline_text
from bench.analysis.summary import Summary, summarise
from bench.loading import load_run
from tests.support.synthetic import Scenario, write_run

HERE = Path(__file__).parent
MAIN = Scenario()
BROKEN = Scenario(
    counts={"container": 24, "vm": 3},
    timeouts={"vm": 2},
    status="interrupted",
    reason="interrupted by the user",
    clean=False,
)


def rounded(value: Any) -> Any:
    """Six significant digits: the last bits differ between processors."""
    if isinstance(value, dict):
        return {key: rounded(one) for key, one in value.items()}
    if isinstance(value, list):
        return [rounded(one) for one in value]
    return float(f"{value:.6g}") if isinstance(value, float) else value


def compare(name: str, text: str) -> None:
    path = HERE / name
    if os.environ.get("TARE_WRITE_GOLDEN"):
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")


def summary_of(tmp_path: Path, scenario: Scenario) -> Summary:
    return summarise(load_run(write_run(tmp_path / "run", scenario)))


@pytest.mark.parametrize(("name", "scenario"), [("main", MAIN), ("broken", BROKEN)])
def test_the_headline(tmp_path: Path, name: str, scenario: Scenario) -> None:
    compare(f"headline-{name}.txt", headline_text(summary_of(tmp_path, scenario)) + "\n")


@pytest.mark.parametrize(("name", "scenario"), [("main", MAIN), ("broken", BROKEN)])
def test_the_document(tmp_path: Path, name: str, scenario: Scenario) -> None:
    document = summary_document(summary_of(tmp_path, scenario))
    document["run_dir"] = "RUN"
    compare(f"document-{name}.json", json.dumps(rounded(document), indent=1) + "\n")

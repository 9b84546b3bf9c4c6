"""Run directories as they are found: whole, broken off, and wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bench.loading import load_run
from bench.results import SAMPLE_COLUMNS, ResultsError
from tests.support.synthetic import Scenario, write_run

if TYPE_CHECKING:
    from pathlib import Path

SMALL = Scenario(counts={"container": 3})


def test_what_was_written_is_read(tmp_path: Path) -> None:
    run = load_run(write_run(tmp_path / "run", SMALL))
    assert tuple(run.samples.columns) == SAMPLE_COLUMNS
    assert run.manifest.workload.image == "website:1"
    assert set(run.samples["outcome"]) == {"ok"}
    assert str(run.samples["value"].dtype) == "float64"


def test_half_a_line_at_the_end_is_no_sample(tmp_path: Path) -> None:
    run_dir = write_run(tmp_path / "run", SMALL)
    whole = len(load_run(run_dir).samples)
    with (run_dir / "samples.csv").open("a") as file:
        file.write("123,0,container,1,c-1,la")
    assert len(load_run(run_dir).samples) == whole


def test_a_run_that_has_only_begun_has_no_samples(tmp_path: Path) -> None:
    run = load_run(write_run(tmp_path / "run", Scenario(counts={}, status="running")))
    assert run.samples.empty
    assert run.manifest.status == "running"


def test_text_that_looks_like_a_missing_value_stays_text(tmp_path: Path) -> None:
    run_dir = write_run(tmp_path / "run", SMALL)
    with (run_dir / "samples.csv").open("a") as file:
        file.write("1,0,container,1,nan,launch,ms,2.5,ok\n")
    assert load_run(run_dir).samples["instance"].iloc[-1] == "nan"


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("samples.csv", "a,b\n1,2\n", "no column taken_at_ns"),
        ("samples.csv", "", "samples.csv"),
        ("samples.csv", ",".join(SAMPLE_COLUMNS) + "\n1,x,container,1,c,launch,ms,2,ok\n", "samples.csv"),
        ("manifest.json", "{}", "manifest.json"),
    ],
)
def test_what_cannot_be_read_is_named(tmp_path: Path, file: str, content: str, message: str) -> None:
    run_dir = write_run(tmp_path / "run", SMALL)
    (run_dir / file).write_text(content)
    with pytest.raises(ResultsError, match=message):
        load_run(run_dir)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    run_dir = write_run(tmp_path / "run", SMALL)
    (run_dir / "samples.csv").unlink()
    with pytest.raises(ResultsError, match=r"samples\.csv: No such file"):
        load_run(run_dir)


def test_a_schema_from_the_future_is_refused(tmp_path: Path) -> None:
    run_dir = write_run(tmp_path / "run", SMALL)
    manifest = run_dir / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"schema_version": 1', '"schema_version": 99'))
    with pytest.raises(ResultsError, match="schema version 99 is newer"):
        load_run(run_dir)

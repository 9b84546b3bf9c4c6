"""The run directory as it is written: complete up to the last sample, whatever ends the writer."""

from __future__ import annotations

import dataclasses
import json
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from bench.results import (
    SAMPLE_COLUMNS,
    ResultsError,
    RunWriter,
    Sample,
    read_manifest,
)
from tests.support.command import small_disk
from tests.support.manifests import manifest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def sample(value: float, instance: str = "tare-container-0-0") -> Sample:
    return Sample(1, 0, "container", 0, instance, "launch", "ms", value)


@pytest.fixture
def tiny(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path / "tiny", "64k") as directory:
        yield directory


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    with RunWriter(tmp_path / "run", manifest()) as writer:
        writer.update(status="complete", elapsed_s=1.5)
    assert read_manifest(tmp_path / "run") == dataclasses.replace(manifest(), status="complete", elapsed_s=1.5)


def test_samples_are_rows_under_the_documented_columns(tmp_path: Path) -> None:
    with RunWriter(tmp_path / "run", manifest()) as writer:
        writer.samples(sample(1.25), sample(2.0, 'a "name", quoted'))
    header, first, second = (tmp_path / "run/samples.csv").read_text().splitlines()
    assert header == ",".join(SAMPLE_COLUMNS)
    assert first == "1,0,container,0,tare-container-0-0,launch,ms,1.25,ok"
    assert '"a ""name"", quoted"' in second


def test_samples_are_on_disk_before_the_writer_is_closed(tmp_path: Path) -> None:
    with RunWriter(tmp_path / "run", manifest()) as writer:
        writer.samples(sample(1.0))
        writer.event("prepare", driver="container")
        assert (tmp_path / "run/samples.csv").read_text().count("\n") == 2
        assert json.loads((tmp_path / "run/events.jsonl").read_text())["driver"] == "container"


def test_a_directory_that_is_there_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run/mine").write_text("precious")
    with pytest.raises(ResultsError, match=f"{tmp_path}/run: File exists"):
        RunWriter(tmp_path / "run", manifest())
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["mine"]


def test_a_killed_writer_leaves_a_readable_manifest_and_whole_samples(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from bench.results import *; import msgspec\n"
        "writer = RunWriter(Path(sys.argv[1]), msgspec.json.decode(sys.stdin.buffer.read(), type=Manifest))\n"
        "number = 0\n"
        "while True:\n"
        "    writer.samples(*(Sample(number, 0, 'container', 0, 'x', 'launch', 'ms', number) for _ in range(3)))\n"
        "    writer.update(elapsed_s=float(number))\n"
        "    number += 1\n"
        "    if number == 50: print('under way', flush=True)\n"
    )
    run_dir = tmp_path / "run"
    child = subprocess.Popen([sys.executable, "-c", program, run_dir], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert child.stdin is not None
    assert child.stdout is not None
    child.stdin.write(json.dumps(dataclasses.asdict(manifest())).encode())
    child.stdin.close()
    assert child.stdout.readline() == b"under way\n"
    child.send_signal(signal.SIGKILL)
    child.wait()
    child.stdout.close()
    assert read_manifest(run_dir).status == "running"
    lines = (run_dir / "samples.csv").read_text().splitlines()
    assert all(line.count(",") == len(SAMPLE_COLUMNS) - 1 for line in lines)
    assert len(lines) % 3 == 1
    assert len(lines) > 150


@pytest.mark.parametrize(
    ("content", "place"),
    [
        ("", "manifest.json"),
        ("{", "manifest.json"),
        ("[]", "manifest.json"),
        ('{"schema_version": "one"}', r"\$\.schema_version"),
    ],
)
def test_an_unreadable_manifest_names_the_file_and_the_place(tmp_path: Path, content: str, place: str) -> None:
    (tmp_path / "manifest.json").write_text(content)
    with pytest.raises(ResultsError, match=place) as caught:
        read_manifest(tmp_path)
    assert str(tmp_path / "manifest.json") in str(caught.value)


def test_a_missing_manifest_names_the_file(tmp_path: Path) -> None:
    with pytest.raises(ResultsError, match=r"manifest\.json: No such file"):
        read_manifest(tmp_path)


@pytest.mark.root
def test_a_disk_that_is_full_at_once_leaves_no_run_directory(tiny: Path) -> None:
    (tiny / "ballast").write_bytes(b"x" * (64 << 10))
    with pytest.raises(ResultsError, match="No space left on device") as caught:
        RunWriter(tiny / "run", manifest())
    assert str(tiny / "run") in str(caught.value)
    assert not (tiny / "run").exists()


def fill(writer: RunWriter, batch: tuple[Sample, ...]) -> None:
    for _ in range(1000):
        writer.samples(*batch)


@pytest.mark.root
def test_a_disk_that_fills_keeps_only_whole_samples(tiny: Path) -> None:
    batch = tuple(sample(float(number)) for number in range(100))
    with RunWriter(tiny / "run", manifest()) as writer:
        with pytest.raises(ResultsError, match=r"samples\.csv: No space left on device"):
            fill(writer, batch)
        with pytest.raises(ResultsError, match=r"manifest\.json: No space left on device"):
            writer.update(status="failed", reason="x" * (64 << 10))
        with pytest.raises(ResultsError, match=r"logs/one\.log: No space left on device"):
            writer.log("one", b"x" * (64 << 10))
    lines = (tiny / "run/samples.csv").read_text().splitlines()
    assert len(lines) % 100 == 1
    assert read_manifest(tiny / "run").status == "running"
    assert not (tiny / "run/manifest.json.new").exists()


def test_a_closed_writer_may_be_closed_again(tmp_path: Path) -> None:
    writer = RunWriter(tmp_path / "run", manifest())
    writer.close()
    writer.close()


def test_logs_of_failed_instances_are_kept_as_they_are(tmp_path: Path) -> None:
    with RunWriter(tmp_path / "run", manifest()) as writer:
        writer.log("tare-vm-0-1", b"\xff kernel panic\n")
    assert (tmp_path / "run/logs/tare-vm-0-1.log").read_bytes() == b"\xff kernel panic\n"
    assert [log.name for log in (tmp_path / "run/logs").iterdir()] == ["tare-vm-0-1.log"]

"""The run directory: complete without us, written as the run goes, readable on any machine without root.

::

    RUN/manifest.json    what was run, on what, and how it ended            (rewritten atomically)
    RUN/samples.csv      one row a sample, tidy: `SAMPLE_COLUMNS`           (appended before the next trial starts)
    RUN/events.jsonl     what happened when: {at_ns, event, …}              (appended)
    RUN/logs/NAME.log    output of each instance that failed
    RUN/report.html      made from the above, and from nothing else

All ``…_ns`` are nanoseconds of the host's CLOCK_MONOTONIC. An ``outcome`` other than ``ok`` is a censored sample: the
value is how long was waited, not how long it took.
"""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import time
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Self

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from types import TracebackType

    from bench.workload import Requirement

SCHEMA_VERSION = 1
SAMPLE_COLUMNS = ("taken_at_ns", "block", "driver", "running", "instance", "metric", "unit", "value", "outcome")


class ResultsError(Exception):
    """A run directory cannot be read or written; the message names the file."""


@dataclass(frozen=True, slots=True)
class TreatmentPlan:
    """One driver's part of the experiment: ``steps`` are the N at which memory is read, 0 first, ``count`` last."""

    driver: str
    count: int
    steps: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """What is done in which order: ``order[block]`` lists the drivers as they run in that block."""

    experiment: str
    blocks: int
    seed: int
    treatments: tuple[TreatmentPlan, ...]
    order: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class WorkloadFacts:
    """What every instance was, equal for all treatments."""

    image: str
    image_digest: str
    memory_bytes: int
    cpus: float
    pids_limit: int
    port: int
    path: str


@dataclass(frozen=True, slots=True)
class AcceleratorFacts:
    """How virtual machines were run, why, and how long it took to find out."""

    name: str
    reason: str
    probe_s: float
    cached: bool


@dataclass(frozen=True, slots=True)
class HostFacts:
    """The machine that was measured on, as far as it bears on the figures; ``None`` where it could not be read."""

    os: str
    kernel: str
    architecture: str
    cpu_model: str
    cpus: int
    memory_bytes: int
    swap_bytes: int
    cgroup_version: str
    virtualization: str | None
    mitigations: dict[str, str]
    ksm: str | None
    thp: str | None
    versions: dict[str, str]


@dataclass(frozen=True, slots=True)
class Limit:
    """One line of the preflight: demand is ``fixed + per_instance * count`` in ``unit``."""

    driver: str
    resource: str
    unit: str
    fixed: float
    per_instance: float
    available: float
    raise_hint: str

    @classmethod
    def of(cls, driver: str, requirement: Requirement) -> Self:
        """The same figures, under the driver's name."""
        return cls(driver, requirement.resource, requirement.unit, requirement.fixed, requirement.per_instance,
                   requirement.available, requirement.raise_hint)


@dataclass(frozen=True, slots=True)
class Absent:
    """What could not be measured on this host: whose, what part of it (``all``, or ``net``), and why."""

    name: str
    what: str
    reason: str


@dataclass(frozen=True, slots=True)
class CertificateFacts:
    """The host's inventory after, less before: ``left`` is ours and fails the run, ``foreign`` is others' doing."""

    clean: bool
    left: tuple[str, ...]
    foreign: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Manifest:
    """Everything that a reader must know to judge the samples. ``status``: running, complete, interrupted, failed."""

    schema_version: int
    run_id: str
    tool_version: str
    command: tuple[str, ...]
    started_at: str
    status: str
    plan: Plan
    workload: WorkloadFacts
    host: HostFacts
    limits: tuple[Limit, ...] = ()
    accelerator: AcceleratorFacts | None = None
    finished_at: str | None = None
    elapsed_s: float | None = None
    reason: str | None = None
    certificate: CertificateFacts | None = None
    absent: tuple[Absent, ...] = ()


@dataclass(frozen=True, slots=True)
class Sample:
    """One measured value; ``running`` is how many instances of the treatment were running when it was taken."""

    taken_at_ns: int
    block: int
    driver: str
    running: int
    instance: str
    metric: str
    unit: str
    value: float
    outcome: str = "ok"


def read_manifest(run_dir: Path) -> Manifest:
    """The manifest of a run directory; raises `ResultsError` naming the file and the place in it."""
    path = run_dir / "manifest.json"
    try:
        return msgspec.json.decode(path.read_bytes(), type=Manifest)
    except OSError as error:
        raise ResultsError(f"read {path}: {error.strerror}") from error
    except msgspec.DecodeError as error:
        raise ResultsError(f"read {path}: {error}") from error


class RunWriter:
    """Writes one run directory; every method leaves the files complete up to that moment."""

    def __init__(self, run_dir: Path, manifest: Manifest) -> None:
        self.run_dir = run_dir
        self.manifest = manifest
        with ExitStack() as undo:
            with _naming(f"run directory {run_dir}"):
                run_dir.mkdir(parents=True)
            undo.callback(shutil.rmtree, run_dir, ignore_errors=True)
            self._samples = undo.enter_context(_open_to_append(run_dir / "samples.csv"))
            self._events = undo.enter_context(_open_to_append(run_dir / "events.jsonl"))
            self._append(self._samples, ",".join(SAMPLE_COLUMNS) + "\n")
            self._write_manifest()
            undo.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the files. Idempotent."""
        self._samples.close()
        self._events.close()

    def samples(self, *samples: Sample) -> None:
        """Append samples, all or none of them, and hand them to the kernel."""
        text = io.StringIO(newline="")
        csv.writer(text, lineterminator="\n").writerows(
            [getattr(sample, column) for column in SAMPLE_COLUMNS] for sample in samples
        )
        self._append(self._samples, text.getvalue())

    def event(self, event: str, **fields: Any) -> None:
        """Append one event with the time at which it was reported."""
        self._append(self._events, json.dumps({"at_ns": time.monotonic_ns(), "event": event, **fields}) + "\n")

    def log(self, instance: str, content: bytes) -> None:
        """Keep what an instance that failed has written."""
        path = self.run_dir / "logs" / f"{instance}.log"
        with _naming(path):
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(content)

    def update(self, **changes: Any) -> None:
        """Replace fields of the manifest and rewrite it."""
        self.manifest = replace(self.manifest, **changes)
        self._write_manifest()

    @staticmethod
    def _append(file: io.FileIO, text: str) -> None:
        """Unbuffered, so that nothing is left to be written at the end; what did not fit as a whole is taken back."""
        content = memoryview(text.encode())
        before = os.fstat(file.fileno()).st_size
        with _naming(file.name), ExitStack() as undo:
            undo.callback(file.truncate, before)
            while content:
                content = content[file.write(content) :]
            undo.pop_all()

    def _write_manifest(self) -> None:
        path = self.run_dir / "manifest.json"
        temporary = path.with_suffix(".json.new")
        with _naming(path), ExitStack() as undo:
            undo.callback(temporary.unlink, missing_ok=True)
            with temporary.open("w", encoding="utf-8") as file:
                json.dump(asdict(self.manifest), file, indent=1)
                file.flush()
                os.fsync(file.fileno())
            temporary.rename(path)
            undo.pop_all()


def _open_to_append(path: Path) -> io.FileIO:
    with _naming(path):
        return path.open("ab", buffering=0)


@contextmanager
def _naming(path: object) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ResultsError(f"write {path}: {error.strerror}") from error

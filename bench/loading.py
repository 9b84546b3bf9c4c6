"""A run directory read back: the manifest, and the samples as a table.

Errors are `bench.results.ResultsError`; the message names the file.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.results import SAMPLE_COLUMNS, SCHEMA_VERSION, ResultsError, read_manifest

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from bench.results import Manifest

_TEXT_COLUMNS = ("driver", "instance", "metric", "unit", "outcome")
_WHOLE_COLUMNS = ("taken_at_ns", "block", "running")


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """One run as it was recorded; ``samples`` has the columns `bench.results.SAMPLE_COLUMNS`."""

    run_dir: Path
    manifest: Manifest
    samples: pd.DataFrame


def load_run(run_dir: Path) -> Run:
    """Read a run directory, finished or not; raises `ResultsError` naming the file that cannot be read."""
    manifest = read_manifest(run_dir)
    if manifest.schema_version > SCHEMA_VERSION:
        newer = f"schema version {manifest.schema_version} is newer than {SCHEMA_VERSION}"
        raise ResultsError(f"read {run_dir / 'manifest.json'}: {newer}")
    return Run(run_dir, manifest, _read_samples(run_dir / "samples.csv"))


def _read_samples(path: Path) -> pd.DataFrame:
    import pandas as pd

    try:
        # A run that was killed, or a disk that filled, may have left half a line: it is no sample.
        text = path.read_text(encoding="utf-8").rpartition("\n")[0]
        table = pd.read_csv(io.StringIO(text), dtype=dict.fromkeys(_TEXT_COLUMNS, "str"), keep_default_na=False)
    except OSError as error:
        raise ResultsError(f"read {path}: {error.strerror}") from error
    except (ValueError, pd.errors.ParserError) as error:
        raise ResultsError(f"read {path}: {str(error).strip()}") from error
    _check_columns(path, table)
    return _typed(path, table)


def _check_columns(path: Path, table: pd.DataFrame) -> None:
    missing = [column for column in SAMPLE_COLUMNS if column not in table.columns]
    if missing:
        raise ResultsError(f"read {path}: no column {missing[0]}")


def _typed(path: Path, table: pd.DataFrame) -> pd.DataFrame:
    types = {**dict.fromkeys(_WHOLE_COLUMNS, "int64"), "value": "float64"}
    try:
        return table.astype(types)
    except (ValueError, TypeError) as error:
        raise ResultsError(f"read {path}: {error}") from error

"""What is concluded from the times of engines."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from bench.analysis.engines import engines_document, engines_summary, verdict
from bench.analysis.estimate import Estimate
from bench.engines.operation import Key
from bench.experiments.engines import plan_engines
from bench.loading import Run
from bench.results import SAMPLE_COLUMNS, Absent
from tests.support.synthetic import Scenario, manifest

TIMES = {
    "tare pull": [100.0, 101, 102, 103, 99],
    "skopeo pull": [200.0, 201, 202, 199, 198],
    "tare run": [100.0, 90, 110, 105, 95],
    "docker run": [250.0, 260, 240, 255, 245],
    "tare ps": [50.0, 51, 52, 53, 49, 51, 51],
}


def a_run(times: dict[str, list[float]], failed: tuple[str, ...] = ()) -> Run:
    keys = [Key.parse(name) for name in times]
    rows: list[tuple[Any, ...]] = [
        (block, block, name, 1, "", "operation", "ms", value, "failed" if name in failed else "ok")
        for name, values in times.items()
        for block, value in enumerate(values)
    ]
    absent = (Absent("podman", "all", "not installed"),)
    described = replace(manifest(Scenario()), plan=plan_engines(keys, 5, 1), absent=absent)
    return Run(Path("run"), described, pd.DataFrame(rows, columns=list(SAMPLE_COLUMNS)))


def test_targets_are_compared_with_what_was_found() -> None:
    summary = engines_summary(a_run(TIMES))
    found = {one.operation.name: (one.verdict, one.found and round(one.found.value, 1)) for one in summary.reached}
    assert found == {"pull": ("yes", 2.0), "run": ("no", 2.5), "ps": ("yes", 51.0)}
    assert [one.key.engine for one in summary.of("run")] == ["tare", "docker"]


def test_what_failed_is_counted_and_gives_no_time() -> None:
    document = engines_document(engines_summary(a_run(TIMES, failed=("docker run",))))
    docker = next(one for one in document["measured"] if (one["engine"], one["operation"]) == ("docker", "run"))
    assert (docker["failed"], docker["median_ms"], docker["times_ours"]) == (5, None, None)
    target = next(one for one in document["targets"] if one["operation"] == "run")
    assert (target["target"], target["found"], target["reached"]) == ("3 x docker", None, "not measured")
    assert document["absent"] == [{"name": "podman", "reason": "not installed"}]


def estimate(value: float, low: float | None, high: float | None) -> Estimate:
    return Estimate(value, low, high, 5, "times", "instances")


@pytest.mark.parametrize(
    ("found", "below", "expected"),
    [
        (estimate(4, 3, 5), False, "yes"),
        (estimate(4, 2.9, 5), False, "unclear"),
        (estimate(2, 1, 2.9), False, "no"),
        (estimate(4, None, None), False, "unclear"),
        (estimate(2, 1, 3), True, "yes"),
        (estimate(2, 1, 4), True, "unclear"),
        (estimate(5, 4, 6), True, "no"),
        (None, True, "not measured"),
    ],
)
def test_a_verdict_needs_all_of_the_interval(found: Estimate | None, below: bool, expected: str) -> None:
    assert verdict(found, 3, below=below) == expected

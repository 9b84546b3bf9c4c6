"""Run directories of a calibration whose true times and memory are known, written through the real `RunWriter`."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import TYPE_CHECKING

from bench.calibration.treatment import Key
from bench.metrics import METRICS
from bench.results import Absent, CertificateFacts, Plan, RunWriter, Sample, TreatmentPlan
from tests.support.manifests import manifest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

KIB = 1024
GIB = 1 << 30
# ms for each container, KiB of memory, ms of teardown
TRUTHS = {
    Key("floor", True, 1): (2.0, 300, 1.0),
    Key("tare", True, 1): (2.5, 400, 1.2),
    Key("tare-pool", True, 1): (1.0, 500, 1.2),
    Key("tare", True, 2): (4.0, 400, 1.2),
    Key("runc", False, 1): (50.0, 1000, 10.0),
}
ABSENT = (Absent("docker", "all", "dockerd is not installed"), Absent("runc", "net", "its caller connects it"))


def write_calibration(run_dir: Path, *, count: int = 50, rounds: int = 4, failed: int = 0) -> Path:
    """Write it; ``failed`` of runc's launches in each round failed."""
    plans = tuple(TreatmentPlan(str(key), count, (0, count // 2, count)) for key in TRUTHS)
    order = tuple(tuple(map(str, TRUTHS)) for _ in range(rounds))
    facts = replace(
        manifest(),
        command=("bench", "calibrate"),
        plan=Plan("calibrate", rounds, 7, plans, order),
        certificate=CertificateFacts(clean=True, left=(), foreign=()),
    )
    rng = random.Random(7)  # noqa: S311 - made-up measurements
    with RunWriter(run_dir, facts) as writer:
        for block in range(rounds):
            for key in TRUTHS:
                writer.samples(*_trial(rng, key, block, count, failed if key.name == "runc" else 0))
        writer.update(status="complete", absent=ABSENT, elapsed_s=60.0)
    return run_dir


def _trial(rng: random.Random, key: Key, block: int, count: int, failed: int) -> Iterator[Sample]:
    each, memory, teardown = TRUTHS[key]
    times = [each * rng.uniform(0.9, 1.1) for _ in range(count - failed)]

    def sample(metric: str, value: float, running: int, instance: str = "", outcome: str = "ok") -> Sample:
        return Sample(block, block, str(key), running, instance, metric, METRICS[metric].unit, value, outcome)

    for number, took in enumerate(times):
        yield sample("launch", took, count, f"c{number}")
    for _ in range(failed):
        yield sample("launch", 0.0, count, outcome="failed")
    yield sample("all_launched", sum(times) / key.parallel, count)
    yield sample("teardown", teardown * count, count)
    if key.parallel == 1:
        for running in (0, count // 2, count):
            noise = rng.uniform(-1, 1) * 64 * KIB
            yield sample("host_available", 20 * GIB - running * memory * KIB + noise, running)

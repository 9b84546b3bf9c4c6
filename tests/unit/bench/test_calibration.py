"""The calibration as a plan, its peers as values, and launching in lanes; nothing of the host is touched."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.calibration.bundle import bundle_config
from bench.calibration.job import Job, launch_each
from bench.calibration.treatment import Key
from bench.experiments.calibrate import Request, plan_calibration
from runtime.linux import capabilities
from runtime.spec.container import ContainerSpec, Process, Resources, Rootfs
from runtime.spec.seccomp import parse_seccomp

NAMES = st.sampled_from(["floor", "tare", "tare-pool", "runc"])


@given(NAMES, st.booleans(), st.integers(1, 64))
def test_a_treatment_is_read_back_from_its_name(name: str, network: bool, parallel: int) -> None:
    key = Key(name, network, parallel)
    assert Key.parse(str(key)) == key


@pytest.mark.parametrize("text", ["tare", "tare lan x1", "tare net 1", "tare net xy", "a b net x1"])
def test_what_is_no_treatment_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"\S"):
        Key.parse(text)


def request(**changes: Any) -> Request:
    some: Any = None
    return replace(Request(("bench",), 200, 4, (1, 2), 7, some), **changes)


KEYS = [Key("floor", False, 1), Key("tare", True, 1), Key("tare", True, 2)]


def test_every_treatment_is_in_every_round_and_the_order_is_the_seeds() -> None:
    plan = plan_calibration(KEYS, request())
    assert plan.blocks == len(plan.order) == 4
    assert all(sorted(order) == sorted(map(str, KEYS)) for order in plan.order)
    assert {treatment.count for treatment in plan.treatments} == {50}
    assert plan_calibration(KEYS, request()) == plan
    assert plan_calibration(KEYS, request(seed=8)).order != plan.order


@pytest.mark.parametrize(("containers", "rounds", "blocks", "each"), [(4, 4, 4, 1), (2, 4, 2, 1), (10, 4, 4, 3)])
def test_no_round_is_empty(containers: int, rounds: int, blocks: int, each: int) -> None:
    plan = plan_calibration(KEYS, request(containers=containers, rounds=rounds))
    assert (plan.blocks, plan.treatments[0].count) == (blocks, each)


def test_memory_is_read_where_they_are_launched_one_by_one() -> None:
    steps = {treatment.driver: treatment.steps for treatment in plan_calibration(KEYS, request()).treatments}
    assert steps == {"floor alone x1": (0, 25, 50), "tare net x1": (0, 25, 50), "tare net x2": ()}


@pytest.mark.parametrize("parallel", [1, 3])
def test_each_is_launched_once_in_a_lane_of_its_own_and_in_order(parallel: int) -> None:
    jobs = [Job(f"c{number}", None) for number in range(7)]
    lanes: dict[int, list[str]] = {lane: [] for lane in range(parallel)}
    threads: set[int] = set()

    def launch(job: Job, lane: int) -> None:
        lanes[lane].append(job.name)
        time.sleep(0.001)

    timing = launch_each(launch, jobs, parallel, lambda: threads.add(threading.get_ident()))
    assert lanes == {lane: [job.name for job in jobs[lane::parallel]] for lane in range(parallel)}
    assert len(timing.each_ns) == len(jobs)
    assert 1 <= len(threads) <= parallel
    assert max(timing.each_ns) <= timing.all_ns


def test_a_bundle_asks_for_what_our_launcher_makes() -> None:
    rights = capabilities.mask(capabilities.DEFAULT)
    process = Process(("/bin/sleep", "1"), ("PATH=/bin",), "/srv", 65534, 65534, (), rights)
    limits = Resources(1 << 27, 1.5, 64)
    spec = ContainerSpec("c", "host", "/data/c", "tare/run/c", process, Rootfs(("/l",), "/u", "/w"), limits)
    config = bundle_config(Path("/flat"), spec)
    assert config["process"]["args"] == ["/bin/sleep", "1"]
    assert set(config["process"]["capabilities"]["bounding"]) == capabilities.DEFAULT
    assert config["process"]["capabilities"]["effective"] == []  # another user than root starts without
    assert config["linux"]["cgroupsPath"] == "/tare/run/c"
    assert config["linux"]["resources"]["cpu"] == {"quota": 150_000, "period": 100_000}
    assert {entry["type"] for entry in config["linux"]["namespaces"]} >= {"pid", "network", "mount", "cgroup"}
    assert parse_seccomp(config["linux"]["seccomp"]).rules

"""What is read of the host, and when it counts as settled."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from bench.meters import MEMINFO_METRICS, Settling, parse_meminfo, process_memory, read_meminfo, settle
from bench.metrics import METRICS

MIB = 1 << 20
QUICK = Settling(window_s=0.004, readings=4, tolerance_bytes=MIB, deadline_s=0.5)


class Script:
    """Readings one after the other; the last one stays."""

    def __init__(self, *available: int) -> None:
        self.available = list(available)
        self.read = 0

    def __call__(self) -> dict[str, int]:
        value = self.available[min(self.read, len(self.available) - 1)]
        self.read += 1
        return {"MemAvailable": value}


def test_fields_with_a_unit_are_bytes_and_others_are_left_out() -> None:
    text = "MemTotal:       16 kB\nHugePages_Total:       3\nMemAvailable:    8 kB\n"
    assert parse_meminfo(text) == {"MemTotal": 16384, "MemAvailable": 8192}


def test_every_metric_of_meminfo_is_defined_and_the_main_ones_are_there() -> None:
    meminfo = read_meminfo()
    assert set(MEMINFO_METRICS) <= set(METRICS)
    assert 0 < meminfo["MemAvailable"] <= meminfo["MemTotal"]
    assert meminfo["MemTotal"] == os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def test_a_reading_that_holds_still_is_settled_at_once() -> None:
    script = Script(100 * MIB)
    settled = settle(QUICK, script)
    assert settled.settled
    assert script.read == QUICK.readings


def test_a_moving_reading_is_repeated_until_it_holds_still() -> None:
    script = Script(100 * MIB, 90 * MIB, 80 * MIB, 70 * MIB, 60 * MIB)
    settled = settle(QUICK, script)
    assert settled.settled
    assert settled.meminfo["MemAvailable"] == 60 * MIB
    assert script.read == 2 * QUICK.readings


@pytest.mark.parametrize(("moved", "settled"), [(MIB, True), (MIB + 1, False)])
def test_the_tolerance_is_inclusive(moved: int, settled: bool) -> None:
    once = Settling(window_s=0.002, readings=2, tolerance_bytes=MIB, deadline_s=0.0)
    assert settle(once, Script(100 * MIB, 100 * MIB + moved)).settled is settled


def test_one_that_never_settles_ends_at_the_deadline_and_says_so() -> None:
    settled = settle(Settling(0.01, 2, 0, 0.05), Script(*range(0, 10000 * MIB, MIB)))
    assert not settled.settled
    assert settled.waited_s > 0.05


def test_process_memory_is_the_kernels_own_sum() -> None:
    child = subprocess.Popen(["/bin/sleep", "60"])
    try:
        while Path(f"/proc/{child.pid}/comm").read_text() != "sleep\n":
            pass
        memory = process_memory((child.pid,))
        rows = [line.split() for line in Path(f"/proc/{child.pid}/smaps").read_text().splitlines()]
        assert memory.processes == 1
        assert memory.rss_bytes == 1024 * sum(int(row[1]) for row in rows if row[0] == "Rss:")
        assert memory.pss_bytes is not None
        assert 0 < memory.pss_bytes <= memory.rss_bytes
    finally:
        child.kill()
        child.wait()


def test_memory_of_several_processes_is_summed() -> None:
    own, parent = process_memory((os.getpid(),)), process_memory((os.getpid(), os.getpid()))
    assert own.rss_bytes is not None
    assert parent.rss_bytes is not None
    assert parent.processes == 2
    assert parent.rss_bytes > 1.5 * own.rss_bytes


def test_no_process_has_no_figure_rather_than_zero() -> None:
    child = subprocess.Popen(["/bin/true"])
    child.wait()
    memory = process_memory((child.pid,))
    assert (memory.pss_bytes, memory.rss_bytes, memory.processes) == (None, None, 0)
    assert process_memory(()).rss_bytes is None


def test_a_zombie_counts_nothing_and_breaks_nothing() -> None:
    child = subprocess.Popen(["/bin/true"])
    while Path(f"/proc/{child.pid}/stat").read_text().split()[2] != "Z":
        pass
    memory = process_memory((child.pid, os.getpid()))
    child.wait()
    assert memory.rss_bytes is not None
    assert memory.rss_bytes > 0

"""Limits written to a group's files and figures read from them, on plain files; the kernel's are in the integration."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from runtime.cgroups.hierarchy import CgroupError
from runtime.cgroups.limits import Write
from runtime.cgroups.statistics import NO_LIMIT, statistics
from runtime.cgroups.writing import make_writes

if TYPE_CHECKING:
    from pathlib import Path


def test_a_limit_that_the_kernel_has_no_file_for_is_refused_by_name(tmp_path: Path) -> None:
    write = Write("memory", "memory.swappiness", "1", "linux.resources.memory.swappiness")
    with pytest.raises(CgroupError, match=r"^linux\.resources\.memory\.swappiness: this kernel has no memory\.swappin"):
        make_writes([write], {"memory": str(tmp_path)})
    assert list(tmp_path.iterdir()) == []


def test_one_that_the_kernel_need_not_have_is_left_out(tmp_path: Path) -> None:
    make_writes([Write("memory", "memory.swap.max", "1", "x", optional=True)], {"memory": str(tmp_path)})
    make_writes([Write("memory", "memory.swap.max", "1", "x", optional=True)], {})
    with pytest.raises(CgroupError, match=r"this kernel has no memory\.swap\.max"):  # there is not even a group
        make_writes([Write("memory", "memory.swap.max", "1", "x", optional=True)], {"memory": str(tmp_path / "gone")})


def test_a_controller_that_is_not_there_is_named() -> None:
    with pytest.raises(CgroupError, match=r"^linux\.resources\.network: controller net_cls is not there"):
        make_writes([Write("net_cls", "net_cls.classid", "1", "linux.resources.network")], {"memory": "/x"})


def test_the_next_file_is_tried_where_the_first_is_missing(tmp_path: Path) -> None:
    (tmp_path / "io.weight").write_text("")
    write = Write("io", "io.bfq.weight", "500", "x", (("io.weight", "4950"),))
    make_writes([write], {"io": str(tmp_path)})
    assert (tmp_path / "io.weight").read_text() == "4950"


V2_FILES = {
    "cpu.stat": "usage_usec 3\nuser_usec 2\nsystem_usec 1\nnr_periods 7\nnr_throttled 5\nthrottled_usec 4\n",
    "cpu.pressure": "some avg10=1.50 avg60=0.00 avg300=0.00 total=9\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=8\n",
    "memory.stat": "anon 4096\nfile 8192\n",
    "memory.current": "20000\n",
    "memory.peak": "30000\n",
    "memory.max": "65536\n",
    "memory.events": "low 0\nmax 6\noom 2\noom_kill 1\n",
    "memory.swap.current": "1000\n",
    "memory.swap.max": "max\n",
    "memory.swap.events": "max 3\n",
    "pids.current": "4\n",
    "pids.max": "max\n",
    "io.stat": "8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=5 dios=6\n8:16 \n",
    "cpuset.cpus": "0-1,3\n",
    "cpuset.mems": "\n",
    "hugetlb.2MB.current": "2097152\n",
    "hugetlb.2MB.events": "max 2\n",
}


def test_figures_of_version_2(tmp_path: Path) -> None:
    for name, text in V2_FILES.items():
        (tmp_path / name).write_text(text)
    nothing = {"avg10": 0.0, "avg60": 0.0, "avg300": 0.0}
    entry = {"major": 8, "minor": 0}
    assert statistics(2, {"": str(tmp_path)}) == {
        "cpu": {
            "usage": {"total": 3_000, "kernel": 1_000, "user": 2_000},
            "throttling": {"periods": 7, "throttledPeriods": 5, "throttledTime": 4_000},
            "psi": {"some": nothing | {"avg10": 1.5, "total": 9}, "full": nothing | {"total": 8}},
        },
        "memory": {
            "cache": 8_192,
            "usage": {"usage": 20_000, "max": 30_000, "failcnt": 6, "limit": 65_536},
            "swap": {"usage": 21_000, "limit": NO_LIMIT, "failcnt": 3},
            "raw": {"anon": 4_096, "file": 8_192},
        },
        "blkio": {
            "ioServiceBytesRecursive": [
                entry | {"op": "Read", "value": 1},
                entry | {"op": "Write", "value": 2},
                entry | {"op": "Discard", "value": 5},
            ],
            "ioServicedRecursive": [
                entry | {"op": "Read", "value": 3},
                entry | {"op": "Write", "value": 4},
                entry | {"op": "Discard", "value": 6},
            ],
        },
        "cpuset": {"cpus": [0, 1, 3]},
        "pids": {"current": 4, "limit": 0},
        "hugetlb": {"2MB": {"usage": 2_097_152, "failcnt": 2}},
    }


def test_of_a_group_that_has_nothing_nothing_is_said(tmp_path: Path) -> None:
    assert statistics(2, {"": str(tmp_path)}) == {}
    assert statistics(2, {}) == {}
    assert statistics(1, {}) == {}

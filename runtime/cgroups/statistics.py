"""What a group has used, in the shape of runc's ``events --stats``, which engines read (runc, types/events.go).

Times are nanoseconds, memory is bytes. Of a controller that the container has not got, nothing is said.
"""

from __future__ import annotations

import os
import re

from runtime.cgroups.files import pairs, read, read_if_there

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

NO_LIMIT = (1 << 64) - 1

_V1_MEMORY = (
    ("usage", "memory"),
    ("swap", "memory.memsw"),
    ("kernel", "memory.kmem"),
    ("kernelTCP", "memory.kmem.tcp"),
)
_V1_ENTRY = (
    ("usage", "usage_in_bytes"),
    ("max", "max_usage_in_bytes"),
    ("failcnt", "failcnt"),
    ("limit", "limit_in_bytes"),
)
_V1_BLOCK_IO = (
    ("ioServiceBytesRecursive", "blkio.throttle.io_service_bytes_recursive"),
    ("ioServicedRecursive", "blkio.throttle.io_serviced_recursive"),
)
_V2_BLOCK_IO = (
    ("ioServiceBytesRecursive", (("rbytes", "Read"), ("wbytes", "Write"), ("dbytes", "Discard"))),
    ("ioServicedRecursive", (("rios", "Read"), ("wios", "Write"), ("dios", "Discard"))),
)


def statistics(version: int, paths: Mapping[str, str]) -> dict[str, Any]:
    """By controller: ``cpu``, ``cpuset``, ``memory``, ``pids``, ``blkio``, ``hugetlb``."""
    if version == 1:
        parts = {
            "cpu": _cpu_v1(paths),
            "memory": _memory_v1(paths.get("memory")),
            "blkio": _block_io_v1(paths.get("blkio")),
        }
    else:
        directory = next(iter(paths.values()), None)
        paths = dict.fromkeys(("cpuset", "pids", "hugetlb"), directory) if directory else {}
        parts = {"cpu": _cpu_v2(directory), "memory": _memory_v2(directory), "blkio": _block_io_v2(directory)}
    parts["cpuset"] = _cpuset(paths.get("cpuset"))
    parts["pids"] = _pids(paths.get("pids"))
    parts["hugetlb"] = _hugepages(paths.get("hugetlb"), version)
    return {name: part for name, part in parts.items() if part}


def _cpu_v1(paths: Mapping[str, str]) -> dict[str, Any]:
    usage: dict[str, Any] = {}
    if "cpuacct" in paths:
        for name, ending in (("", ""), ("_kernel", "_sys"), ("_user", "_user")):
            usage[f"percpu{name}"] = list(map(int, read(f"{paths['cpuacct']}/cpuacct.usage_percpu{ending}").split()))
            usage[name[1:] or "total"] = int(read(f"{paths['cpuacct']}/cpuacct.usage{ending}"))
    stat = pairs(read(f"{paths['cpu']}/cpu.stat")) if "cpu" in paths else {}
    return _present(usage=usage, throttling=_throttling(stat, "throttled_time", 1))


def _cpu_v2(directory: str | None) -> dict[str, Any]:
    stat = pairs(_text(directory, "cpu.stat"))
    named = (("total", "usage_usec"), ("kernel", "system_usec"), ("user", "user_usec"))
    usage = {name: stat[key] * 1_000 for name, key in named if key in stat}
    return _present(
        usage=usage, throttling=_throttling(stat, "throttled_usec", 1_000), psi=_pressure(directory, "cpu.pressure")
    )


def _throttling(stat: dict[str, int], time: str, unit_ns: int) -> dict[str, int]:
    if "nr_periods" not in stat:
        return {}
    return {
        "periods": stat["nr_periods"],
        "throttledPeriods": stat["nr_throttled"],
        "throttledTime": stat[time] * unit_ns,
    }


def _memory_v1(directory: str | None) -> dict[str, Any]:
    if directory is None:
        return {}
    stat = pairs(read(f"{directory}/memory.stat"))
    entries = {}
    for name, prefix in _V1_MEMORY:
        if os.path.exists(f"{directory}/{prefix}.usage_in_bytes"):
            entries[name] = {field: int(read(f"{directory}/{prefix}.{file}")) for field, file in _V1_ENTRY}
    return {"cache": stat.get("cache", 0), **entries, "raw": stat}


def _memory_v2(directory: str | None) -> dict[str, Any]:
    """``swap`` is memory and swap together, as on version 1."""
    stat = pairs(_text(directory, "memory.stat"))
    if "memory.current" not in _names(directory):
        return {}
    usage, swap = _entry_v2(directory, "memory"), _entry_v2(directory, "memory.swap")
    together = {name: min(usage[name] + swap[name], NO_LIMIT) for name in ("usage", "limit")} if swap else {}
    return _present(
        cache=stat.get("file", 0),
        usage=usage,
        swap=together | {"failcnt": swap["failcnt"]} if swap else {},
        raw=stat,
        psi=_pressure(directory, "memory.pressure"),
    )


def _entry_v2(directory: str | None, prefix: str) -> dict[str, int]:
    current = _text(directory, f"{prefix}.current")
    if not current:
        return {}
    events = pairs(_text(directory, f"{prefix}.events"))
    peak = _text(directory, f"{prefix}.peak")
    return {
        "usage": int(current),
        "max": int(peak or 0),
        "failcnt": events.get("max", 0),
        "limit": _limit(_text(directory, f"{prefix}.max"), NO_LIMIT),
    }


def _block_io_v1(directory: str | None) -> dict[str, Any]:
    return _present(**{name: list(_entries_v1(_text(directory, file))) for name, file in _V1_BLOCK_IO})


def _entries_v1(text: str) -> Iterator[dict[str, Any]]:
    """Lines as ``8:0 Read 4096``; the last is a total."""
    for line in text.splitlines():
        fields = line.split()
        if len(fields) == 3:
            yield _block_io_entry(fields[0], fields[1], int(fields[2]))


def _block_io_v2(directory: str | None) -> dict[str, Any]:
    lines = [line.split() for line in _text(directory, "io.stat").splitlines()]
    found: dict[str, Any] = {}
    for name, keys in _V2_BLOCK_IO:
        found[name] = [
            _block_io_entry(device, operation, int(numbers[key]))
            for device, *fields in lines
            if (numbers := dict(field.split("=", 1) for field in fields if "=" in field))
            for key, operation in keys
            if key in numbers
        ]
    return _present(**found, psi=_pressure(directory, "io.pressure"))


def _block_io_entry(device: str, operation: str, number: int) -> dict[str, Any]:
    major, minor = map(int, device.split(":"))
    return {"major": major, "minor": minor, "op": operation, "value": number}


def _pids(directory: str | None) -> dict[str, int]:
    """Without a limit it is 0, as runc has it."""
    current = _text(directory, "pids.current")
    return {"current": int(current), "limit": _limit(_text(directory, "pids.max"), 0)} if current else {}


def _cpuset(directory: str | None) -> dict[str, Any]:
    named = {name: _numbers(_text(directory, f"cpuset.{name}")) for name in ("cpus", "mems")}
    return _present(**named)


def _numbers(text: str) -> list[int]:
    """A list as of cpuset(7), such as ``0-2,5``."""
    ranges = [part.split("-") for part in text.strip().split(",") if part]
    return [number for ends in ranges for number in range(int(ends[0]), int(ends[-1]) + 1)]


def _hugepages(directory: str | None, version: int) -> dict[str, Any]:
    ending = "usage_in_bytes" if version == 1 else "current"
    found = {}
    for name in _names(directory):
        match = re.fullmatch(rf"hugetlb\.(\d+[KMG]B)\.{ending}", name)
        if match is not None:
            found[match[1]] = _hugepages_of(f"{directory}/hugetlb.{match[1]}", version)
    return found


def _hugepages_of(prefix: str, version: int) -> dict[str, int]:
    if version == 2:
        return {"usage": int(read(f"{prefix}.current")), "failcnt": pairs(read(f"{prefix}.events")).get("max", 0)}
    named = (("usage", "usage_in_bytes"), ("max", "max_usage_in_bytes"), ("failcnt", "failcnt"))
    return {name: int(read(f"{prefix}.{file}")) for name, file in named}


def _pressure(directory: str | None, file: str) -> dict[str, dict[str, float]]:
    """Pressure stall information (accounting/psi.rst); nothing where the kernel keeps none."""
    found = {}
    for line in _text(directory, file).splitlines():
        kind, *fields = line.split()
        numbers = dict(field.split("=") for field in fields)
        found[kind] = {name: int(text) if name == "total" else float(text) for name, text in numbers.items()}
    return found


def _limit(text: str, none: int) -> int:
    return none if text.strip() in {"max", ""} else int(text)


def _names(directory: str | None) -> list[str]:
    return sorted(os.listdir(directory)) if directory is not None and os.path.isdir(directory) else []


def _text(directory: str | None, file: str) -> str:
    return "" if directory is None else read_if_there(f"{directory}/{file}") or ""


def _present(**parts: Any) -> dict[str, Any]:
    return {name: part for name, part in parts.items() if part or part == 0}

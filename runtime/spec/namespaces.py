"""Namespaces of a config.json and what lives in them: id mappings, clocks, moved network devices, sysctls."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Namespace:
    """One of `TYPES`: a new one, or the one at ``path``."""

    type: str
    path: str | None = None


@dataclass(frozen=True, slots=True)
class IdMapping:
    """A line of uid_map or gid_map (user_namespaces(7))."""

    container_id: int
    host_id: int
    size: int


@dataclass(frozen=True, slots=True)
class TimeOffset:
    """A line of timens_offsets (time_namespaces(7)); ``clock`` is monotonic or boottime."""

    clock: str
    secs: int = 0
    nanosecs: int = 0


@dataclass(frozen=True, slots=True)
class NetDevice:
    """A network device of the host that moves into the container, there as ``name``."""

    host_name: str
    name: str

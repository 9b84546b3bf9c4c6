"""A container's health, as a function of what its probes found: what to do next, and what to think of it.

The JSON form is that of an image's ``Healthcheck`` and of Docker's API: ``Test`` is ``["NONE"]``, ``["CMD", …]`` or
``["CMD-SHELL", SCRIPT]``, times are nanoseconds, 0 or nothing is the default.
"""

from __future__ import annotations

from runtime.spec.reader import I64, Reader, SpecError, show
from runtime.values import Value, fields_of, replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from runtime.spec.execution import OciProcess

_NS = 1_000_000_000
_LEAST_NS = 1_000_000
_KEPT = 5
OUTPUT_BYTES = 4096
"""Of a probe's output that is kept."""

PROBE_FAILED = -1
"""The exit code of a probe that could not be run, or took too long and was killed, as Docker has it."""


class HealthCheck(Value):
    """``args`` is what is run in the container; the rest says how often, how long, and how many failures are many."""

    args: tuple[str, ...]
    interval_s: float = 30.0
    timeout_s: float = 30.0
    retries: int = 3
    start_period_s: float = 0.0
    start_interval_s: float = 5.0

    def to_json(self) -> dict[str, Any]:
        """In Docker's form."""
        return {
            "Test": ["CMD", *self.args],
            "Interval": round(self.interval_s * _NS),
            "Timeout": round(self.timeout_s * _NS),
            "Retries": self.retries,
            "StartPeriod": round(self.start_period_s * _NS),
            "StartInterval": round(self.start_interval_s * _NS),
        }

    def process(self, first: OciProcess) -> OciProcess:
        """What a probe runs as: like the container's own process, in its user, directory and environment."""
        return replace(first, args=self.args, terminal=False, console_size=None)


def parse_health(reader: Reader | None) -> HealthCheck | None:
    """A health check in Docker's form; None where there is none to be made. Raises `SpecError`."""
    if reader is None:
        return None
    test = reader.strings("Test")
    if not test or test == ("NONE",):
        return None
    default = HealthCheck(())
    return HealthCheck(
        args=_args(reader, test),
        interval_s=_seconds(reader, "Interval") or default.interval_s,
        timeout_s=_seconds(reader, "Timeout") or default.timeout_s,
        retries=reader.integer("Retries", (0, 1 << 20)) or default.retries,
        start_period_s=_seconds(reader, "StartPeriod"),
        start_interval_s=_seconds(reader, "StartInterval") or default.start_interval_s,
    )


def _args(reader: Reader, test: tuple[str, ...]) -> tuple[str, ...]:
    kind, *rest = test
    if kind == "CMD" and rest and rest[0]:
        return tuple(rest)
    if kind == "CMD-SHELL" and len(rest) == 1:
        return ("/bin/sh", "-c", rest[0])
    raise reader.error("Test", f"{show(' '.join(test))} is neither NONE, CMD COMMAND… nor CMD-SHELL SCRIPT")


def _seconds(reader: Reader, name: str) -> float:
    nanoseconds = reader.integer(name, (0, I64[1])) or 0
    if 0 < nanoseconds < _LEAST_NS:
        raise SpecError(reader.at(name), f"{nanoseconds} ns is less than 1 ms")
    return nanoseconds / _NS


class HealthStatus:
    """What is thought of a container. There is one object of each, as in an enumeration."""

    STARTING: HealthStatus
    HEALTHY: HealthStatus
    UNHEALTHY: HealthStatus

    def __init__(self, value: str) -> None:
        self.value = value

    def __repr__(self) -> str:
        return f"HealthStatus({self.value})"


for _value in ("starting", "healthy", "unhealthy"):
    setattr(HealthStatus, _value.upper(), HealthStatus(_value))


def parse_status(value: str) -> HealthStatus:
    """Raises `ValueError`."""
    for status in (HealthStatus.STARTING, HealthStatus.HEALTHY, HealthStatus.UNHEALTHY):
        if status.value == value:
            return status
    raise ValueError(f"{value!r} is no status of health")


class ProbeResult(Value):
    """One probe: when it began and ended (RFC 3339), its exit code, and how its output begins."""

    start: str
    end: str
    exit_code: int
    output: str


class Health(Value):
    """``streak`` is how many probes in a row have failed, ``log`` the last five."""

    status: HealthStatus = HealthStatus.STARTING
    streak: int = 0
    log: tuple[ProbeResult, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """For the record."""
        return {"status": self.status.value, "streak": self.streak, "log": [fields_of(entry) for entry in self.log]}

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> Health:
        """What `to_json` has written."""
        log = tuple(ProbeResult(**entry) for entry in document["log"])
        return cls(parse_status(document["status"]), document["streak"], log)


def next_health(check: HealthCheck, health: Health, result: ProbeResult, began_at_s: float) -> Health:
    """What to think after one more probe, which began ``began_at_s`` after the container's start."""
    log = (*health.log, result)[-_KEPT:]
    if result.exit_code == 0:
        return Health(HealthStatus.HEALTHY, 0, log)
    if _is_starting(check, health, began_at_s):
        return replace(health, log=log)
    streak = health.streak + 1
    return Health(HealthStatus.UNHEALTHY if streak >= check.retries else health.status, streak, log)


def next_probe_s(check: HealthCheck, health: Health, running_s: float) -> float:
    """How long after the last probe, or the start, the next one begins."""
    return check.start_interval_s if _is_starting(check, health, running_s) else check.interval_s


def _is_starting(check: HealthCheck, health: Health, running_s: float) -> bool:
    return health.status is HealthStatus.STARTING and running_s < check.start_period_s

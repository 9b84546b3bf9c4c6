"""The one contract that every driver fulfils: what an instance is, what it may do next, what it reports.

A *driver* turns a prepared image into *instances*; the harness asks the same of each, whatever the box is made of.

- ``prepare`` is idempotent and cached by the image's digest; it is never timed together with ``create``.
- ``start`` returns when the kernel or libvirt has accepted, not when the workload answers. **Ready is the harness's
  own function** (``bench.probe``): the same probe, from the same vantage point, for every driver.
- ``stop`` and ``remove`` are idempotent. After ``remove`` nothing of the instance exists on the host.

Errors::

    WorkloadError              a driver could not do what it was asked; the message is one sentence
      IllegalTransition        the instance's state does not allow the verb
      HostCannot               the host lacks something; carries a hint that says how to get it
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runtime.image.store import Image


class State(StrEnum):
    """Where an instance stands between ``create`` and ``remove``."""

    CREATED = "created"
    RUNNING = "running"
    STOPPED = "stopped"
    REMOVED = "removed"


class Verb(StrEnum):
    """What may be asked of an instance."""

    START = "start"
    EXEC = "exec"
    STATS = "stats"
    STOP = "stop"
    REMOVE = "remove"


# The one table of legal transitions: (state, verb) -> next state. What is absent is illegal.
TRANSITIONS: dict[tuple[State, Verb], State] = {
    (State.CREATED, Verb.START): State.RUNNING,
    (State.CREATED, Verb.STOP): State.CREATED,
    (State.CREATED, Verb.REMOVE): State.REMOVED,
    (State.RUNNING, Verb.EXEC): State.RUNNING,
    (State.RUNNING, Verb.STATS): State.RUNNING,
    (State.RUNNING, Verb.STOP): State.STOPPED,
    (State.RUNNING, Verb.REMOVE): State.REMOVED,
    (State.STOPPED, Verb.STOP): State.STOPPED,
    (State.STOPPED, Verb.REMOVE): State.REMOVED,
    (State.REMOVED, Verb.STOP): State.REMOVED,
    (State.REMOVED, Verb.REMOVE): State.REMOVED,
}


class WorkloadError(Exception):
    """A driver could not do what it was asked."""


class IllegalTransition(WorkloadError):
    """The instance's state does not allow the verb."""


class HostCannot(WorkloadError):
    """The host lacks something that the driver needs; ``hint`` says how to get it."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


def next_state(state: State, verb: Verb) -> State:
    """The state after ``verb``; raises `IllegalTransition` where the table has no entry."""
    try:
        return TRANSITIONS[state, verb]
    except KeyError:
        raise IllegalTransition(f"{verb} an instance that is {state}") from None


@dataclass(frozen=True, slots=True)
class WorkloadSpec:
    """What every instance of a run is: equal for all drivers, so that only the box differs.

    ``memory_bytes`` is the limit of a container and the RAM of a virtual machine; ``cpus`` the quota of the one and
    the number of virtual CPUs (rounded up) of the other; ``port`` the TCP port on which the workload answers HTTP.
    """

    image: Image
    memory_bytes: int
    cpus: float
    pids_limit: int
    port: int
    path: str = "/"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where the host reaches the instance's workload."""

    host: str
    port: int
    path: str


@dataclass(frozen=True, slots=True)
class InstanceStats:
    """What one running instance costs, by several definitions, in bytes; None is *not measurable here*, never zero.

    ``pss_bytes`` and ``rss_bytes`` sum ``/proc/PID/smaps_rollup`` over every process that serves this instance alone
    (the workload's own; for a virtual machine the VMM's). ``cgroup_bytes`` is the memory controller's usage.
    ``configured_bytes`` is the limit or RAM asked for. ``guest_used_bytes`` is the guest kernel's own view: total less
    available.
    """

    pss_bytes: int | None
    rss_bytes: int | None
    cgroup_bytes: int | None
    configured_bytes: int | None
    guest_used_bytes: int | None
    processes: int


@dataclass(frozen=True, slots=True)
class ExecResult:
    """How a command run inside an instance ended.

    ``exit_status`` is 128+n when signal n ended it, and 127 when there is no such program.
    """

    exit_status: int
    stdout: bytes
    stderr: bytes


@dataclass(frozen=True, slots=True)
class Requirement:
    """One resource that instances consume, against what the host has: one line of the preflight.

    Demand is ``fixed + per_instance * count``, in ``unit``; ``raise_hint`` says how to raise ``available``.
    """

    resource: str
    unit: str
    fixed: float
    per_instance: float
    available: float
    raise_hint: str

    def capacity(self) -> float:
        """How many instances this resource alone would hold (not rounded; infinite if none is consumed)."""
        if self.per_instance <= 0:
            return float("inf")
        return max(0.0, (self.available - self.fixed) / self.per_instance)


@dataclass(frozen=True, slots=True)
class Pace:
    """How a driver's instances are best started on this host: ``slots`` at once, each slot taken until its instance
    has been accepted, or, where booting goes on and keeps a processor busy, ``until_answer``.
    """

    slots: int = 1
    until_answer: bool = False


class Instance(Protocol):
    """One running box with the workload in it."""

    @property
    def name(self) -> str:
        """Unique on this host while the run lasts."""

    @property
    def state(self) -> State:
        """Observed, not remembered: a workload that died by itself is ``STOPPED``."""

    @property
    def endpoint(self) -> Endpoint:
        """Where the probe asks; known from ``create`` on."""

    def start(self) -> None:
        """Start the workload; returns when the kernel or libvirt has accepted."""

    def stats(self) -> InstanceStats:
        """What this instance costs now."""

    def exec(self, argv: Sequence[str], timeout_s: float = 30.0) -> ExecResult:
        """Run a command inside, and wait for it."""

    def log(self) -> bytes:
        """What the workload (or the guest's console) has written so far; kept for failed instances."""

    def stop(self, timeout_s: float = 10.0) -> None:
        """End the workload: politely, and after ``timeout_s`` by force. 0 is force at once."""

    def remove(self) -> None:
        """Release everything; afterwards nothing of the instance exists on the host."""


class Driver(Protocol):
    """Makes instances of one kind. A context manager: leaving it releases what all its instances shared."""

    @property
    def name(self) -> str:
        """``container``, ``vm``, ``process`` … as it appears in results."""

    @property
    def pace(self) -> Pace:
        """How to start many."""

    def requirements(self, spec: WorkloadSpec) -> tuple[Requirement, ...]:
        """What instances of ``spec`` consume of this host; raises `HostCannot`. Changes nothing."""

    def prepare(self, spec: WorkloadSpec) -> None:
        """Make what all instances share: unpacked layers, disks, bridges, a launcher. Never timed with ``create``."""

    def create(self, name: str) -> Instance:
        """An instance of the prepared spec, not yet started."""

    def close(self) -> None:
        """Release what ``prepare`` made for this run (caches stay). Idempotent."""

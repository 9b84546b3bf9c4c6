"""Where in its life a supervised container is, and what is known of how it ended.

The exit code is never invented. ``Exit.known_by`` says how it is known: ``wait`` if we were the parent; ``kernel`` if
we were not, but held a pidfd when it was reaped (PIDFD_GET_INFO with PIDFD_INFO_EXIT, Linux 6.15); None for unknown.
"""

from __future__ import annotations

import os

from runtime.supervision.health import Health
from runtime.supervision.times import now
from runtime.values import Value, fields_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Phase:
    """Where in its life a container is; ``ending`` is when its process has gone and what is left is tidied up.

    There is one object of each, as in an enumeration, without the module for those.
    """

    CREATED: Phase
    STARTING: Phase
    RUNNING: Phase
    ENDING: Phase
    RESTARTING: Phase
    EXITED: Phase
    REMOVING: Phase

    def __init__(self, value: str) -> None:
        self.value = value

    def __repr__(self) -> str:
        return f"Phase({self.value})"

    @staticmethod
    def of(value: str) -> Phase:
        """Raises `ValueError`."""
        for phase in NEXT:
            if phase.value == value:
                return phase
        raise ValueError(f"{value!r} is no phase of a container's life")

    @property
    def is_active(self) -> bool:
        """Whether it runs, or will without anybody's doing."""
        return self in {Phase.STARTING, Phase.RUNNING, Phase.ENDING, Phase.RESTARTING}

    @property
    def has_process(self) -> bool:
        """Whether there may be a process."""
        return self in {Phase.STARTING, Phase.RUNNING, Phase.ENDING}


for _value in ("created", "starting", "running", "ending", "restarting", "exited", "removing"):
    setattr(Phase, _value.upper(), Phase(_value))


NEXT: dict[Phase, frozenset[Phase]] = {
    Phase.CREATED: frozenset({Phase.STARTING, Phase.REMOVING}),
    Phase.STARTING: frozenset({Phase.RUNNING, Phase.ENDING, Phase.EXITED}),
    Phase.RUNNING: frozenset({Phase.ENDING}),
    Phase.ENDING: frozenset({Phase.RESTARTING, Phase.EXITED}),
    Phase.RESTARTING: frozenset({Phase.STARTING, Phase.EXITED}),
    Phase.EXITED: frozenset({Phase.STARTING, Phase.REMOVING}),
    Phase.REMOVING: frozenset(),
}
"""What may follow what."""


class ProcessId(Value):
    """A pid and when that process was started, in clock ticks since boot: the same pid again is another process."""

    pid: int
    start_time: int


class Exit(Value):
    """How a container ended: ``code`` is 128+n for signal n, None if ``known_by`` nobody."""

    code: int | None = None
    known_by: str | None = None
    oom_killed: bool = False


class Life(Value):
    """Times are RFC 3339, empty for never. ``boot`` is the kernel's boot id: of another boot no process is left.

    ``restarts`` and ``delay_s`` are as in `runtime.supervision.restart.Run`; ``stopped`` says that somebody asked for
    the end. ``adopted`` says that the supervisor is not the process's parent. ``probe`` is a probe that runs.
    """

    phase: Phase = Phase.CREATED
    process: ProcessId | None = None
    boot: str = ""
    created: str = ""
    started: str = ""
    finished: str = ""
    exit: Exit = Exit()
    restarts: int = 0
    delay_s: float = 0.0
    stopped: bool = False
    adopted: bool = False
    paused: bool = False
    stdin_open: bool = False
    error: str | None = None
    health: Health | None = None
    probe: ProcessId | None = None

    @classmethod
    def fresh(cls, *, stdin: bool) -> Life:
        """Of a container that is being created now."""
        return cls(boot=boot_id(), created=now(), stdin_open=stdin)

    def to_json(self) -> dict[str, Any]:
        """For messages and for the record."""
        document = fields_of(self)
        for name in ("process", "probe", "exit"):
            document[name] = None if document[name] is None else fields_of(document[name])
        return document | {
            "phase": self.phase.value,
            "health": None if self.health is None else self.health.to_json(),
        }

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> Life:
        """What `to_json` has written; raises `KeyError`, `TypeError` or `ValueError` for anything else."""
        read = dict(document)
        for name in ("process", "probe"):
            read[name] = None if read[name] is None else ProcessId(**read[name])
        health = read["health"]
        read |= {
            "phase": Phase.of(read["phase"]),
            "exit": Exit(**read["exit"]),
            "health": None if health is None else Health.from_json(health),
        }
        return cls(**read)


def boot_id() -> str:
    """Of the running kernel (proc_sys_kernel(5))."""
    with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
        return file.read().strip()


def exit_code_of(wait_status: int) -> int:
    """Of what waitpid(2) and the kernel tell, 128+n for signal n."""
    code = os.waitstatus_to_exitcode(wait_status)
    return code if code >= 0 else 128 - code

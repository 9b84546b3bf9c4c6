"""How a container is, from what the supervisor has written down and what the kernel knows, without asking anybody.

A record outlives the supervisor and the host. Of a process that it calls running and that is not there any more, what
is said depends on whether there is a supervisor that is about to notice.
"""

from __future__ import annotations

import os

from runtime import jsontext
from runtime.linux.processes import boot_id, start_time_of
from runtime.values import Value, replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from runtime.engine.home import Home

NEVER = "0001-01-01T00:00:00Z"
"""When what has not happened has happened, in Docker's words (Go's zero time)."""

UNKNOWN_EXIT = 255
"""The exit code of a container that ended while nobody watched, as Docker has it after a crash of its daemon."""

_STATUSES = {
    "created": "created",
    "starting": "created",
    "running": "running",
    "paused": "paused",
    "ending": "exited",
    "restarting": "restarting",
    "exited": "exited",
    "removing": "removing",
}


class Health(Value):
    """What is thought of a container; ``log`` are its last probes, as the supervisor has them."""

    status: str
    failing_streak: int = 0
    log: tuple[tuple[tuple[str, Any], ...], ...] = ()


class State(Value):
    """``status`` is created, running, paused, restarting, exited, removing or dead; times are RFC 3339, or `NEVER`."""

    status: str = "created"
    pid: int = 0
    exit_code: int = 0
    oom_killed: bool = False
    error: str = ""
    started_at: str = NEVER
    finished_at: str = NEVER
    health: Health | None = None
    restart_count: int = 0

    @property
    def is_running(self) -> bool:
        """Whether it has a process, which may be paused."""
        return self.status in {"running", "paused"}

    @property
    def is_active(self) -> bool:
        """Whether it runs, or will without anybody's doing."""
        return self.is_running or self.status == "restarting"


def read_state(home: Home, container_id: str) -> State:
    """Of a container that need never have been started."""
    life = read_life(home, container_id)
    return State() if life is None else _state(home, life)


def read_life(home: Home, container_id: str) -> dict[str, Any] | None:
    """As the supervisor has written it down; None if it knows nothing of the container, or cannot be understood."""
    try:
        with open(f"{home.supervised(container_id)}/record.json", encoding="utf-8") as file:
            life: dict[str, Any] = jsontext.loads(file.read())["life"]
    except (OSError, ValueError, KeyError):
        return None
    return life


def _state(home: Home, life: dict[str, Any]) -> State:
    phase, exit_ = str(life["phase"]), life["exit"] or {}
    status = "paused" if phase == "running" and life.get("paused") else _STATUSES.get(phase, "dead")
    if phase == "exited" and not life["started"]:
        return _not_started(life)
    code = exit_.get("code")
    state = State(
        status=status,
        pid=_pid(life) if status in {"running", "paused"} else 0,
        exit_code=code if code is not None else UNKNOWN_EXIT if _has_ended(life, phase) else 0,
        oom_killed=bool(exit_.get("oom_killed")),
        error=life["error"] or "",
        started_at=life["started"] or NEVER,
        finished_at=life["finished"] or NEVER,
        health=_health(life.get("health")),
        restart_count=life["restarts"],
    )
    if not state.is_running or _is_alive(life) or is_supervised(home):
        return state
    return replace(state, status="exited", pid=0, exit_code=UNKNOWN_EXIT)


def _not_started(life: dict[str, Any]) -> State:
    """It was to be started, and is as it was before but for the error, as with Docker."""
    from runtime.engine.errors import start_failure

    error = str(life["error"] or "")
    return State(exit_code=start_failure(error).exit_code if error else 0, error=error)


def _has_ended(life: dict[str, Any], phase: str) -> bool:
    return phase in {"ending", "exited", "restarting"} and bool(life["finished"])


def _pid(life: dict[str, Any]) -> int:
    return int((life["process"] or {}).get("pid", 0))


def _is_alive(life: dict[str, Any]) -> bool:
    process = life["process"]
    return bool(process) and life["boot"] == boot_id() and start_time_of(process["pid"]) == process["start_time"]


def _health(health: dict[str, Any] | None) -> Health | None:
    if health is None:
        return None
    return Health(health["status"], health["streak"], tuple(tuple(probe.items()) for probe in health["log"]))


def is_supervised(home: Home) -> bool:
    """Whether there is a supervisor at the moment."""
    import fcntl

    try:
        fd = os.open(f"{home.supervision}/lock", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    else:
        return False
    finally:
        os.close(fd)

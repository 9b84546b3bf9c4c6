"""``process`` of a config.json: what is executed, as whom, with what rights (runtime-spec, config.md, "Process")."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class User:
    """Ids in the container's user namespace; ``umask`` None leaves the runtime's."""

    uid: int = 0
    gid: int = 0
    umask: int | None = None
    additional_gids: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Capabilities:
    """Five bit sets (`runtime.linux.capabilities.mask`).

    ``unknown`` are the names that were asked for and that no kernel known here has: to be warned about, not refused.
    """

    bounding: int = 0
    effective: int = 0
    inheritable: int = 0
    permitted: int = 0
    ambient: int = 0
    unknown: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Rlimit:
    """``type`` is the name (RLIMIT_NOFILE), ``resource`` the kernel's number of it."""

    type: str
    resource: int
    soft: int
    hard: int


@dataclass(frozen=True, slots=True)
class Scheduler:
    """What sched_setattr(2) takes; the times are nanoseconds."""

    policy: str
    nice: int = 0
    priority: int = 0
    flags: tuple[str, ...] = ()
    runtime: int = 0
    deadline: int = 0
    period: int = 0


@dataclass(frozen=True, slots=True)
class IoPriority:
    """What ioprio_set(2) takes; ``io_class`` is ``class`` of the file (IOPRIO_CLASS_BE)."""

    io_class: str
    priority: int = 0


@dataclass(frozen=True, slots=True)
class CpuAffinity:
    """Processors of an exec'd process before and after it enters the container's cgroup; lists as of cpuset(7)."""

    initial: str | None = None
    final: str | None = None


@dataclass(frozen=True, slots=True)
class OciProcess:
    """A process; ``capabilities`` None asks for none to be set. ``console_size`` is (height, width)."""

    args: tuple[str, ...]
    cwd: str
    user: User = User()
    terminal: bool = False
    console_size: tuple[int, int] | None = None
    env: tuple[str, ...] = ()
    capabilities: Capabilities | None = None
    rlimits: tuple[Rlimit, ...] = ()
    no_new_privileges: bool = False
    apparmor_profile: str | None = None
    selinux_label: str | None = None
    oom_score_adj: int | None = None
    scheduler: Scheduler | None = None
    io_priority: IoPriority | None = None
    exec_cpu_affinity: CpuAffinity | None = None

"""``process`` of a config.json: what is executed, as whom, with what rights (runtime-spec, config.md, "Process")."""

from __future__ import annotations

from runtime.linux import capabilities as caps
from runtime.spec.lists import MOST_CPUS, parse_list
from runtime.spec.reader import I32, ID, U16, U64, Reader, show
from runtime.values import Value

RLIMITS = (
    "RLIMIT_CPU", "RLIMIT_FSIZE", "RLIMIT_DATA", "RLIMIT_STACK", "RLIMIT_CORE", "RLIMIT_RSS", "RLIMIT_NPROC",
    "RLIMIT_NOFILE", "RLIMIT_MEMLOCK", "RLIMIT_AS", "RLIMIT_LOCKS", "RLIMIT_SIGPENDING", "RLIMIT_MSGQUEUE",
    "RLIMIT_NICE", "RLIMIT_RTPRIO", "RLIMIT_RTTIME",
)  # fmt: skip
"""By number (include/uapi/asm-generic/resource.h)."""

_POLICIES = frozenset(
    {"SCHED_OTHER", "SCHED_FIFO", "SCHED_RR", "SCHED_BATCH", "SCHED_ISO", "SCHED_IDLE", "SCHED_DEADLINE"}
)
_SCHEDULER_FLAGS = frozenset({
    "SCHED_FLAG_RESET_ON_FORK", "SCHED_FLAG_RECLAIM", "SCHED_FLAG_DL_OVERRUN", "SCHED_FLAG_KEEP_POLICY",
    "SCHED_FLAG_KEEP_PARAMS", "SCHED_FLAG_UTIL_CLAMP_MIN", "SCHED_FLAG_UTIL_CLAMP_MAX",
})  # fmt: skip
_IO_CLASSES = frozenset({"IOPRIO_CLASS_RT", "IOPRIO_CLASS_BE", "IOPRIO_CLASS_IDLE"})


class User(Value):
    """Ids in the container's user namespace; ``umask`` None leaves the runtime's."""

    uid: int = 0
    gid: int = 0
    umask: int | None = None
    additional_gids: tuple[int, ...] = ()


class Capabilities(Value):
    """Five bit sets (`runtime.linux.capabilities.mask`).

    ``unknown`` are the names that were asked for and that no kernel known here has: to be warned about, not refused.
    """

    bounding: int = 0
    effective: int = 0
    inheritable: int = 0
    permitted: int = 0
    ambient: int = 0
    unknown: tuple[str, ...] = ()


class Rlimit(Value):
    """``type`` is the name (RLIMIT_NOFILE), ``resource`` the kernel's number of it."""

    type: str
    resource: int
    soft: int
    hard: int


class Scheduler(Value):
    """What sched_setattr(2) takes; the times are nanoseconds."""

    policy: str
    nice: int = 0
    priority: int = 0
    flags: tuple[str, ...] = ()
    runtime: int = 0
    deadline: int = 0
    period: int = 0


class IoPriority(Value):
    """What ioprio_set(2) takes; ``io_class`` is ``class`` of the file (IOPRIO_CLASS_BE)."""

    io_class: str
    priority: int = 0


class CpuAffinity(Value):
    """Processors of an exec'd process before and after it enters the container's cgroup; None leaves them."""

    initial: tuple[int, ...] | None = None
    final: tuple[int, ...] | None = None


class OciProcess(Value):
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


def parse_process(value: object, path: str = "process") -> OciProcess:
    """The decoded object as a value, as in a config.json or in a file of its own; raises `SpecError`."""
    reader = Reader(value, path)
    terminal = reader.flag("terminal")
    return OciProcess(
        args=_args(reader),
        cwd=reader.absolute_path("cwd"),
        user=_user(reader.child("user")),
        terminal=terminal,
        console_size=_console_size(reader.child("consoleSize")) if terminal else None,
        env=parse_environment(reader, "env"),
        capabilities=_capabilities(reader.child("capabilities")),
        rlimits=_rlimits(reader),
        no_new_privileges=reader.flag("noNewPrivileges"),
        apparmor_profile=reader.string("apparmorProfile"),
        selinux_label=reader.string("selinuxLabel"),
        oom_score_adj=reader.integer("oomScoreAdj", (-1000, 1000)),
        scheduler=_scheduler(reader.child("scheduler")),
        io_priority=_io_priority(reader.child("ioPriority")),
        exec_cpu_affinity=_affinity(reader.child("execCPUAffinity")),
    )


def parse_environment(reader: Reader, name: str) -> tuple[str, ...]:
    """An array of NAME=value, as environ(7) wants them."""
    entries = reader.strings(name)
    for index, entry in enumerate(entries):
        if "=" not in entry[1:]:
            raise reader.error(f"{name}[{index}]", f"{show(entry)} is no NAME=value")
    return entries


def _args(reader: Reader) -> tuple[str, ...]:
    args = reader.strings("args")
    if not args:
        raise reader.error("args", "is missing or empty: nothing to execute")
    if not args[0]:
        raise reader.error("args[0]", "is empty: nothing to execute")
    return args


def _user(reader: Reader | None) -> User:
    if reader is None:
        return User()
    return User(
        uid=reader.required_integer("uid", ID),
        gid=reader.required_integer("gid", ID),
        umask=reader.integer("umask", (0, 0o777)),
        additional_gids=reader.integers("additionalGids", ID),
    )


def _console_size(reader: Reader | None) -> tuple[int, int] | None:
    if reader is None:
        return None
    return reader.required_integer("height", U16), reader.required_integer("width", U16)


def _capabilities(reader: Reader | None) -> Capabilities | None:
    """A name that cannot be mapped is to be warned about, and is not to fail (config.md, "Linux Process")."""
    if reader is None:
        return None
    names = {kind: reader.strings(kind) for kind in ("bounding", "effective", "inheritable", "permitted", "ambient")}
    masks = {kind: caps.mask(name for name in listed if name in caps.NAMES) for kind, listed in names.items()}
    unknown = dict.fromkeys(name for listed in names.values() for name in listed if name not in caps.NAMES)
    return Capabilities(**masks, unknown=tuple(unknown))


def _rlimits(reader: Reader) -> tuple[Rlimit, ...]:
    limits: dict[str, Rlimit] = {}
    for entry in reader.objects("rlimits"):
        kind = entry.choice("type", RLIMITS, "resource limit")
        if kind in limits:
            raise entry.error("type", f"{show(kind)} is limited twice")
        soft, hard = entry.required_integer("soft", U64), entry.required_integer("hard", U64)
        if soft > hard:
            raise entry.error("soft", f"{soft} is above the hard limit, {hard}")
        limits[kind] = Rlimit(kind, RLIMITS.index(kind), soft, hard)
    return tuple(limits.values())


def _scheduler(reader: Reader | None) -> Scheduler | None:
    if reader is None:
        return None
    return Scheduler(
        policy=reader.choice("policy", _POLICIES, "scheduling policy"),
        nice=reader.integer("nice", I32) or 0,
        priority=reader.integer("priority", I32) or 0,
        flags=reader.choices("flags", _SCHEDULER_FLAGS, "flag of a scheduler"),
        runtime=reader.integer("runtime", U64) or 0,
        deadline=reader.integer("deadline", U64) or 0,
        period=reader.integer("period", U64) or 0,
    )


def _io_priority(reader: Reader | None) -> IoPriority | None:
    if reader is None:
        return None
    return IoPriority(
        reader.choice("class", _IO_CLASSES, "I/O class"), reader.integer("priority", (0, 7)) or 0
    )


def _affinity(reader: Reader | None) -> CpuAffinity | None:
    if reader is None:
        return None
    return CpuAffinity(*(parse_list(reader, name, MOST_CPUS) or None for name in ("initial", "final")))

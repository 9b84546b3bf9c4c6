"""What a process is besides its program, planned as system calls: ids, capabilities, limits, priorities, filters."""

from __future__ import annotations

import struct

from runtime.linux import capabilities, constants
from runtime.linux.program import ANY_ERRNO, Call, Memory
from runtime.linux.seccomp import sock_fprog
from runtime.values import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runtime.spec.execution import Capabilities, IoPriority, Rlimit, Scheduler, User
    from runtime.spec.linux import MemoryPolicy, Personality

_RLIMIT = struct.Struct("=2Q")
_SCHED_ATTR = struct.Struct("=IIQiIQQQII")  # sched/types.h, struct sched_attr
_POLICIES = {"SCHED_OTHER": 0, "SCHED_FIFO": 1, "SCHED_RR": 2, "SCHED_BATCH": 3, "SCHED_ISO": 4, "SCHED_IDLE": 5,
             "SCHED_DEADLINE": 6}  # fmt: skip
_SCHEDULER_FLAGS = ("SCHED_FLAG_RESET_ON_FORK", "SCHED_FLAG_RECLAIM", "SCHED_FLAG_DL_OVERRUN", "SCHED_FLAG_KEEP_POLICY",
                    "SCHED_FLAG_KEEP_PARAMS", "SCHED_FLAG_UTIL_CLAMP_MIN", "SCHED_FLAG_UTIL_CLAMP_MAX")  # fmt: skip
_IO_CLASSES = {"IOPRIO_CLASS_RT": 1, "IOPRIO_CLASS_BE": 2, "IOPRIO_CLASS_IDLE": 3}
_IOPRIO_WHO_PROCESS, _IOPRIO_CLASS_SHIFT = 1, 13
_DOMAINS = {"LINUX": 0x0, "LINUX32": 0x8}
_MEMORY_MODES = ("MPOL_DEFAULT", "MPOL_PREFERRED", "MPOL_BIND", "MPOL_INTERLEAVE", "MPOL_LOCAL", "MPOL_PREFERRED_MANY",
                 "MPOL_WEIGHTED_INTERLEAVE")  # fmt: skip
_MEMORY_FLAGS = {"MPOL_F_STATIC_NODES": 1 << 15, "MPOL_F_RELATIVE_NODES": 1 << 14, "MPOL_F_NUMA_BALANCING": 1 << 13}
_NODE_MASK_BYTES = 128


def limit(rlimits: tuple[Rlimit, ...]) -> tuple[Call, ...]:
    """prlimit(2), for each."""
    return tuple(
        Call(f"process.rlimits: set {entry.type} to {entry.soft}, {entry.hard}", "prlimit64",
             (0, entry.resource, Memory(_RLIMIT.pack(entry.soft, entry.hard)), 0))
        for entry in rlimits
    )  # fmt: skip


def schedule(scheduler: Scheduler | None) -> tuple[Call, ...]:
    """sched_setattr(2)."""
    if scheduler is None:
        return ()
    flags = sum(1 << _SCHEDULER_FLAGS.index(flag) for flag in scheduler.flags)
    attributes = _SCHED_ATTR.pack(
        _SCHED_ATTR.size, _POLICIES[scheduler.policy], flags, scheduler.nice, scheduler.priority,
        scheduler.runtime, scheduler.deadline, scheduler.period, 0, 0,
    )  # fmt: skip
    return (Call(f"process.scheduler: set {scheduler.policy}", "sched_setattr", (0, Memory(attributes), 0)),)


def prioritize_io(priority: IoPriority | None) -> tuple[Call, ...]:
    """ioprio_set(2)."""
    if priority is None:
        return ()
    number = _IO_CLASSES[priority.io_class] << _IOPRIO_CLASS_SHIFT | priority.priority
    return (Call(f"process.ioPriority: set {priority.io_class}", "ioprio_set", (_IOPRIO_WHO_PROCESS, 0, number)),)


def impersonate(personality: Personality | None) -> tuple[Call, ...]:
    """personality(2)."""
    if personality is None:
        return ()
    return (Call("linux.personality: set the domain", "personality", (_DOMAINS[personality.domain],)),)


def place_memory(policy: MemoryPolicy | None) -> tuple[Call, ...]:
    """set_mempolicy(2)."""
    if policy is None:
        return ()
    mode = _MEMORY_MODES.index(policy.mode) | sum(_MEMORY_FLAGS[flag] for flag in policy.flags)
    mask = sum(1 << node for node in policy.nodes)
    nodes = Memory(mask.to_bytes(_NODE_MASK_BYTES, "little"))
    arguments = (mode, nodes, 8 * _NODE_MASK_BYTES) if mask else (mode, 0, 0)
    return (Call(f"linux.memoryPolicy: set {policy.mode}", "set_mempolicy", arguments),)


def join_keyring(name: str) -> tuple[Call, ...]:
    """A session keyring of the container's own: the runtime's holds the host's keys (keyctl(2))."""
    arguments = (constants.KEYCTL_JOIN_SESSION_KEYRING, name.encode())
    return (Call("join a session keyring", "keyctl", arguments, (constants.ENOSYS,)),)


def set_affinity(what: str, cpus: tuple[int, ...] | None) -> tuple[Call, ...]:
    """sched_setaffinity(2) of the calling process."""
    if cpus is None:
        return ()
    mask = sum(1 << cpu for cpu in cpus)
    content = mask.to_bytes(max(8, -(-mask.bit_length() // 64) * 8), "little")
    listed = ",".join(map(str, cpus))
    return (Call(f"{what}: run on processors {listed}", "sched_setaffinity", (0, len(content), Memory(content))),)


def become(user: User, caps: Capabilities, bounding_set: int) -> tuple[Call, ...]:
    """Take the ids and keep of the capabilities what was asked for and can be had; ``bounding_set`` is the runtime's.

    Ids change while capabilities are kept (prctl(2), PR_SET_KEEPCAPS): ambient ones outlive a change to another user.
    """
    what = "process.capabilities: drop what is not asked for"
    caps = granted(caps, bounding_set)
    header, data = capabilities.capset_arguments(caps.effective, caps.permitted, caps.inheritable)
    groups = user.additional_gids
    return (
        *(Call(what, "prctl", (constants.PR_CAPBSET_DROP, cap)) for cap in _dropped(bounding_set, caps.bounding)),
        Call("keep capabilities", "prctl", (constants.PR_SET_KEEPCAPS, 1)),
        *_set_groups(groups),
        Call(f"process.user: become group {user.gid}", "setresgid", (user.gid,) * 3),
        Call(f"process.user: become user {user.uid}", "setresuid", (user.uid,) * 3),
        Call("process.capabilities: set them", "capset", (Memory(header), Memory(data))),
        Call("clear ambient capabilities", "prctl", (constants.PR_CAP_AMBIENT, constants.PR_CAP_AMBIENT_CLEAR_ALL)),
        *(
            Call(f"process.capabilities.ambient: raise {capabilities.NAMES[cap]}", "prctl",
                 (constants.PR_CAP_AMBIENT, constants.PR_CAP_AMBIENT_RAISE, cap))
            for cap in capabilities.members(caps.ambient)
        ),
    )  # fmt: skip


def granted(caps: Capabilities, held: int) -> Capabilities:
    """What can be had by who holds these: to ask for others is no failure (config.md, "Linux Process").

    The sets bound each other as capabilities(7) has it, or the kernel would refuse them all.
    """
    bounding, permitted = caps.bounding & held, caps.permitted & held
    inheritable = caps.inheritable & bounding
    return replace(
        caps,
        bounding=bounding,
        permitted=permitted,
        effective=caps.effective & permitted,
        inheritable=inheritable,
        ambient=caps.ambient & permitted & inheritable,
    )


def withheld(caps: Capabilities, held: int) -> tuple[str, ...]:
    """The names that were asked for in vain, of which the specification wants a warning.

    Not those that were to be ambient without being inheritable: the host withholds nothing there, and buildah asks so
    of every command.
    """
    given = granted(caps, held)
    lost = caps.ambient & caps.inheritable & ~given.ambient
    for kind in ("bounding", "permitted", "effective", "inheritable"):
        lost |= getattr(caps, kind) & ~getattr(given, kind)
    return (*(capabilities.NAMES[cap] for cap in capabilities.members(lost)), *caps.unknown)


def _dropped(held: int, kept: int) -> tuple[int, ...]:
    return capabilities.members(held & ~kept)


def _set_groups(groups: tuple[int, ...]) -> tuple[Call, ...]:
    """Where an unprivileged user made the namespace setgroups(2) is denied (user_namespaces(7)): no group is gained."""
    arguments = (len(groups), Memory(struct.pack(f"={len(groups)}I", *groups)))
    allowed = () if groups else (constants.EPERM,)
    return (Call("process.user.additionalGids: set them", "setgroups", arguments, allowed),)


def deny_new_privileges(*, wanted: bool) -> tuple[Call, ...]:
    """No program that it executes gains rights (PR_SET_NO_NEW_PRIVS)."""
    return (Call("process.noNewPrivileges: set it", "prctl", (constants.PR_SET_NO_NEW_PRIVS, 1)),) if wanted else ()


def install_filter(program: bytes, flags: int) -> tuple[Call, ...]:
    """seccomp(2)."""
    arguments = (constants.SECCOMP_SET_MODE_FILTER, flags, sock_fprog(program))
    return (Call("linux.seccomp: install the filter", "seccomp", arguments),)


def own_streams(user: User, owned: tuple[int, ...]) -> tuple[Call, ...]:
    """Give these descriptors to the user, who may open ``/dev/stdout`` by name; where it cannot be, no matter."""
    return tuple(Call("own the standard streams", "fchown", (fd, user.uid, -1), ANY_ERRNO) for fd in owned)

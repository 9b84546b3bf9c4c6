"""Capabilities: names, the default set of a container, and dropping all others (capabilities(7))."""

from __future__ import annotations

import struct

from runtime.linux import constants, syscalls

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

NAMES = (
    "CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_DAC_READ_SEARCH", "CAP_FOWNER", "CAP_FSETID", "CAP_KILL", "CAP_SETGID",
    "CAP_SETUID", "CAP_SETPCAP", "CAP_LINUX_IMMUTABLE", "CAP_NET_BIND_SERVICE", "CAP_NET_BROADCAST", "CAP_NET_ADMIN",
    "CAP_NET_RAW", "CAP_IPC_LOCK", "CAP_IPC_OWNER", "CAP_SYS_MODULE", "CAP_SYS_RAWIO", "CAP_SYS_CHROOT",
    "CAP_SYS_PTRACE", "CAP_SYS_PACCT", "CAP_SYS_ADMIN", "CAP_SYS_BOOT", "CAP_SYS_NICE", "CAP_SYS_RESOURCE",
    "CAP_SYS_TIME", "CAP_SYS_TTY_CONFIG", "CAP_MKNOD", "CAP_LEASE", "CAP_AUDIT_WRITE", "CAP_AUDIT_CONTROL",
    "CAP_SETFCAP", "CAP_MAC_OVERRIDE", "CAP_MAC_ADMIN", "CAP_SYSLOG", "CAP_WAKE_ALARM", "CAP_BLOCK_SUSPEND",
    "CAP_AUDIT_READ", "CAP_PERFMON", "CAP_BPF", "CAP_CHECKPOINT_RESTORE",
)  # fmt: skip
"""By bit number (include/uapi/linux/capability.h)."""

# What Docker leaves a container by default (docs.docker.com/engine/security, "Linux kernel capabilities").
DEFAULT = frozenset({
    "CAP_AUDIT_WRITE", "CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_FSETID", "CAP_KILL", "CAP_MKNOD",
    "CAP_NET_BIND_SERVICE", "CAP_NET_RAW", "CAP_SETFCAP", "CAP_SETGID", "CAP_SETPCAP", "CAP_SETUID",
    "CAP_SYS_CHROOT",
})  # fmt: skip


def mask(names: Iterable[str]) -> int:
    """The names as a bit set; raises `ValueError` for a name that capabilities(7) does not know."""
    bits = 0
    for name in names:
        if name not in NAMES:
            raise ValueError(f"unknown capability {name!r}")
        bits |= 1 << NAMES.index(name)
    return bits


def bounding_set() -> int:
    """The calling thread's own bounding set, as a bit set."""
    with open("/proc/self/status", encoding="ascii") as file:
        return next(int(line.split()[1], 16) for line in file if line.startswith("CapBnd:"))


def members(bits: int) -> tuple[int, ...]:
    """The numbers of the capabilities in a bit set."""
    return tuple(cap for cap in range(bits.bit_length()) if bits >> cap & 1)


def limit_bounding_set(keep: int) -> int:
    """Drop from the calling thread's bounding set all that is not in ``keep``; no execve can gain it back.

    Returns what is left.
    """
    held = bounding_set()
    for cap in members(held & ~keep):
        syscalls.prctl(constants.PR_CAPBSET_DROP, cap)
    return held & keep


def capset_arguments(effective: int, permitted: int, inheritable: int) -> tuple[bytes, bytes]:
    """The header and the data that capset(2) takes for the calling thread: both halves of each set."""
    sets = (effective, permitted, inheritable)
    halves = [bits >> shift & 0xFFFFFFFF for shift in (0, 32) for bits in sets]
    return struct.pack("=Ii", constants.LINUX_CAPABILITY_VERSION_3, 0), struct.pack("=6I", *halves)

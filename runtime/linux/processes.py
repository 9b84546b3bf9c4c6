"""Processes of the host: which one a pid is, since pids are used again."""

from __future__ import annotations


def start_time_of(pid: int) -> int | None:
    """When a process was started, in clock ticks since boot; None if it has ended (proc_pid_stat(5))."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] in {b"Z", b"X"} else int(fields[19])


def boot_id() -> str:
    """Of the running kernel (proc_sys_kernel(5))."""
    with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
        return file.read().strip()

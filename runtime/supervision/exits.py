"""How a process ended that is not our child, if the kernel tells: linux/pidfd.h, PIDFD_GET_INFO.

A parent gets the status from waitid(2), and nobody else did until Linux 6.15. Since then whoever holds a pidfd while
the process is reaped can ask; that the pidfd reports EPOLLHUP says that it has been (fs/pidfs.c).
"""

from __future__ import annotations

import fcntl
import os
import struct

from runtime.supervision.life import exit_code_of

_INFO_BYTES = 64
_INFO_EXIT = 1 << 3
_GET_INFO = 3 << 30 | _INFO_BYTES << 16 | 0xFF << 8 | 11  # _IOWR(PIDFS_IOCTL_MAGIC, 11, struct pidfd_info)
_EXIT_CODE_AT = 60


def exit_code_by_kernel(pidfd: int) -> int | None:
    """Of a process that was reaped by somebody else; None if the kernel does not tell."""
    info = bytearray(struct.pack("=Q", _INFO_EXIT).ljust(_INFO_BYTES, b"\0"))
    try:
        fcntl.ioctl(pidfd, _GET_INFO, info, True)  # noqa: FBT003 - the standard library's own
    except OSError:
        return None
    (mask,) = struct.unpack_from("=Q", info)
    if not mask & _INFO_EXIT:
        return None
    return exit_code_of(struct.unpack_from("=i", info, _EXIT_CODE_AT)[0])


def started_at(pid: int) -> int:
    """When a process was started, one that waits to be reaped included, in clock ticks since boot; 0 if it is gone."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return int(file.read().rpartition(b")")[2].split()[19])
    except (FileNotFoundError, ProcessLookupError):
        return 0


def open_process(pid: int, start_time: int) -> int | None:
    """A pidfd of the process that was started then; None if there is only another of that pid, or none.

    A zombie is opened, too: its end is what we want to hear of.
    """
    try:
        pidfd = os.pidfd_open(pid)
    except OSError:
        return None
    if started_at(pid) == start_time:
        return pidfd
    os.close(pidfd)
    return None

"""Mount points of this mount namespace (proc_pid_mountinfo(5))."""

from __future__ import annotations

import os


def mount_points(below: str) -> tuple[str, ...]:
    """Those at a path and below it, in the order in which they were mounted; one path may be there several times."""
    with open("/proc/self/mountinfo", "rb") as file:
        raw = [line.split(b" ", 5)[4] for line in file]
    top = os.path.realpath(below)
    points = [_plain(point) for point in raw]
    return tuple(point for point in points if point == top or point.startswith(f"{top.rstrip('/')}/"))


def unmount_below(path: str) -> tuple[str, ...]:
    """Detach all mounts at and below a path, the last first; which they were. Raises `OSError`."""
    from runtime.linux import foreign

    libc = foreign.CDLL(None, use_errno=True)
    libc.umount2.argtypes = (foreign.c_char_p, foreign.c_int)
    found = mount_points(path)
    for point in reversed(found):
        if libc.umount2(os.fsencode(point), 2 | 8) < 0:  # MNT_DETACH | UMOUNT_NOFOLLOW
            errno = foreign.get_errno()
            raise OSError(errno, os.strerror(errno), point)
    return found


def _plain(escaped: bytes) -> str:
    """With the kernel's octal escapes of blanks and backslashes undone (fs/proc_namespace.c, mangle)."""
    parts = escaped.split(b"\\")
    plain = parts[0] + b"".join(bytes((int(part[:3], 8),)) + part[3:] for part in parts[1:])
    return os.fsdecode(plain)

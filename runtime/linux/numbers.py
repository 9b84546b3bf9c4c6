"""Numbers of the system calls that a container's start is made of (asm/unistd.h), by architecture."""

from __future__ import annotations

import os

_X86_64 = {
    "capset": 126, "chdir": 80, "close_range": 436, "dup3": 292, "execve": 59, "ioctl": 16, "mkdirat": 258,
    "mknodat": 259, "mount": 165, "openat": 257, "pivot_root": 155, "prctl": 157, "recvfrom": 45, "rt_sigaction": 13,
    "chroot": 161, "sendto": 44, "setgroups": 116, "sethostname": 170, "setns": 308, "setresgid": 119,
    "setresuid": 117, "setsid": 112, "socket": 41, "symlinkat": 266, "umask": 95, "umount2": 166, "unshare": 272,
    "write": 1,
}  # fmt: skip
_AARCH64 = {
    "capset": 91, "chdir": 49, "close_range": 436, "dup3": 24, "execve": 221, "ioctl": 29, "mkdirat": 34,
    "mknodat": 33, "mount": 40, "openat": 56, "pivot_root": 41, "prctl": 167, "recvfrom": 207, "rt_sigaction": 134,
    "chroot": 51, "sendto": 206, "setgroups": 159, "sethostname": 161, "setns": 268, "setresgid": 149,
    "setresuid": 147, "setsid": 157, "socket": 198, "symlinkat": 36, "umask": 166, "umount2": 39, "unshare": 97,
    "write": 64,
}  # fmt: skip

MACHINE = os.uname().machine
_KNOWN = {"x86_64": _X86_64, "aarch64": _AARCH64}


def numbers() -> dict[str, int]:
    """By name, for the running machine; raises `OSError` for an architecture that is not known here."""
    if MACHINE not in _KNOWN:
        raise OSError(0, f"no system call numbers for architecture {MACHINE!r}")
    return _KNOWN[MACHINE]

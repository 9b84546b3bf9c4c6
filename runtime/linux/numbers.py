"""Numbers of the system calls that a container's life is made of (asm/unistd.h), by architecture."""

from __future__ import annotations

import os

_X86_64 = {
    "bpf": 321, "capset": 126, "chdir": 80, "chroot": 161, "clone3": 435, "close": 3, "close_range": 436, "dup3":
    292, "execve": 59, "execveat": 322, "exit_group": 231, "faccessat2": 439, "fchdir": 81, "fchmod": 91,
    "fchmodat": 268, "fchown": 93, "fchownat": 260, "fcntl": 72, "fsconfig": 431, "fsmount": 432, "fsopen": 430,
    "fspick": 433, "fstatfs": 138, "getpid": 39, "ioctl": 16, "ioprio_set": 251, "keyctl": 250, "mkdirat": 258,
    "mknodat": 259, "mount": 165, "mount_setattr": 442, "move_mount": 429, "open_tree": 428, "openat": 257,
    "openat2": 437, "personality": 135, "pidfd_getfd": 438, "pivot_root": 155, "prctl": 157, "prlimit64": 302,
    "read": 0, "recvfrom": 45, "rt_sigaction": 13, "rt_sigprocmask": 14, "sched_setaffinity": 203, "sched_setattr":
    314, "seccomp": 317, "sendmsg": 46, "sendto": 44, "set_mempolicy": 238, "setdomainname": 171, "setgroups": 116,
    "sethostname": 170, "setns": 308, "setresgid": 119, "setresuid": 117, "setsid": 112, "socket": 41, "symlinkat":
    266, "umask": 95, "umount2": 166, "unlinkat": 263, "unshare": 272, "write": 1, "writev": 20,
}  # fmt: skip
_AARCH64 = {
    "bpf": 280, "capset": 91, "chdir": 49, "chroot": 51, "clone3": 435, "close": 57, "close_range": 436, "dup3": 24,
    "execve": 221, "execveat": 281, "exit_group": 94, "faccessat2": 439, "fchdir": 50, "fchmod": 52, "fchmodat": 53,
    "fchown": 55, "fchownat": 54, "fcntl": 25, "fsconfig": 431, "fsmount": 432, "fsopen": 430, "fspick": 433,
    "fstatfs": 44, "getpid": 172, "ioctl": 29, "ioprio_set": 30, "keyctl": 219, "mkdirat": 34, "mknodat": 33,
    "mount": 40, "mount_setattr": 442, "move_mount": 429, "open_tree": 428, "openat": 56, "openat2": 437,
    "personality": 92, "pidfd_getfd": 438, "pivot_root": 41, "prctl": 167, "prlimit64": 261, "read": 63, "recvfrom":
    207, "rt_sigaction": 134, "rt_sigprocmask": 135, "sched_setaffinity": 122, "sched_setattr": 274, "seccomp": 277,
    "sendmsg": 211, "set_mempolicy": 237, "setdomainname": 162, "setgroups": 159, "sethostname": 161, "setns": 268,
    "setresgid": 149, "setresuid": 147, "setsid": 157, "socket": 198, "symlinkat": 36, "umask": 166, "umount2": 39,
    "unlinkat": 35, "unshare": 97, "write": 64, "writev": 66,
}  # fmt: skip

MACHINE = os.uname().machine
_KNOWN = {"x86_64": _X86_64, "aarch64": _AARCH64}


def numbers() -> dict[str, int]:
    """By name, for the running machine; raises `OSError` for an architecture that is not known here."""
    if MACHINE not in _KNOWN:
        raise OSError(0, f"no system call numbers for architecture {MACHINE!r}")
    return _KNOWN[MACHINE]

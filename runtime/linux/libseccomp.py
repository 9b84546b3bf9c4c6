"""The numbers of system calls by name, for every architecture that a process here can call as (libseccomp2)."""

from __future__ import annotations

from runtime.linux import foreign
from runtime.linux.numbers import MACHINE
from runtime.linux.seccomp import SeccompError
from runtime.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

NAMES = tuple("SCMP_ARCH_" + name for name in (
    "X86", "X86_64", "X32", "ARM", "AARCH64", "MIPS", "MIPS64", "MIPS64N32", "MIPSEL", "MIPSEL64", "MIPSEL64N32", "PPC",
    "PPC64", "PPC64LE", "S390", "S390X", "PARISC", "PARISC64", "RISCV64", "LOONGARCH64", "M68K", "SH", "SHEB",
))  # fmt: skip
"""What runtime-spec (config-linux.md, "Seccomp") and libseccomp 2.6 call the architectures."""

X32_BIT = 0x40000000  # asm/unistd.h: numbers of x32 have it, and the kernel's architecture is that of x86-64


class Architecture(Value):
    """An interface to the kernel: libseccomp's ``token`` for it, the kernel's (linux/audit.h), its numbers' first.

    ``narrow`` has arguments of 32 bits; ``multiplexed`` also offers calls through socketcall(2) and ipc(2).
    """

    name: str
    token: int
    audit: int
    first: int = 0
    narrow: bool = False
    multiplexed: bool = False


_FAMILIES = {
    "x86_64": (
        Architecture("SCMP_ARCH_X86_64", 0xC000003E, 0xC000003E),
        Architecture("SCMP_ARCH_X86", 0x40000003, 0x40000003, narrow=True, multiplexed=True),
        # The kernel looks at whole registers of an x32 caller, so a filter has to as well.
        Architecture("SCMP_ARCH_X32", 0x4000003E, 0xC000003E, first=X32_BIT),
    ),
    "aarch64": (
        Architecture("SCMP_ARCH_AARCH64", 0xC00000B7, 0xC00000B7),
        Architecture("SCMP_ARCH_ARM", 0x40000028, 0x40000028, narrow=True),
    ),
}

# arch/x86/entry/syscalls/syscall_32.tbl, of what libseccomp only names by how it is multiplexed
_DIRECT = {
    b"socket": 359, b"socketpair": 360, b"bind": 361, b"connect": 362, b"listen": 363, b"accept4": 364,
    b"getsockopt": 365, b"setsockopt": 366, b"getsockname": 367, b"getpeername": 368, b"sendto": 369, b"sendmsg": 370,
    b"recvfrom": 371, b"recvmsg": 372, b"shutdown": 373, b"recvmmsg": 337, b"sendmmsg": 345,
    b"semget": 393, b"semctl": 394, b"shmget": 395, b"shmctl": 396, b"shmat": 397, b"shmdt": 398,
    b"msgget": 399, b"msgsnd": 400, b"msgrcv": 401, b"msgctl": 402,
}  # fmt: skip
_SOCKETCALL, _IPC = 102, 117

_loaded: list[foreign.CDLL] = []


def family(machine: str = MACHINE) -> tuple[Architecture, ...]:
    """The running architecture, and then the others whose calls this kernel may take; raises `SeccompError`."""
    if machine not in _FAMILIES:
        raise SeccompError(f"compile a seccomp filter for architecture {machine!r}: its calls are not known here")
    return _FAMILIES[machine]


def resolver() -> Callable[[int, bytes], int]:
    """The number of a call by token and name: negative if it is unknown or the architecture lacks it."""
    if not _loaded:
        try:
            library = foreign.CDLL("libseccomp.so.2")
        except OSError as error:
            raise SeccompError(f"load libseccomp.so.2: {error} (Debian package libseccomp2)") from error
        library.seccomp_syscall_resolve_name_arch.argtypes = (foreign.c_uint32, foreign.c_char_p)
        _loaded.append(library)
    return _loaded[0].seccomp_syscall_resolve_name_arch


def direct(name: bytes) -> int | None:
    """The number of a call of 32-bit x86 that can also be made through another; None for one of old that has none."""
    return _DIRECT.get(name)


def multiplexer(number: int) -> tuple[int, int] | None:
    """The call to make it through, and what its first argument is then: from libseccomp's number, which is negative.

    It counts from -101 for linux/net.h and from -201 for linux/ipc.h.
    """
    if -120 <= number <= -101:
        return _SOCKETCALL, -100 - number
    if -224 <= number <= -201:
        return _IPC, -200 - number
    return None

"""What kernels and modules are packed with, and the programs that unpack it."""

from __future__ import annotations

import shutil
import subprocess

from hypervisor.errors import GuestError, HostLacks

# The first bytes of a stream, and what reads it. 02 21 4c 18 is LZ4's legacy frame, as the kernel's build writes it.
_UNPACKERS: tuple[tuple[bytes, str, str], ...] = (
    (b"\x02\x21\x4c\x18", "lz4", "lz4"),
    (b"\x28\xb5\x2f\xfd", "zstd", "zstd"),
    (b"\xfd7zXZ\x00", "xz", "xz-utils"),
    (b"\x1f\x8b", "gzip", "gzip"),
)


def is_packed(data: bytes) -> bool:
    """Whether ``data`` starts like a stream that `unpack` reads."""
    return any(data.startswith(magic) for magic, _, _ in _UNPACKERS)


def unpack(data: bytes) -> bytes:
    """The content of a compressed stream; raises `HostLacks` without the program that reads it."""
    for magic, program, package in _UNPACKERS:
        if data.startswith(magic):
            return _run(program, package, data)
    raise GuestError(f"unpack a stream that starts with {data[:6].hex()}: unknown compression")


def _run(program: str, package: str, data: bytes) -> bytes:
    if shutil.which(program) is None:
        raise HostLacks(f"unpack a kernel: no {program} on this host", hint=f"install {package}")
    done = subprocess.run([program, "-dc"], input=data, capture_output=True, check=False)
    if done.returncode != 0:
        raise GuestError(f"unpack with {program}: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout

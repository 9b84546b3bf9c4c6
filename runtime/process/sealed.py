"""A copy of our own executable that nobody can write to, in memory.

A process is started in a container by a child of ours, whose ``/proc/self/exe`` is our executable until it executes.
An image can ask for that very path to be executed, by name or in a ``#!`` line; what runs then can open the file, and
write to it once nobody executes it any more (CVE-2019-5736, which runc mends in the same way).
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_MFD_EXEC = 0x10  # linux/memfd.h, 6.3: asked for, because sysctl vm.memfd_noexec may make the opposite the default
_SEALS = fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE


@contextlib.contextmanager
def sealed_copy(path: str) -> Iterator[str]:
    """A path by which to execute the copy, until the context is left."""
    with open(_memfd(), "r+b", buffering=0) as copy, open(path, "rb", buffering=0) as original:
        shutil.copyfileobj(original, copy)
        fcntl.fcntl(copy, fcntl.F_ADD_SEALS, _SEALS)
        yield f"/proc/{os.getpid()}/fd/{copy.fileno()}"


def _memfd() -> int:
    flags = os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING
    try:
        return os.memfd_create("tare-launcher", flags | _MFD_EXEC)
    except OSError:  # an older kernel
        return os.memfd_create("tare-launcher", flags)

"""A copy of our own executable that nobody can write to, in memory.

A process is started in a container by a child of ours, whose ``/proc/self/exe`` is our executable until it executes.
An image can ask for that very path to be executed, by name or in a ``#!`` line; what runs then can open the file, and
write to it once nobody executes it any more (CVE-2019-5736, which runc mends in the same way).
"""

from __future__ import annotations

import os

from runtime.linux.elf import sealed_file
from runtime.unwinding import contextmanager

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def sealed_copy(path: str) -> Iterator[str]:
    """A path by which to execute the copy, until the context is left."""
    with open(path, "rb", buffering=0) as original:
        fd = sealed_file("tare-launcher", original.readall())
    try:
        yield f"/proc/{os.getpid()}/fd/{fd}"
    finally:
        os.close(fd)

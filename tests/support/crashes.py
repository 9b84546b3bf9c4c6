"""Killing an operation at each of its steps on the file system, one step further every time."""

from __future__ import annotations

import os
import signal
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

# What Python tells of (sys.addaudithook) before it changes or opens anything: everything that an operation does to a
# directory is between two of these. What goes by foreign functions (openat2) only looks.
_STEPS = frozenset(
    ("open", "fcntl.flock", "os.chmod", "os.chown", "os.link", "os.mkdir", "os.remove", "os.removexattr", "os.rename",
     "os.rmdir", "os.setxattr", "os.symlink", "os.truncate", "os.utime")
)  # fmt: skip
_REFUSED = 3


def steps_of(operation: Callable[[], object]) -> int:
    """How many steps the operation has; it is done in a child."""
    reader, writer = os.pipe()
    status = _in_child(operation, -1, writer)
    os.close(writer)
    with open(reader, "rb") as file:
        count = int(file.read())
    assert status == 0, "the operation fails by itself"
    return count


def killed_at(operation: Callable[[], object], step: int) -> None:
    """Do the operation in a child that is killed before the step."""
    assert _in_child(operation, step, -1) == -signal.SIGKILL


def points(count: int, most: int) -> list[int]:
    """At most so many of the steps, the first and the last among them."""
    stride = max(1, -(-count // most))
    return sorted({*range(1, count + 1, stride), count})


def _in_child(operation: Callable[[], object], step: int, report: int) -> int:
    pid = os.fork()
    if pid:
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    seen = 0

    def hook(event: str, _: tuple[object, ...]) -> None:
        nonlocal seen
        if event in _STEPS:
            seen += 1
            if seen == step:
                os.kill(os.getpid(), signal.SIGKILL)

    try:
        sys.addaudithook(hook)
        operation()
        if report >= 0:
            os.write(report, b"%d" % seen)
        os._exit(0)
    finally:
        os._exit(_REFUSED)

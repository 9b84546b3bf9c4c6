"""The processes of a group and of all groups below it: counted, and killed."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
from typing import TYPE_CHECKING

from runtime.cgroups.hierarchy import CgroupError

if TYPE_CHECKING:
    from runtime.cgroups.freezer import Freezer

_ATTEMPTS = 100


def members(directory: str, *, below: bool = True) -> tuple[int, ...]:
    """Their pids, as this process sees them; none where the group is gone."""
    if not below:
        return tuple(_listed(directory))
    return tuple(pid for path, _, _ in os.walk(directory) for pid in _listed(path))


def _listed(directory: str) -> list[int]:
    try:
        with open(f"{directory}/cgroup.procs", encoding="ascii") as file:
            return [int(pid) for pid in file.read().split()]
    except OSError as error:
        # A threaded group's processes are listed in the group above it that is not (cgroups(7)).
        if error.errno in {errno.ENOENT, errno.ENODEV, errno.EOPNOTSUPP}:
            return []
        raise CgroupError(f"read {directory}/cgroup.procs: {os.strerror(error.errno or 0).lower()}") from error


def kill_all(unified: str) -> bool:
    """End all of a group of version 2 at once, also those being forked; whether the kernel can (Linux 5.14)."""
    try:
        fd = os.open(f"{unified}/cgroup.kill", os.O_WRONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return not os.path.isdir(unified)
    try:
        os.write(fd, b"1")
    except OSError as error:
        if error.errno != errno.ENODEV:
            raise CgroupError(f"kill all in cgroup {unified}: {os.strerror(error.errno or 0).lower()}") from error
    finally:
        os.close(fd)
    return True


def signal_all(directory: str, number: int, freezer: Freezer | None) -> None:
    """Send the signal to each, with all of them stopped meanwhile, so that none forks away from it.

    What was frozen before is frozen afterwards, unless it was killed.
    """
    if freezer is None:
        _signal_until_all_have_it(directory, number)
        return
    was_frozen = freezer.is_frozen()
    try:
        # Not stopping in time is no reason to let them live.
        with contextlib.suppress(CgroupError):
            freezer.freeze()
        _send(members(directory), number)
    finally:
        if not was_frozen or number == signal.SIGKILL:
            freezer.thaw()


def _signal_until_all_have_it(directory: str, number: int) -> None:
    had: set[int] = set()
    for _ in range(_ATTEMPTS):
        new = set(members(directory)) - had
        if not new:
            return
        _send(tuple(new), number)
        had |= new
    raise CgroupError(f"signal all in cgroup {directory}: there are new processes again and again")


def _send(pids: tuple[int, ...], number: int) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)

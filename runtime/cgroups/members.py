"""The processes of a group and of all groups below it: counted, and killed."""

from __future__ import annotations

import errno
import os

from runtime.cgroups.hierarchy import CgroupError
from runtime.linux import signals
from runtime.unwinding import contextmanager, suppress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

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
    """Send the signal to each, with all of them stopped meanwhile if they can be, so that none forks away from it.

    Even so version 1 lets a fork slip by now and then: killing goes on until nobody new is there. What was frozen
    before is frozen afterwards, unless it was killed.
    """
    had: set[int] = set()
    stays = freezer is not None and number != signals.SIGKILL and freezer.is_frozen()
    for _ in range(_ATTEMPTS):
        with _stopped(freezer, stays=stays):
            new = set(members(directory)) - had
            _send(new, number)
            had |= new
        if number != signals.SIGKILL or not set(members(directory)) - had:
            return
    raise CgroupError(f"signal all in cgroup {directory}: there are new processes again and again")


@contextmanager
def _stopped(freezer: Freezer | None, *, stays: bool) -> Iterator[None]:
    if freezer is None:
        yield
        return
    # Not stopping in time is no reason to let them live.
    with suppress(CgroupError):
        freezer.freeze()
    try:
        yield
    finally:
        if not stays:
            freezer.thaw()


def _send(pids: set[int], number: int) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)

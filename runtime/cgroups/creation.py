"""Groups made in their hierarchies: parents first, and each as its version needs it before it can hold a process."""

from __future__ import annotations

import contextlib
import errno
import os

from runtime.cgroups.files import doing, read, read_if_there, write, write_raw
from runtime.cgroups.hierarchy import CgroupError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection

_ATTEMPTS = 10
_DELEGATED = "cgroup.procs cgroup.subtree_control cgroup.threads"


def make_v1(directory: str) -> list[str]:
    """Make the group and what is missing above; what was made, the highest first.

    Others remove their empty groups: a parent that was just seen may be gone when its child is to be made.
    """
    for _ in range(_ATTEMPTS):
        with contextlib.suppress(FileNotFoundError):
            return _make(directory)
        made = make_v1(os.path.dirname(directory))
        with contextlib.suppress(FileNotFoundError):
            return made + _make(directory)
    raise CgroupError(f"create cgroup {directory}: its parent is removed again and again")


def make_v2(mount: str, directory: str, required: Collection[str]) -> list[str]:
    """As `make_v1`, and hand down to the group every controller that there is.

    Only the lack of one that is ``required`` is an error.
    """
    made = []
    path = mount
    for part in directory[len(mount) + 1 :].split("/"):
        _hand_down(path, required)
        path = f"{path}/{part}"
        made += make_v1(path)
    _check(path, required)
    return made


def inherit_cpuset(directory: str) -> None:
    """Give a group of version 1 its parent's processors and memory nodes where it has none.

    A new one has none, and then takes no process (cgroup-v1/cpusets.rst).
    """
    for name in ("cpuset.cpus", "cpuset.mems"):
        if not read(f"{directory}/{name}").strip():
            above = os.path.dirname(directory)
            if not read(f"{above}/{name}").strip():
                inherit_cpuset(above)
            write(f"{directory}/{name}", read(f"{above}/{name}").strip())


def delegate(directory: str, uid: int) -> None:
    """Give a group of version 2 to a user, with the files that the kernel says are safe to give (cgroups(7))."""
    names = (read_if_there("/sys/kernel/cgroup/delegate") or _DELEGATED).split()
    with doing(f"give cgroup {directory} to user {uid}"):
        os.chown(directory, uid, -1)
        for name in names:
            with contextlib.suppress(FileNotFoundError):
                os.chown(f"{directory}/{name}", uid, -1)


def _make(directory: str) -> list[str]:
    """Raises `FileNotFoundError` when its parent is missing."""
    try:
        os.mkdir(directory, 0o755)
    except FileNotFoundError:
        raise
    except FileExistsError:
        return []
    except OSError as error:
        raise CgroupError(f"create cgroup {directory}: {_reason(error)}") from error
    return [directory]


def _hand_down(directory: str, required: Collection[str]) -> None:
    control = f"{directory}/cgroup.subtree_control"
    enabled = set(read(control).split())
    missing = [name for name in read(f"{directory}/cgroup.controllers").split() if name not in enabled]
    if not missing:
        return
    with contextlib.suppress(OSError):
        write_raw(control, " ".join(f"+{name}" for name in missing))
        return
    for name in missing:  # one that cannot be must not keep the others from it
        try:
            write_raw(control, f"+{name}")
        except OSError as error:
            if name in required:
                raise CgroupError(f"hand controller {name} down from {directory}: {_reason(error)}") from error


def _reason(error: OSError) -> str:
    if error.errno == errno.EBUSY:
        return 'it has processes of its own (cgroups(7), "no internal processes")'
    return os.strerror(error.errno or 0).lower()


def _check(directory: str, required: Collection[str]) -> None:
    lacking = sorted(set(required) - set(read(f"{directory}/cgroup.controllers").split()))
    if lacking:
        raise CgroupError(f"find cgroup controller {', '.join(lacking)}: not available in {directory}")
    kind = (read_if_there(f"{directory}/cgroup.type") or "domain").strip()
    if kind not in {"domain", "domain threaded"}:
        raise CgroupError(f"use cgroup {directory}: it is of type {kind}, which can hold no process of its own")

"""Groups made in their hierarchies: parents first, and each as its version needs it before it can hold a process."""

from __future__ import annotations

import errno
import os

from runtime.cgroups.cgroup import remove_directory
from runtime.cgroups.files import doing, read, read_if_there, write, write_raw
from runtime.cgroups.hierarchy import CgroupError
from runtime.cgroups.members import members
from runtime.unwinding import suppress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection

_ATTEMPTS = 10
_DELEGATED = "cgroup.procs cgroup.subtree_control cgroup.threads"


def make_v1(directory: str, made: list[str]) -> None:
    """Make the group and what is missing above, and add to ``made`` what was, also when it fails.

    Others remove their empty groups: a parent that was just seen may be gone when its child is to be made.
    """
    for _ in range(_ATTEMPTS):
        with suppress(FileNotFoundError):
            _make(directory, made)
            return
        make_v1(os.path.dirname(directory), made)
    raise CgroupError(f"create cgroup {directory}: its parent is removed again and again")


def make_v2(mount: str, directory: str, required: Collection[str], made: list[str]) -> None:
    """As `make_v1`, and hand down to the group every controller that there is.

    Only the lack of one that is ``required`` is an error.
    """
    path = mount
    for part in directory[len(mount) + 1 :].split("/"):
        _hand_down(path, required)
        path = f"{path}/{part}"
        make_v1(path, made)
    _check(path, required)


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


def check_unused(directory: str) -> None:
    """Raise `CgroupError` for a group that somebody else uses."""
    pids = members(directory)
    if pids:
        raise CgroupError(f"take cgroup {directory}: {len(pids)} processes are in it already")
    state = read_if_there(f"{directory}/freezer.self_freezing") or read_if_there(f"{directory}/cgroup.freeze") or "0"
    if state.strip() == "1":
        raise CgroupError(f"take cgroup {directory}: it is frozen")


def remove_all(made: list[str]) -> None:
    """Take back what was made."""
    for directory in reversed(made):
        remove_directory(directory)


def delegate(directory: str, uid: int) -> None:
    """Give a group of version 2 to a user, with the files that the kernel says are safe to give (cgroups(7))."""
    names = (read_if_there("/sys/kernel/cgroup/delegate") or _DELEGATED).split()
    with doing(f"give cgroup {directory} to user {uid}"):
        os.chown(directory, uid, -1)
        for name in names:
            with suppress(FileNotFoundError):
                os.chown(f"{directory}/{name}", uid, -1)


def _make(directory: str, made: list[str]) -> None:
    """Raises `FileNotFoundError` when its parent is missing."""
    try:
        os.mkdir(directory, 0o755)
    except FileNotFoundError:
        raise
    except FileExistsError:
        pass
    except OSError as error:
        raise CgroupError(f"create cgroup {directory}: {_reason(error)}") from error
    else:
        made.append(directory)


def _hand_down(directory: str, required: Collection[str]) -> None:
    control = f"{directory}/cgroup.subtree_control"
    enabled = set(read(control).split())
    missing = [name for name in read(f"{directory}/cgroup.controllers").split() if name not in enabled]
    if not missing:
        return
    try:
        write_raw(control, " ".join(f"+{name}" for name in missing))
    except OSError as error:
        if error.errno != errno.EBUSY:
            for name in missing:  # one that cannot be must not keep the others from it
                _hand_one_down(directory, name, required=name in required)
        # Some can be handed down by a group that has processes; but it would become a threaded one by that, and those
        # below of no use to a container (cgroup-v2.rst, "Threads").
        elif wanted := [name for name in missing if name in required]:
            raise CgroupError(f"hand controller {wanted[0]} down from {directory}: {_reason(error)}") from error


def _hand_one_down(directory: str, name: str, *, required: bool) -> None:
    try:
        write_raw(f"{directory}/cgroup.subtree_control", f"+{name}")
    except OSError as error:
        if required:
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

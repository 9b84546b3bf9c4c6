"""The way into a group for a child of ours, which must not be outside it even for a moment."""

from __future__ import annotations

import os

from runtime.cgroups.files import doing, read_if_there
from runtime.cgroups.hierarchy import UNIFIED
from runtime.cgroups.members import members
from runtime.unwinding import ExitStack, contextmanager
from runtime.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


class Entrance(Value):
    """Open descriptors by which a child comes into the group, none of which a program inherits.

    The child writes ``0`` to each of ``tasks``, which does not wait for an RCU grace period as ``cgroup.procs`` does;
    and it is born in ``directory``, unless that is None (``CLONE_INTO_CGROUP``).
    """

    tasks: tuple[int, ...]
    directory: int | None


@contextmanager
def open_entrance(version: int, paths: Mapping[str, str], beside: int | None) -> Iterator[Entrance]:
    """To the group at ``paths``, or to where the process ``beside`` is in it, while the body runs."""
    with ExitStack() as stack:
        unified = paths.get(UNIFIED)
        tasks = dict.fromkeys(path for path in paths.values() if path != unified)
        fds = tuple(_open(stack, f"{path}/tasks", os.O_WRONLY) for path in tasks)
        if unified is not None and beside is not None and version == 2:
            unified = _group_of(beside, unified)
        yield Entrance(fds, None if unified is None else _open(stack, unified, os.O_PATH | os.O_DIRECTORY))


def _open(stack: ExitStack, path: str, flags: int) -> int:
    with doing(f"open {path}"):
        fd = os.open(path, flags | os.O_CLOEXEC)
    stack.callback(os.close, fd)
    return fd


def _group_of(pid: int, group: str) -> str:
    """The group of the process, if ``group`` hands controllers down to those below it, or else that."""
    if not (read_if_there(f"{group}/cgroup.subtree_control") or "").split():
        return group
    return next((path for path, _, _ in os.walk(group) if pid in members(path, below=False)), group)

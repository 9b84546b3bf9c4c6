"""A network and a mount namespace for others' programs, which threads of ours enter to start them."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from bench.calibration import commands
from bench.workload import WorkloadError
from runtime.linux import constants, syscalls
from runtime.linux.numbers import numbers

if TYPE_CHECKING:
    from collections.abc import Sequence


def enter(namespaces: Sequence[int]) -> None:
    """Let this thread be in them from now on; call it in a thread that does nothing else."""
    _unshare(constants.CLONE_FS)  # threads share the root and the working directory until then
    for fd in namespaces:
        syscalls.setns(fd, 0)


def make_namespaces() -> tuple[int, ...]:
    """Descriptors of new ones, which live as long as these or anything in them."""

    def leave() -> tuple[int, ...]:
        _unshare(constants.CLONE_NEWNET | constants.CLONE_NEWNS)
        commands.run("mount", "--make-rslave", "/")
        kinds = ("net", "mnt")
        return tuple(os.open(f"/proc/thread-self/ns/{kind}", os.O_RDONLY | os.O_CLOEXEC) for kind in kinds)

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(leave).result()


def _unshare(flags: int) -> None:
    if syscalls.raw(numbers()["unshare"], flags) < 0:
        raise WorkloadError("make namespaces for an engine: the kernel refuses")

"""Limits that the parent sets for a process that waits: itself, in its namespaces, it perhaps may not."""

from __future__ import annotations

import os
import resource

from runtime.container.errors import ContainerError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runtime.spec.execution import OciProcess


def set_limits(pid: int, process: OciProcess) -> None:
    """prlimit(2) and oom_score_adj; raises `ContainerError` naming the property."""
    for index, limit in enumerate(process.rlimits):
        try:
            resource.prlimit(pid, limit.resource, (_signed(limit.soft), _signed(limit.hard)))
        except (OSError, ValueError) as error:
            raise ContainerError(f"process.rlimits[{index}]: set {limit.type}: {str(error).lower()}") from error
    if process.oom_score_adj is not None:
        try:
            with open(f"/proc/{pid}/oom_score_adj", "w", encoding="ascii") as file:
                file.write(str(process.oom_score_adj))
        except OSError as error:
            raise ContainerError(f"process.oomScoreAdj: {os.strerror(error.errno or 0).lower()}") from error


def _signed(number: int) -> int:
    """RLIM_INFINITY is -1 to Python."""
    return -1 if number >= 1 << 63 else number

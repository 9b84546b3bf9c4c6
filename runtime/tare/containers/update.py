"""``update``."""

from __future__ import annotations

from runtime.engine.options import Limits
from runtime.tare.containers import texts
from runtime.tare.containers.creation import restart_policy
from runtime.tare.containers.several import each
from runtime.tare.errors import FAILED, UsageError
from runtime.tare.flags import Flag, whole
from runtime.tare.output.sizes import parse_memory
from runtime.tare.verb import Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runtime.engine.container import Container
    from runtime.tare.context import Session
    from runtime.tare.flags import Given

_FIELDS = {
    "memory": "memory_bytes",
    "memory-swap": "memory_swap_bytes",
    "memory-reservation": "memory_reservation_bytes",
    "cpus": "cpus",
    "cpu-shares": "cpu_shares",
    "cpu-period": "cpu_period",
    "cpu-quota": "cpu_quota",
    "cpuset-cpus": "cpuset_cpus",
    "cpuset-mems": "cpuset_mems",
    "pids-limit": "pids_limit",
    "blkio-weight": "blkio_weight",
    "restart": "restart",
}


def perform(session: Session, given: Given) -> int:
    """Change what was given, and nothing else."""
    changed = {field: given.value(flag) for flag, field in _FIELDS.items() if given.was(flag)}
    if not changed:
        raise UsageError("you must provide one or more flags when using this command", FAILED)
    if "restart" in changed:
        changed["restart"] = restart_policy(changed["restart"])
    limits = Limits(**changed)

    def update(container: Container) -> None:
        session.engine.containers.update(container, limits)

    return each(session, given.arguments, update)


UPDATE = Verb(
    "update [OPTIONS] CONTAINER [CONTAINER...]",
    "Update configuration of one or more containers",
    perform,
    (
        Flag("blkio-weight", "Block IO (relative weight), between 10 and 1000, or 0 to disable", metavar="uint16",
             convert=whole),
        Flag("cpu-period", "Limit CPU CFS (Completely Fair Scheduler) period", metavar="int", convert=whole),
        Flag("cpu-quota", "Limit CPU CFS (Completely Fair Scheduler) quota", metavar="int", convert=whole),
        Flag("cpu-shares", "CPU shares (relative weight)", short="c", metavar="int", convert=whole),
        Flag("cpus", "Number of CPUs", metavar="decimal", convert=texts.cpus),
        Flag("cpuset-cpus", "CPUs in which to allow execution (0-3, 0,1)", metavar="string"),
        Flag("cpuset-mems", "MEMs in which to allow execution (0-3, 0,1)", metavar="string"),
        Flag("memory", "Memory limit", short="m", metavar="bytes", convert=parse_memory),
        Flag("memory-reservation", "Memory soft limit", metavar="bytes", convert=parse_memory),
        Flag("memory-swap", "Swap limit equal to memory plus swap: -1 to enable unlimited swap", metavar="bytes",
             convert=texts.memory_or_none),
        Flag("pids-limit", "Tune container pids limit (set -1 for unlimited)", metavar="int", convert=whole),
        Flag("restart", "Restart policy to apply when a container exits", metavar="string"),
    ),
    least=1,
    most=None,
)  # fmt: skip

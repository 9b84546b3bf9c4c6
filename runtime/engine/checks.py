"""What is refused before anything is made, in Docker's words (daemon/container.go, daemon/daemon_unix.go)."""

from __future__ import annotations

from runtime.engine.errors import BadOption
from runtime.engine.rights import check_rights

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runtime.engine.options import CreateOptions, Limits

_LEAST_MEMORY = 6 << 20
_LEAST_RESERVATION = 6 << 20
_POLICIES = frozenset({"no", "always", "unless-stopped", "on-failure"})
_LEAST_WEIGHT, _MOST_WEIGHT = 10, 1000


def check(options: CreateOptions) -> None:
    """Raise `BadOption` for what makes no sense."""
    if not options.image:
        raise BadOption("an image is needed to make a container")
    check_restart(options.restart)
    if options.auto_remove and options.restart != "no":
        raise BadOption("can't create 'AutoRemove' container with restart policy")
    if options.workdir and not options.workdir.startswith("/"):
        raise BadOption(f"the working directory '{options.workdir}' is invalid, it needs to be an absolute path")
    _check_env(options.env)
    _check_network(options)
    check_memory(options)
    check_processors(options)
    check_rights(options)


def check_restart(policy: str) -> None:
    """``no``, ``always``, ``unless-stopped`` or ``on-failure[:N]``."""
    name, colon, count = policy.partition(":")
    if name not in _POLICIES:
        raise BadOption(f"invalid restart policy '{policy}'")
    if colon and name != "on-failure":
        raise BadOption(f"maximum retry count cannot be used with restart policy '{name}'")
    if colon and not (count.isascii() and count.isdigit()):
        raise BadOption("maximum retry count must be an integer")


def _check_env(env: tuple[str, ...]) -> None:
    for entry in env:
        if not entry or entry.startswith("=") or "\0" in entry:
            raise BadOption(f"invalid environment variable: {entry}")


def _check_network(options: CreateOptions) -> None:
    network = options.network
    if not network.startswith("container:"):
        if network == "host" and options.mac:
            raise BadOption("conflicting options: mac-address and the network mode")
        return
    given = {
        "hostname": options.hostname,
        "dns": options.dns,
        "extra hosts": options.extra_hosts,
        "mac-address": options.mac,
        "port publishing": options.ports or options.publish_all,
        "port exposing": options.expose,
    }
    for name, content in given.items():
        if content:
            raise BadOption(f"conflicting options: {name} and the container type network mode")


def check_memory(options: CreateOptions | Limits) -> None:
    """Limits that fit each other."""
    memory, swap = options.memory_bytes or 0, options.memory_swap_bytes or 0
    reservation = options.memory_reservation_bytes or 0
    if 0 < memory < _LEAST_MEMORY:
        raise BadOption("Minimum memory limit allowed is 6MB")
    if swap > 0 and not memory:
        raise BadOption("You should always set the Memory limit when using Memoryswap limit, see usage")
    if 0 < swap < memory:
        raise BadOption("Minimum memoryswap limit should be larger than memory limit, see usage")
    if 0 < reservation < _LEAST_RESERVATION:
        raise BadOption("Minimum memory reservation allowed is 6MB")
    if memory and reservation > memory:
        raise BadOption("Minimum memory limit can not be less than memory reservation limit, see usage")


def check_processors(options: CreateOptions | Limits) -> None:
    """What the host has, and what a weight may be."""
    import os

    cpus, most = options.cpus or 0, os.cpu_count() or 1
    if cpus < 0 or cpus > most:
        raise BadOption(
            f"range of CPUs is from 0.01 to {most}.00, as there are only {most} CPUs available"
        )
    if cpus and (options.cpu_quota or options.cpu_period):
        raise BadOption("Conflicting options: Nano CPUs and CPU Period cannot both be set")
    weight = options.blkio_weight or 0
    if weight and not _LEAST_WEIGHT <= weight <= _MOST_WEIGHT:
        raise BadOption("Range of blkio weight is from 10 to 1000")
    if (options.pids_limit or 0) < -1:
        raise BadOption("Invalid value: pids limit has to be -1 or more")

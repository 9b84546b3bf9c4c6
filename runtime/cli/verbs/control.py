"""``pause``, ``resume`` and ``update``: change a container that is there."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

from runtime.container.errors import ContainerError, WrongStatus
from runtime.container.state import Status
from runtime.container.update import update

if TYPE_CHECKING:
    import argparse

    from runtime.cli.oci import Command
    from runtime.container.store import Container

# The options of update, and the property of the resources that each sets.
_NUMBERS = {
    "--blkio-weight": ("blockIO", "weight"), "--cpu-period": ("cpu", "period"), "--cpu-quota": ("cpu", "quota"),
    "--cpu-burst": ("cpu", "burst"), "--cpu-share": ("cpu", "shares"), "--cpu-rt-period": ("cpu", "realtimePeriod"),
    "--cpu-rt-runtime": ("cpu", "realtimeRuntime"), "--cpu-idle": ("cpu", "idle"), "--memory": ("memory", "limit"),
    "--memory-reservation": ("memory", "reservation"), "--memory-swap": ("memory", "swap"),
    "--kernel-memory": ("memory", "kernel"), "--kernel-memory-tcp": ("memory", "kernelTCP"),
    "--pids-limit": ("pids", "limit"),
}  # fmt: skip
_TEXTS = {"--cpuset-cpus": ("cpu", "cpus"), "--cpuset-mems": ("cpu", "mems")}
_UNITS = {"k": 10, "m": 20, "g": 30, "t": 40}


def arguments(parser: argparse.ArgumentParser, verb: str) -> None:
    """What each takes."""
    if verb == "update":
        parser.add_argument("--resources", "-r", metavar="FILE", help="linux.resources as JSON, - for stdin")
        for option in (*_NUMBERS, *_TEXTS):
            parser.add_argument(option, metavar="N" if option in _NUMBERS else "LIST")
    parser.add_argument("id", metavar="ID")


def perform(command: Command, verb: str, options: argparse.Namespace) -> int:
    """Do it."""
    container = command.store.find(options.id)
    if verb == "update":
        update(container, _resources(options))
        return 0
    with container.locked():
        _switch(container, verb)
    return 0


def _switch(container: Container, verb: str) -> None:
    state = container.state()
    status = container.status(state)
    if verb == "pause":
        if status not in {Status.RUNNING, Status.CREATED}:
            raise WrongStatus(f"pause container {container.id!r}: it is {status.value}, not running")
        state.group.freeze()
    else:
        if status is not Status.PAUSED:
            raise WrongStatus(f"resume container {container.id!r}: it is {status.value}, not paused")
        state.group.thaw()


def _resources(options: argparse.Namespace) -> dict[str, Any]:
    if options.resources is not None:
        return _read(options.resources)
    resources: dict[str, Any] = {}
    for option, (part, name) in (_NUMBERS | _TEXTS).items():
        given = getattr(options, option.removeprefix("--").replace("-", "_"))
        if given is not None:
            resources.setdefault(part, {})[name] = _number(option, given) if option in _NUMBERS else given
    return resources


def _read(path: str) -> dict[str, Any]:
    try:
        if path == "-":
            document = json.load(sys.stdin)
        else:
            with open(path, encoding="utf-8") as file:
                document = json.load(file)
    except ValueError as error:
        raise ContainerError(f"--resources {path}: {error}") from error
    return document  # type: ignore[no-any-return]


def _number(option: str, text: str) -> int:
    """With a unit where it is an amount of memory: 64m."""
    shift = _UNITS.get(text[-1:].lower(), 0) if "memory" in option else 0
    try:
        return int(text[:-1] if shift else text) << shift
    except ValueError:
        raise ContainerError(f"{option} {text!r}: not a number") from None

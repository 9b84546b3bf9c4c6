"""``pause``, ``resume`` and ``update``: change a container that is there."""

from __future__ import annotations

import sys

from runtime import jsontext
from runtime.cli.options import Option, Syntax
from runtime.container.errors import ContainerError, WrongStatus
from runtime.container.state import Status
from runtime.container.update import update

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from runtime.cli.oci import Command
    from runtime.cli.options import Given
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


SYNTAX = {
    "pause": Syntax((), "ID", 1, 1),
    "resume": Syntax((), "ID", 1, 1),
    "update": Syntax(
        (
            Option("resources", "linux.resources as JSON, - for stdin", short="r", metavar="FILE"),
            *(Option(name[2:], f"{part}.{prop}", metavar="N") for name, (part, prop) in _NUMBERS.items()),
            *(Option(name[2:], f"{part}.{prop}", metavar="LIST") for name, (part, prop) in _TEXTS.items()),
        ),
        "ID", 1, 1,
    ),
}  # fmt: skip


def perform(command: Command, verb: str, given: Given) -> int:
    """Do it."""
    container = command.store.find(given.arguments[0])
    if verb == "update":
        update(container, _resources(given))
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


def _resources(given: Given) -> dict[str, Any]:
    if given.resources is not None:
        return _read(given.resources)
    resources: dict[str, Any] = {}
    for option, (part, name) in (_NUMBERS | _TEXTS).items():
        wanted = getattr(given, option.removeprefix("--").replace("-", "_"))
        if wanted is not None:
            resources.setdefault(part, {})[name] = _number(option, wanted) if option in _NUMBERS else wanted
    return resources


def _read(path: str) -> dict[str, Any]:
    try:
        if path == "-":
            document = jsontext.loads(sys.stdin.read())
        else:
            with open(path, encoding="utf-8") as file:
                document = jsontext.loads(file.read())
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

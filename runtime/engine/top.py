"""The processes of a container, as ps(1) of the host shows them (moby, daemon/top_unix.go)."""

from __future__ import annotations

import os

from runtime.engine.errors import BadOption, EngineError, NotRunning
from runtime.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from runtime.engine.container import Container

_DEFAULT = ("-ef",)
_PID = "PID"


class ProcessTable(Value):
    """``titles`` and ``processes`` as ps has them, one text for each title."""

    titles: tuple[str, ...]
    processes: tuple[tuple[str, ...], ...]


def top(container: Container, arguments: Sequence[str] = ()) -> ProcessTable:
    """The processes of one that runs, by ps with these arguments; raises `NotRunning`, `BadOption` or `EngineError`."""
    from runtime.cgroups.group import ContainerCgroup
    from runtime.engine.stats import GROUPS

    if not container.state.pid:
        raise NotRunning(container.id)
    pids = ContainerCgroup.resolve(f"{GROUPS}/{container.id}", container.id).pids()
    wanted = tuple(arguments) or _DEFAULT
    _refuse(wanted)
    return parse(_ps(wanted), set(pids))


def parse(output: str, pids: Collection[int]) -> ProcessTable:
    """The lines of these processes; raises `EngineError` for an output without a column of pids."""
    lines = output.splitlines()
    titles = tuple(lines[0].split()) if lines else ()
    if _PID not in titles:
        raise EngineError("Couldn't find PID field in ps output")
    column = titles.index(_PID)
    processes = []
    for line in lines[1:]:
        fields = line.split(None, len(titles) - 1)
        if len(fields) > column and fields[column].isdecimal() and int(fields[column]) in pids:
            processes.append(tuple(field.rstrip() for field in fields))
    return ProcessTable(titles, tuple(processes))


def _refuse(arguments: Sequence[str]) -> None:
    """Titles of the user's own could call anything PID (moby, validatePSArgs)."""
    for argument in arguments:
        if "=" in argument and _PID.lower() in argument.partition("=")[2].lower():
            raise BadOption(f'specifying "{argument}" is not allowed')


def _ps(arguments: Sequence[str]) -> str:
    import subprocess

    environment = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C.UTF-8"}
    try:
        done = subprocess.run(
            ("ps", *arguments), capture_output=True, text=True, errors="replace", check=False, env=environment,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
    except OSError as error:
        raise EngineError(f"run ps: {os.strerror(error.errno or 0).lower()}") from error
    if done.returncode != 0 and not done.stdout:
        first = (done.stderr.strip().splitlines() or ["it failed"])[0]
        raise EngineError(f"Error running ps: {first}")
    return done.stdout

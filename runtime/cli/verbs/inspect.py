"""``state``, ``list`` and ``ps``: what there is."""

from __future__ import annotations

import os
import pwd

from runtime import jsontext
from runtime.cli.options import Option, Syntax
from runtime.container.errors import ContainerError, NotFound
from runtime.container.state import Status, oci_state

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from runtime.cli.oci import Command
    from runtime.cli.options import Given
    from runtime.container.store import Container

_COLUMNS = (("ID", "id"), ("PID", "pid"), ("STATUS", "status"), ("BUNDLE", "bundle"), ("CREATED", "created"),
            ("OWNER", "owner"))  # fmt: skip


_FORMAT = Option("format", "table or json", short="f", metavar="FORMAT", default="table", choices=("table", "json"))
SYNTAX = {
    "state": Syntax((), "ID", 1, 1),
    "list": Syntax((_FORMAT, Option("quiet", "ids only", short="q"))),
    "ps": Syntax((_FORMAT,), "ID [PS OPTION…]", 1, None),
}


def perform(command: Command, verb: str, given: Given) -> int:
    """Print it."""
    if verb == "state":
        container = command.store.find(given.arguments[0])
        _print_json(_seen(container), indent=2)
    elif verb == "list":
        _list(command, given)
    else:
        _ps(command.store.find(given.arguments[0]), given)
    return 0


def _seen(container: Container) -> dict[str, Any]:
    state = container.state()
    return oci_state(state, container.status(state))


def _print_json(value: object, indent: int | None = None) -> None:
    print(jsontext.dumps(value, indent=indent))  # noqa: T201


def _list(command: Command, given: Given) -> None:
    rows = []
    for container in command.store.all():
        try:
            rows.append(_seen(container) | {"owner": _user_name(container.state().owner)})
        except NotFound:  # it is being made, or went meanwhile
            continue
    if given.quiet:
        print("".join(f"{row['id']}\n" for row in rows), end="")  # noqa: T201
    elif given.format == "json":
        _print_json(rows)
    else:
        _print_table([[title for title, _ in _COLUMNS], *([str(row[name]) for _, name in _COLUMNS] for row in rows)])


def _user_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"#{uid}"


def _print_table(rows: list[list[str]]) -> None:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print("   ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())  # noqa: T201


def _ps(container: Container, given: Given) -> None:
    state = container.state()
    pids = () if container.status(state) is Status.STOPPED else state.group.pids()
    if given.format == "json":
        _print_json(pids)
        return
    import subprocess

    try:
        done = subprocess.run(("ps", *(given.arguments[1:] or ("-ef",))), capture_output=True, text=True, check=False,
                              env={**os.environ, "LC_ALL": "C.UTF-8"})  # fmt: skip
    except OSError as error:
        raise ContainerError(f"run ps: {os.strerror(error.errno or 0).lower()}") from error
    if done.returncode:
        raise ContainerError(f"run ps: {done.stderr.strip()}")
    print(_filtered(done.stdout, set(map(str, pids))), end="")  # noqa: T201


def _filtered(table: str, pids: set[str]) -> str:
    """The lines of ps(1) that are about these pids; raises `ContainerError` if it shows none."""
    title, *lines = table.splitlines()
    if "PID" not in title.split():
        raise ContainerError("run ps: its output has no column PID, by which the container's lines are known")
    column = title.split().index("PID")
    return "".join(f"{line}\n" for line in (title, *(line for line in lines if line.split()[column] in pids)))

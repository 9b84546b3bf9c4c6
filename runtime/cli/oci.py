"""``tare-runtime``: the command line by which engines drive an OCI runtime, with runc's verbs and options."""

from __future__ import annotations

import os
import sys

from runtime import VERSION
from runtime.cgroups.hierarchy import CgroupError
from runtime.cli.log import Log
from runtime.cli.options import Option, Syntax, UsageError, parse, usage
from runtime.container.errors import ContainerError
from runtime.container.store import Store
from runtime.linux.program import Failure
from runtime.spec.reader import SpecError
from runtime.spec.version import NEWEST
from runtime.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import NoReturn, Protocol

    from runtime.cli.options import Given

    class Verb(Protocol):
        """A module of `runtime.cli.verbs`: what its verbs take, and what they do."""

        SYNTAX: dict[str, Syntax]

        def perform(self, command: Command, verb: str, given: Given) -> int:
            """Do it; the exit status."""


_FAILED, _USAGE, _EXEC_FAILED, _INTERRUPTED = 1, 2, 255, 130
_PROGRAM = "tare-runtime"

# Only the module of the verb that was asked for is loaded.
_VERBS = {
    "create": "lifecycle", "start": "lifecycle", "run": "lifecycle", "kill": "lifecycle", "delete": "lifecycle",
    "exec": "process", "state": "inspect", "list": "inspect", "ps": "inspect",
    "pause": "control", "resume": "control", "update": "control", "events": "events", "stats": "events",
    "spec": "describe", "features": "describe", "checkpoint": "checkpoint", "restore": "checkpoint",
}  # fmt: skip

_HELP = Option("help", "show this", short="h")
_GLOBAL = Syntax(
    (
        Option("root", "where containers are remembered", metavar="DIRECTORY"),
        Option("log", "where errors are written besides stderr", metavar="FILE"),
        Option("log-format", "text or json", metavar="FORMAT", default="text", choices=("text", "json")),
        Option("debug", "say more"),
        Option("systemd-cgroup", "refused: there is only the cgroupfs driver"),
        Option("rootless", "accepted for compatibility: it is found out", metavar="WHETHER"),
        Option("criu", "accepted for compatibility", metavar="PATH"),
        Option("version", "show the version", short="v"),
        _HELP,
    ),
    "VERB …",
    most=None,
)


class Command(Value):
    """What holds for every verb."""

    store: Store
    log: Log


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """Run one command and end with its exit status."""
    status = _main(list(sys.argv[1:] if argv is None else argv))
    sys.stdout.flush()
    os._exit(status)  # nothing is left to be torn down, and a process that waits shares nothing with us


def _main(argv: list[str]) -> int:
    try:
        given = parse(_GLOBAL, argv)
        if given.help or given.version:
            return _tell(_about() if given.help else f"{_PROGRAM} version {VERSION}\nspec: {NEWEST}")
        return _run(given, *_verb_of(given.arguments))
    except UsageError as error:
        Log().failure(str(error))
        return _USAGE


def _verb_of(arguments: list[str]) -> tuple[str, list[str]]:
    verb, *rest = arguments or [""]
    if verb not in _VERBS:
        raise UsageError(f"{verb or 'nothing to do'}: no such verb ({_PROGRAM} --help)")
    return verb, rest


def _tell(text: str) -> int:
    print(text)  # noqa: T201
    return 0


def _about() -> str:
    return usage(_PROGRAM, _GLOBAL, f"Run containers by the OCI runtime specification. Verbs: {', '.join(_VERBS)}.")


def _run(given: Given, verb: str, rest: list[str]) -> int:
    log = Log(given.log, given.log_format, given.debug)
    # Not by importlib, which brings warnings.
    module: Verb = __import__(f"runtime.cli.verbs.{_VERBS[verb]}", fromlist=("SYNTAX",))
    syntax = module.SYNTAX[verb]
    options = parse(Syntax((*syntax.options, _HELP), syntax.arguments, 0, None), rest)
    if options.help:
        return _tell(usage(f"{_PROGRAM} {verb}", syntax, ""))
    options = parse(syntax, rest)
    if given.systemd_cgroup:
        log.failure("--systemd-cgroup: systemd's driver is not supported here; use cgroupfs")
        return _FAILED
    try:
        return module.perform(Command(Store(given.root or _default_root()), log), verb, options)
    except (ContainerError, SpecError, CgroupError, Failure) as error:
        log.failure(str(error))
    except OSError as error:
        log.failure(": ".join(filter(None, (verb, error.filename, error.strerror or str(error)))))
    except KeyboardInterrupt:
        return _INTERRUPTED
    return _EXEC_FAILED if verb == "exec" else _FAILED


def _default_root() -> str:
    runtime_directory = os.environ.get("XDG_RUNTIME_DIR")
    return f"{runtime_directory}/tare-runtime" if os.geteuid() and runtime_directory else "/run/tare-runtime"

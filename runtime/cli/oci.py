"""``tare-runtime``: the command line by which engines drive an OCI runtime, with runc's verbs and options."""

from __future__ import annotations

import argparse
import os
import sys
from importlib import import_module
from typing import TYPE_CHECKING

from runtime import VERSION
from runtime.cgroups.hierarchy import CgroupError
from runtime.cli.log import Log
from runtime.container.errors import ContainerError
from runtime.container.store import Store
from runtime.linux.program import Failure
from runtime.spec.reader import SpecError
from runtime.spec.version import NEWEST
from runtime.values import value

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import NoReturn, Protocol

    class Verb(Protocol):
        """A module of `runtime.cli`: what it takes, and what it does."""

        def arguments(self, parser: argparse.ArgumentParser, verb: str) -> None:
            """Add the verb's options."""

        def perform(self, command: Command, verb: str, options: argparse.Namespace) -> int:
            """Do it; the exit status."""


_FAILED, _USAGE, _EXEC_FAILED, _INTERRUPTED = 1, 2, 255, 130

# Only the module of the verb that was asked for is loaded.
_VERBS = {
    "create": "lifecycle", "start": "lifecycle", "run": "lifecycle", "kill": "lifecycle", "delete": "lifecycle",
    "exec": "process", "state": "inspect", "list": "inspect", "ps": "inspect",
    "pause": "control", "resume": "control", "update": "control", "events": "events", "stats": "events",
    "spec": "describe", "features": "describe", "checkpoint": "checkpoint", "restore": "checkpoint",
}  # fmt: skip


@value
class Command:
    """What holds for every verb."""

    store: Store
    log: Log


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """Run one command and end with its exit status."""
    status = _main(list(sys.argv[1:] if argv is None else argv))
    sys.stdout.flush()
    os._exit(status)  # nothing is left to be torn down, and a process that waits shares nothing with us


def _main(argv: list[str]) -> int:
    parser = _parser()
    given = parser.parse_args(argv)
    log = Log(given.log, given.log_format, given.debug)
    module: Verb = import_module(f"runtime.cli.verbs.{_VERBS[given.verb]}")
    sub = argparse.ArgumentParser(prog=f"tare-runtime {given.verb}", allow_abbrev=False)
    module.arguments(sub, given.verb)
    options = sub.parse_args(given.rest)
    if given.systemd_cgroup:
        log.failure("--systemd-cgroup: systemd's driver is not supported here; use cgroupfs")
        return _FAILED
    try:
        return module.perform(Command(Store(given.root), log), given.verb, options)
    except (ContainerError, SpecError, CgroupError, Failure) as error:
        log.failure(str(error))
    except OSError as error:
        log.failure(f"{given.verb}: {error.filename or ''}: {error.strerror or error}")
    except KeyboardInterrupt:
        return _INTERRUPTED
    return _EXEC_FAILED if given.verb == "exec" else _FAILED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tare-runtime", allow_abbrev=False, description="Run containers by the OCI runtime specification.",
        epilog=f"verbs: {', '.join(_VERBS)}; tare-runtime VERB --help tells more",
    )  # fmt: skip
    parser.add_argument("--root", default=_default_root(), help="where containers are remembered [%(default)s]")
    parser.add_argument("--log", metavar="FILE", help="where errors are written besides stderr")
    parser.add_argument("--log-format", choices=("text", "json"), default="text")
    parser.add_argument("--debug", action="store_true", help="say more")
    parser.add_argument("--systemd-cgroup", action="store_true", help="refused: there is only the cgroupfs driver")
    parser.add_argument("--rootless", metavar="WHETHER", help="accepted for compatibility: it is found out")
    parser.add_argument("--criu", metavar="PATH", help="accepted for compatibility")
    parser.add_argument("--version", "-v", action="version", version=f"tare-runtime version {VERSION}\nspec: {NEWEST}")
    parser.add_argument("verb", choices=_VERBS, metavar="VERB")
    parser.add_argument("rest", nargs=argparse.REMAINDER, metavar="…")
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    return parser


def _default_root() -> str:
    runtime_directory = os.environ.get("XDG_RUNTIME_DIR")
    return f"{runtime_directory}/tare-runtime" if os.geteuid() and runtime_directory else "/run/tare-runtime"

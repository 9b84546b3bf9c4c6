"""``checkpoint`` and ``restore``: by CRIU, where that is installed."""

from __future__ import annotations

import os

from runtime.cli.options import Option, Syntax
from runtime.cli.verbs.sharing import write_pid_file
from runtime.container.checkpoint import CheckpointOptions, checkpoint, restore

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runtime.cli.oci import Command
    from runtime.cli.options import Given

_SWITCHES = ("tcp-established", "ext-unix-sk", "shell-job", "file-locks")


_WHERE = (
    Option("image-path", "of the images", metavar="DIRECTORY", default="checkpoint"),
    Option("work-path", "of criu's logs, if not that of the images", metavar="DIRECTORY"),
    Option("leave-running", "do not stop it"),
    *(Option(name, "as criu(8) has it") for name in _SWITCHES),
)
_AGAIN = (
    Option("bundle", "where config.json is", short="b", metavar="DIRECTORY", default="."),
    Option("pid-file", "where the pid is written", metavar="FILE"),
    Option("detach", "do not wait for the end", short="d"),
)
SYNTAX = {"checkpoint": Syntax(_WHERE, "ID", 1, 1), "restore": Syntax((*_WHERE, *_AGAIN), "ID", 1, 1)}


def perform(command: Command, verb: str, given: Given) -> int:
    """Do it."""
    switches = [f"--{switch}" for switch in _SWITCHES if getattr(given, switch.replace("-", "_"))]
    images = os.path.abspath(given.image_path)
    wanted = CheckpointOptions(images, os.path.abspath(given.work_path or images), tuple(switches))
    if verb == "checkpoint":
        checkpoint(command.store.find(given.arguments[0]), wanted, leave_running=given.leave_running)
        return 0
    from runtime.cli.foreground import attended
    from runtime.container.create import read_bundle

    state = restore(command.store, given.arguments[0], read_bundle(given.bundle), wanted)
    write_pid_file(given.pid_file, state.pid)
    return 0 if given.detach else attended(state.pid)

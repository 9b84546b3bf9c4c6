"""``checkpoint`` and ``restore``: by CRIU, where that is installed."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from runtime.cli.verbs.sharing import write_pid_file
from runtime.container.checkpoint import CheckpointOptions, checkpoint, restore

if TYPE_CHECKING:
    import argparse

    from runtime.cli.oci import Command

_SWITCHES = ("--leave-running", "--tcp-established", "--ext-unix-sk", "--shell-job", "--file-locks")


def arguments(parser: argparse.ArgumentParser, verb: str) -> None:
    """What each takes."""
    parser.add_argument("--image-path", default="checkpoint", metavar="DIRECTORY", help="of the images [%(default)s]")
    parser.add_argument("--work-path", metavar="DIRECTORY", help="of CRIU's logs [that of the images]")
    for switch in _SWITCHES:
        parser.add_argument(switch, action="store_true")
    if verb == "restore":
        parser.add_argument("--bundle", "-b", default=".", metavar="DIRECTORY")
        parser.add_argument("--pid-file", metavar="FILE")
        parser.add_argument("--detach", "-d", action="store_true")
    parser.add_argument("id", metavar="ID")


def perform(command: Command, verb: str, options: argparse.Namespace) -> int:
    """Do it."""
    switches = [switch for switch in _SWITCHES[1:] if getattr(options, switch[2:].replace("-", "_"))]
    images = os.path.abspath(options.image_path)
    wanted = CheckpointOptions(images, os.path.abspath(options.work_path or images), tuple(switches))
    if verb == "checkpoint":
        checkpoint(command.store.find(options.id), wanted, leave_running=options.leave_running)
        return 0
    from runtime.cli.foreground import attended

    state = restore(command.store, options.id, os.path.abspath(options.bundle), wanted)
    write_pid_file(options.pid_file, state.pid)
    return 0 if options.detach else attended(state.pid)

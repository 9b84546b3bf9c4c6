"""``create``, ``start``, ``run``, ``kill`` and ``delete``."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from runtime.cli.verbs.sharing import add_streams, connect_console, preserved_fds, write_pid_file
from runtime.container.create import CreateOptions, create
from runtime.container.delete import delete
from runtime.container.kill import kill, parse_signal
from runtime.container.start import start

if TYPE_CHECKING:
    import argparse

    from runtime.cli.oci import Command


def arguments(parser: argparse.ArgumentParser, verb: str) -> None:
    """What each takes."""
    if verb in {"create", "run"}:
        parser.add_argument("--bundle", "-b", default=".", metavar="DIRECTORY", help="where config.json is")
        parser.add_argument("--no-pivot", action="store_true", help="move the root instead: for a root in an initramfs")
        parser.add_argument("--no-new-keyring", action="store_true", help="keep the caller's session keyring")
        add_streams(parser)
    if verb == "run":
        parser.add_argument("--detach", "-d", action="store_true", help="do not wait for the end")
        parser.add_argument("--keep", action="store_true", help="do not delete it at the end")
        parser.add_argument("--no-subreaper", action="store_true", help="accepted for compatibility")
    if verb == "kill":
        parser.add_argument("--all", "-a", action="store_true", help="every process of the container")
    if verb == "delete":
        parser.add_argument("--force", "-f", action="store_true", help="kill it first")
    parser.add_argument("id", metavar="ID")
    if verb == "kill":
        parser.add_argument("signal", nargs="?", default="SIGTERM", metavar="SIGNAL")


def perform(command: Command, verb: str, options: argparse.Namespace) -> int:
    """Do it."""
    if verb == "create":
        return _create(command, options)
    if verb == "run":
        from runtime.cli.foreground import run

        return run(command, options)
    if verb == "start":
        start(command.store.find(options.id))
    elif verb == "kill":
        kill(command.store.find(options.id), parse_signal(options.signal), everybody=options.all)
    else:
        for complaint in delete(command.store, options.id, force=options.force):
            command.log.complaint(complaint)
    return 0


def _create(command: Command, options: argparse.Namespace) -> int:
    with connect_console(options.console_socket) as console:
        wanted = CreateOptions(console, preserved_fds(options), options.no_pivot, options.no_new_keyring)
        _, state = create(command.store, options.id, os.path.abspath(options.bundle), wanted)
        write_pid_file(options.pid_file, state.pid)
    return 0

"""``exec``: run a further process in a container."""

from __future__ import annotations

import argparse
import contextlib
import json
from typing import TYPE_CHECKING, Any

from runtime.cli.verbs.sharing import add_streams, connect_console, preserved_fds, write_pid_file
from runtime.container.errors import ContainerError
from runtime.container.execute import ExecOptions, execute
from runtime.linux import capabilities as caps
from runtime.spec.execution import Capabilities, OciProcess, User, parse_process
from runtime.spec.reader import SpecError
from runtime.values import replace

if TYPE_CHECKING:
    from runtime.cli.oci import Command


def arguments(parser: argparse.ArgumentParser, _: str) -> None:
    """What it takes."""
    parser.add_argument("--process", "-p", metavar="FILE", help="the whole process, as in config.json")
    parser.add_argument("--cwd", metavar="DIRECTORY")
    parser.add_argument("--env", "-e", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("--tty", "-t", action="store_true", help="with a terminal")
    parser.add_argument("--user", "-u", metavar="UID[:GID]")
    parser.add_argument("--additional-gids", "-g", action="append", type=int, default=[], metavar="GID")
    parser.add_argument("--cap", "-c", action="append", default=[], metavar="CAPABILITY", help="one more")
    parser.add_argument("--apparmor", metavar="PROFILE")
    parser.add_argument("--process-label", metavar="LABEL")
    parser.add_argument("--no-new-privs", action="store_true", help="no program gains rights")
    parser.add_argument("--detach", "-d", action="store_true", help="do not wait for the end")
    parser.add_argument("--ignore-paused", action="store_true", help="in a paused container, too")
    parser.add_argument("--cgroup", metavar="PATH", help="accepted for compatibility")
    add_streams(parser)
    parser.add_argument("id", metavar="ID")
    parser.add_argument("args", nargs=argparse.REMAINDER, metavar="COMMAND")


def perform(command: Command, _: str, options: argparse.Namespace) -> int:
    """Do it; the process's own exit status, unless nobody waits."""
    from runtime.cli.foreground import attended

    container = command.store.find(options.id)
    process = _process(container.config().process, options)
    with contextlib.ExitStack() as held:
        if process.terminal and options.console_socket is None and not options.detach:
            from runtime.cli.terminal import Relay

            relay = held.enter_context(Relay())
            wanted = ExecOptions(relay.console_fd, preserved_fds(options), options.ignore_paused)
            pid = execute(container, process, wanted)
            write_pid_file(options.pid_file, pid)
            relay.begin()
            return relay.wait(pid)
        if process.terminal and options.console_socket is None:
            raise ContainerError("process.terminal: needs --console-socket, or run without --detach")
        console = held.enter_context(connect_console(options.console_socket if process.terminal else None))
        pid = execute(container, process, ExecOptions(console, preserved_fds(options), options.ignore_paused))
        write_pid_file(options.pid_file, pid)
        return 0 if options.detach else attended(pid)


def _process(first: OciProcess | None, options: argparse.Namespace) -> OciProcess:
    if options.process is not None:
        return _read(options.process)
    if first is None or not options.args:
        raise ContainerError("exec: there is no command to execute")
    rights = first.capabilities or Capabilities()
    more = _mask(options.cap)
    return replace(
        first,
        args=tuple(options.args),
        cwd=options.cwd or first.cwd,
        env=(*first.env, *options.env),
        terminal=options.tty,
        user=_user(first.user, options),
        capabilities=Capabilities(
            rights.bounding | more, rights.effective | more, rights.inheritable, rights.permitted | more, rights.ambient
        ),
        no_new_privileges=first.no_new_privileges or options.no_new_privs,
        apparmor_profile=options.apparmor or first.apparmor_profile,
        selinux_label=options.process_label or first.selinux_label,
    )


def _mask(names: list[str]) -> int:
    try:
        return caps.mask(names)
    except ValueError as error:
        raise ContainerError(f"--cap: {error}") from error


def _read(path: str) -> OciProcess:
    try:
        with open(path, encoding="utf-8") as file:
            document: Any = json.load(file)
    except ValueError as error:
        if isinstance(error, SpecError):
            raise
        raise ContainerError(f"--process {path}: {error}") from error
    return parse_process(document)


def _user(first: User, options: argparse.Namespace) -> User:
    """Numbers only: names are for those to look up who know the image's own users."""
    groups = (*first.additional_gids, *options.additional_gids)
    if options.user is None:
        return replace(first, additional_gids=groups)
    uid, colon, gid = options.user.partition(":")
    numbers = (uid, gid if colon else "0")
    if not all(text.isascii() and text.isdigit() and int(text) < (1 << 32) - 1 for text in numbers):
        raise ContainerError(f"--user {options.user[:80]!r}: UID or UID:GID, both numbers")
    return replace(first, uid=int(numbers[0]), gid=int(numbers[1]) if colon else first.gid, additional_gids=groups)

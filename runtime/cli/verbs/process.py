"""``exec``: run a further process in a container."""

from __future__ import annotations

from runtime import jsontext
from runtime.cli.options import Option, Syntax
from runtime.cli.verbs.sharing import STREAMS, connect_console, preserved_fds, warn_of_capabilities, write_pid_file
from runtime.container.errors import ContainerError
from runtime.container.execute import ExecOptions, execute
from runtime.linux import capabilities as caps
from runtime.spec.execution import Capabilities, OciProcess, User, parse_process
from runtime.spec.reader import SpecError
from runtime.unwinding import ExitStack
from runtime.values import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from runtime.cli.oci import Command
    from runtime.cli.options import Given


SYNTAX = {"exec": Syntax(
    (
        Option("process", "the whole process, as in config.json", short="p", metavar="FILE"),
        Option("cwd", "where it begins", metavar="DIRECTORY"),
        Option("env", "one more variable", short="e", metavar="NAME=VALUE", many=True),
        Option("tty", "with a terminal", short="t"),
        Option("user", "whom it runs as, in numbers", short="u", metavar="UID[:GID]"),
        Option("additional-gids", "one more group", short="g", metavar="GID", many=True, number=True),
        Option("cap", "one more capability", short="c", metavar="CAP_NAME", many=True),
        Option("apparmor", "its AppArmor profile", metavar="PROFILE"),
        Option("process-label", "its SELinux label", metavar="LABEL"),
        Option("no-new-privs", "no program gains rights"),
        Option("detach", "do not wait for the end", short="d"),
        Option("ignore-paused", "in a paused container, too"),
        Option("cgroup", "accepted for compatibility", metavar="PATH"),
        *STREAMS,
    ),
    "ID [COMMAND…]", 1, None,
)}  # fmt: skip


def perform(command: Command, _: str, given: Given) -> int:
    """Do it; the process's own exit status, unless nobody waits."""
    from runtime.cli.foreground import attended

    container = command.store.find(given.arguments[0])
    process = _process(container.config().process, given)
    warn_of_capabilities(command, process)
    with ExitStack() as held:
        if process.terminal and given.console_socket is None and not given.detach:
            from runtime.cli.terminal import Relay

            relay = held.enter_context(Relay())
            wanted = ExecOptions(relay.console_fd, preserved_fds(given), given.ignore_paused)
            pid = execute(container, process, wanted)
            write_pid_file(given.pid_file, pid)
            relay.begin()
            return relay.wait(pid)
        if process.terminal and given.console_socket is None:
            raise ContainerError("process.terminal: needs --console-socket, or run without --detach")
        console = held.enter_context(connect_console(given.console_socket if process.terminal else None))
        pid = execute(container, process, ExecOptions(console, preserved_fds(given), given.ignore_paused))
        write_pid_file(given.pid_file, pid)
        return 0 if given.detach else attended(pid)


def _process(first: OciProcess | None, given: Given) -> OciProcess:
    if given.process is not None:
        return _read(given.process)
    if first is None or not given.arguments[1:]:
        raise ContainerError("exec: there is no command to execute")
    rights = first.capabilities or Capabilities()
    more = _mask(given.cap)
    return replace(
        first,
        args=tuple(given.arguments[1:]),
        cwd=given.cwd or first.cwd,
        env=(*first.env, *given.env),
        terminal=given.tty,
        user=_user(first.user, given),
        capabilities=Capabilities(
            rights.bounding | more, rights.effective | more, rights.inheritable, rights.permitted | more, rights.ambient
        ),
        no_new_privileges=first.no_new_privileges or given.no_new_privs,
        apparmor_profile=given.apparmor or first.apparmor_profile,
        selinux_label=given.process_label or first.selinux_label,
    )


def _mask(names: list[str]) -> int:
    try:
        return caps.mask(names)
    except ValueError as error:
        raise ContainerError(f"--cap: {error}") from error


def _read(path: str) -> OciProcess:
    try:
        with open(path, encoding="utf-8") as file:
            document: Any = jsontext.loads(file.read())
    except ValueError as error:
        if isinstance(error, SpecError):
            raise
        raise ContainerError(f"--process {path}: {error}") from error
    return parse_process(document)


def _user(first: User, given: Given) -> User:
    """Numbers only: names are for those to look up who know the image's own users."""
    groups = (*first.additional_gids, *given.additional_gids)
    if given.user is None:
        return replace(first, additional_gids=groups)
    uid, colon, gid = given.user.partition(":")
    numbers = (uid, gid if colon else "0")
    if not all(text.isascii() and text.isdigit() and int(text) < (1 << 32) - 1 for text in numbers):
        raise ContainerError(f"--user {given.user[:80]!r}: UID or UID:GID, both numbers")
    return replace(first, uid=int(numbers[0]), gid=int(numbers[1]) if colon else first.gid, additional_gids=groups)

"""``exec``."""

from __future__ import annotations

import os

from runtime.engine.options import ExecOptions
from runtime.tare.containers.environment import environment_of
from runtime.tare.containers.failing import failing
from runtime.tare.errors import FAILED, CommandError
from runtime.tare.flags import Flag
from runtime.tare.verb import Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runtime.engine.execution import Execution
    from runtime.tare.context import Session
    from runtime.tare.flags import Given


def perform(session: Session, given: Given) -> int:
    """A further process in a container; its exit code is ours."""
    name, *command = given.arguments
    if given.switch("tty") and given.switch("interactive") and not given.switch("detach") and not os.isatty(0):
        raise CommandError("the input device is not a TTY", FAILED)
    with failing(FAILED):
        containers = session.engine.containers
        options = _options(given, tuple(command))
        execution = containers.execute(containers.find(name), options)
        return 0 if options.detach else _attend(execution, given)


def _options(given: Given, command: tuple[str, ...]) -> ExecOptions:
    from runtime.tare.containers.rawterminal import size_of

    rows, columns = (size_of(0) or (0, 0)) if given.switch("tty") else (0, 0)
    return ExecOptions(
        command,
        environment_of(given),
        given.text("user"),
        given.text("workdir"),
        given.switch("interactive") and not given.switch("detach"),
        given.switch("tty"),
        given.switch("privileged"),
        given.switch("detach"),
        rows,
        columns,
    )


def _attend(execution: Execution, given: Given) -> int:
    from runtime.tare.containers.detaching import parse_keys
    from runtime.tare.containers.foreground import LEFT, connect
    from runtime.tare.containers.relay import Relay

    tty = execution.terminal is not None
    keys = parse_keys(given.text("detach-keys")) if tty else b""

    def end_input() -> None:
        if execution.stdin is not None:
            os.close(execution.stdin)
            execution.stdin = None

    with Relay(on_resize=execution.resize if tty else None, keys=keys) as relay:
        connect(relay, execution, {"stdout", "stderr"}, end_input if given.switch("interactive") else None)
        if tty and os.isatty(0):
            relay.take_terminal()
        if not relay.run():
            raise CommandError(LEFT, FAILED)
    return execution.wait()


EXEC = Verb(
    "exec [OPTIONS] CONTAINER COMMAND [ARG...]",
    "Execute a command in a running container",
    perform,
    (
        Flag("detach", "Detached mode: run command in the background", short="d"),
        Flag("detach-keys", "Override the key sequence for detaching a container", metavar="string"),
        Flag("env", "Set environment variables", short="e", metavar="list", many=True),
        Flag("env-file", "Read in a file of environment variables", metavar="list", many=True),
        Flag("interactive", "Keep STDIN open even if not attached", short="i"),
        Flag("privileged", "Give extended privileges to the command"),
        Flag("tty", "Allocate a pseudo-TTY", short="t"),
        Flag("user", 'Username or UID (format: "<name|uid>[:<group|gid>]")', short="u", metavar="string"),
        Flag("workdir", "Working directory inside the container", short="w", metavar="string"),
    ),
    least=2,
    most=None,
    interspersed=False,
)

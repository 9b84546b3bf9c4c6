"""``create``, ``start``, ``run``, ``kill`` and ``delete``."""

from __future__ import annotations

from runtime.cli.options import Option, Syntax
from runtime.cli.verbs.sharing import STREAMS, connect_console, preserved_fds, warn_of_capabilities, write_pid_file
from runtime.container.create import CreateOptions, create, read_bundle
from runtime.container.delete import delete, delete_container
from runtime.container.errors import ContainerError
from runtime.container.kill import kill
from runtime.container.start import start

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runtime.cli.oci import Command
    from runtime.cli.options import Given


_BUNDLE = (
    Option("bundle", "where config.json is", short="b", metavar="DIRECTORY", default="."),
    Option("no-pivot", "move the root instead: for a root in an initramfs"),
    Option("no-new-keyring", "keep the caller's session keyring"),
    *STREAMS,
)
_RUN = (
    Option("detach", "do not wait for the end", short="d"),
    Option("keep", "do not delete it at the end"),
    Option("no-subreaper", "accepted for compatibility"),
)
SYNTAX = {
    "create": Syntax(_BUNDLE, "ID", 1, 1),
    "run": Syntax((*_BUNDLE, *_RUN), "ID", 1, 1),
    "start": Syntax((), "ID", 1, 1),
    "kill": Syntax((Option("all", "every process of the container", short="a"),), "ID [SIGNAL]", 1, 2),
    "delete": Syntax((Option("force", "kill it first", short="f"),), "ID", 1, 1),
}


def perform(command: Command, verb: str, given: Given) -> int:
    """Do it."""
    name = given.arguments[0]
    if verb == "create":
        return _create(command, given)
    if verb == "run":
        from runtime.cli.foreground import run

        return run(command, given)
    if verb == "start":
        start(command.store.find(name))
    elif verb == "kill":
        from runtime.container.signal_names import parse_signal

        number = parse_signal((given.arguments[1:] or ["SIGTERM"])[0])
        kill(command.store.find(name), number, everybody=given.all)
    else:
        for complaint in delete(command.store, name, force=given.force):
            command.log.complaint(complaint)
    return 0


def _create(command: Command, given: Given) -> int:
    with connect_console(given.console_socket) as console:
        wanted = CreateOptions(console, preserved_fds(given), given.no_pivot, given.no_new_keyring)
        bundle = read_bundle(given.bundle)
        warn_of_capabilities(command, bundle.config.process)
        container, state = create(command.store, given.arguments[0], bundle, wanted)
        try:
            write_pid_file(given.pid_file, state.pid)
        except ContainerError:
            delete_container(container, force=True)
            raise
    return 0

"""Run a container, or a process in one, in front of the caller: signals go in, and the exit status comes out."""

from __future__ import annotations

import os

from runtime.cli.verbs.sharing import connect_console, preserved_fds, warn_of_capabilities, write_pid_file
from runtime.container.create import CreateOptions, create, read_bundle
from runtime.container.delete import delete_container
from runtime.container.errors import NotFound
from runtime.container.start import start
from runtime.linux import signals
from runtime.unwinding import ExitStack, contextmanager, suppress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from runtime.cli.oci import Command
    from runtime.cli.options import Given


def run(command: Command, given: Given) -> int:
    """``run``: create, start, wait, delete; or not wait."""
    bundle = read_bundle(given.bundle)
    warn_of_capabilities(command, bundle.config.process)
    terminal = bundle.config.process is not None and bundle.config.process.terminal
    with ExitStack() as held:
        relay = None
        if terminal and given.console_socket is None and not given.detach:
            from runtime.cli.terminal import Relay

            relay = held.enter_context(Relay())
            console: int | None = relay.console_fd
        else:
            console = held.enter_context(connect_console(given.console_socket))
        wanted = CreateOptions(console, preserved_fds(given), given.no_pivot, given.no_new_keyring)
        container, state = create(command.store, given.arguments[0], bundle, wanted)
        try:
            write_pid_file(given.pid_file, state.pid)
            if relay is not None:
                relay.begin()
            start(container)
            if given.detach:
                return 0
            status = attended(state.pid) if relay is None else relay.wait(state.pid)
        except BaseException:
            with suppress(NotFound):  # a hook that fails takes the container with it
                delete_container(container, force=True)
            raise
        if not given.keep:
            for complaint in delete_container(container, force=True):
                command.log.complaint(complaint)
        return status


def attended(pid: int) -> int:
    """The exit status of a child of ours, 128+n for signal n; meanwhile our signals are its signals."""
    with _forwarding(pid):
        _, status = os.waitpid(pid, 0)
    return exit_status(status)


def exit_status(status: int) -> int:
    """Of what waitpid(2) tells."""
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


@contextmanager
def _forwarding(pid: int) -> Iterator[None]:
    def forward(number: int, _: object) -> None:
        with suppress(ProcessLookupError):
            os.kill(pid, number)

    before = {}
    for number in signals.valid_signals() - signals.NOT_FORWARDED:
        with suppress(OSError, ValueError):  # those that the C library keeps to itself
            before[number] = signals.signal(number, forward)
    try:
        yield
    finally:
        for number, handler in before.items():
            signals.signal(number, handler)

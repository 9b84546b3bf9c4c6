"""What several verbs share: pid files, console sockets, descriptors that go on to the container."""

from __future__ import annotations

import os

from runtime.cli.options import Option
from runtime.container.errors import ContainerError
from runtime.linux.capabilities import bounding_set
from runtime.process.attributes import withheld
from runtime.unwinding import contextmanager

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from runtime.cli.oci import Command
    from runtime.cli.options import Given
    from runtime.spec.execution import OciProcess


STREAMS = (
    Option("pid-file", "where the pid is written", metavar="FILE"),
    Option("console-socket", "a socket that the terminal's master is sent to", metavar="PATH"),
    Option("preserve-fds", "descriptors from 3 on that are kept", metavar="N", number=True, default=0),
)
"""The options of verbs that start a process."""


def preserved_fds(given: Given) -> int:
    """How many; raises `ContainerError` for one that is not open."""
    count: int = given.preserve_fds + int(os.environ.get("LISTEN_FDS") or 0)
    for fd in range(3, 3 + count):
        try:
            os.set_inheritable(fd, True)  # noqa: FBT003 - the standard library's own
        except OSError as error:
            raise ContainerError(f"--preserve-fds: descriptor {fd} is not open") from error
    return count


def warn_of_capabilities(command: Command, process: OciProcess | None) -> None:
    """Of those that were asked for in vain, which is no error ("Linux Process" in config.md)."""
    if process is not None and process.capabilities is not None:
        for name in withheld(process.capabilities, bounding_set()):
            command.log.complaint(f"process.capabilities: {name[:80]!r} cannot be granted here")


def write_pid_file(path: str | None, pid: int) -> None:
    """The number and nothing else, at once: engines wait for the file and then read it."""
    if path is None:
        return
    temporary = os.path.join(os.path.dirname(path), f".{os.path.basename(path)}")
    try:
        with open(temporary, "w", encoding="ascii") as file:
            file.write(str(pid))
        os.rename(temporary, path)
    except OSError as error:
        raise ContainerError(f"write pid file {path}: {os.strerror(error.errno or 0).lower()}") from error


@contextmanager
def connect_console(path: str | None) -> Iterator[int | None]:
    """A connected socket, inheritable; None without a path."""
    if path is None:
        yield None
        return
    import socket

    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as console:
        try:
            console.connect(path)
        except OSError as error:
            raise ContainerError(f"connect to console socket {path}: {error.strerror}") from error
        console.set_inheritable(True)
        yield console.fileno()

"""The launcher as its client sees it: started once, asked one thing at a time, from any thread."""

from __future__ import annotations

import contextlib
import os
import select
import socket
import subprocess
import sys
import threading

import runtime
from runtime.process import messages
from runtime.process.sealed import sealed_copy

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
    from pathlib import Path
    from types import TracebackType
    from typing import Self

    from runtime.spec.container import ContainerSpec, Network, Process

_ENDS_WITHIN_S = 60.0
# -I -S: nothing of the environment and no site-packages, so that the process stays as small as its own imports.
_BOOTSTRAP = "import sys; sys.path.append(sys.argv.pop()); from runtime.process.launcher import main; main()"


EVERY_CAPABILITY = (1 << 64) - 1


class LauncherError(Exception):
    """The launcher refused, with its reason, or has gone."""


class Launcher:
    """A running launcher process. Leaving the context removes all that it made and ends it."""

    def __init__(self, label: str, mountpoint: Path | None, bounds: int = EVERY_CAPABILITY) -> None:
        """Start it. ``label`` stands in its command line, so that whoever finds it knows whose it is.

        ``mountpoint`` is an empty directory on which every container mounts its root in a namespace of
        its own; None starts a launcher for plain processes, which needs no control groups. ``bounds`` is the bit set
        of capabilities that nothing launched here may ever exceed.
        """
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._channel = ours
        self._lock = threading.Lock()
        home = os.path.dirname(os.path.dirname(runtime.__file__))
        with theirs:
            arguments = [str(theirs.fileno()), str(mountpoint or ""), str(bounds), label, home]
            command = [sys.executable, "-I", "-S", "-c", _BOOTSTRAP, *arguments]
            with sealed_copy(sys.executable) as program:
                # A session of its own: Ctrl-C is for the client, which then closes the channel in its own time.
                self._process = subprocess.Popen(
                    command, executable=program, pass_fds=(theirs.fileno(),), start_new_session=True
                )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def pid(self) -> int:
        """Of the launcher itself."""
        return self._process.pid

    def launch(self, spec: ContainerSpec) -> int:
        """Make and start a container; the pid of its first process, which has executed."""
        return self._started(messages.Launch(spec))

    def stock(self, network: Network | None) -> None:
        """Make ahead the network that a container will be launched with; None is that of one without.

        A launch takes what there is of its network, and makes its own where there is none.
        """
        self._ask(messages.Stock(network))

    def spawn(self, name: str, root: Path, process: Process, log_path: Path) -> int:
        """Start a plain process of the host with ``root`` as its root directory; its pid."""
        return self._started(messages.Spawn(name, str(root), process, str(log_path)))

    def execute(self, name: str, exec_name: str, process: Process, stdout: int, stderr: int) -> int:
        """Start another process in a running container; its pid. Forget it with `remove` once it has ended."""
        return self._started(messages.Exec(name, exec_name, process), (stdout, stderr))

    def signal(self, name: str, number: signal.Signals) -> None:
        """Send a signal to the first process; one that has ended is no error."""
        self._ask(messages.Signal(name, number))

    def exit_status(self, name: str) -> int | None:
        """None while the process runs; 128+n when signal n ended it."""
        return self._status(name).exit_status

    def wait(self, name: str, timeout_s: float) -> int | None:
        """The exit status, or None if the process still runs after ``timeout_s``."""
        status = self._status(name)
        if status.exit_status is None:
            _wait_for_exit(status.pid, timeout_s)
            status = self._status(name)
        return status.exit_status

    def remove(self, name: str) -> None:
        """Kill it if it runs, and release everything of it. Idempotent."""
        self._ask(messages.Remove(name))

    def close(self) -> None:
        """End the launcher, which first removes what is left. Idempotent."""
        self._channel.close()
        try:
            self._process.wait(_ENDS_WITHIN_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _status(self, name: str) -> messages.Status:
        reply = self._ask(messages.Query(name))
        if not isinstance(reply, messages.Status):
            raise LauncherError(f"unexpected reply {reply}")
        return reply

    def _started(self, request: messages.Request, fds: tuple[int, ...] = ()) -> int:
        reply = self._ask(request, fds)
        if not isinstance(reply, messages.Started):
            raise LauncherError(f"unexpected reply {reply}")
        return reply.pid

    def _ask(self, request: messages.Request, fds: tuple[int, ...] = ()) -> messages.Reply:
        with self._lock:
            try:
                messages.send(self._channel, request, fds)
                reply, _ = messages.receive(self._channel)
            except messages.MessageError as error:
                raise LauncherError(f"ask the launcher: {error}") from error
            except (OSError, EOFError) as error:
                raise LauncherError(f"ask the launcher (pid {self.pid}): it has gone") from error
        if isinstance(reply, messages.Refused):
            raise LauncherError(reply.reason)
        return reply  # type: ignore[no-any-return]


def _wait_for_exit(pid: int, timeout_s: float) -> None:
    with contextlib.suppress(ProcessLookupError):
        pidfd = os.pidfd_open(pid)
        try:
            poll = select.poll()
            poll.register(pidfd, select.POLLIN)
            poll.poll(timeout_s * 1000)
        finally:
            os.close(pidfd)

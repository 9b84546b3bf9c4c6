"""``exec``: a further process in a container, a child of the process that asks for it."""

from __future__ import annotations

import os

from runtime.engine.errors import Conflict, NotRunning, start_failure
from runtime.engine.states import read_state
from runtime.linux.capabilities import NAMES, mask
from runtime.unwinding import ExitStack, contextmanager
from runtime.values import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from runtime.container.store import Container as Running
    from runtime.engine.container import Container
    from runtime.engine.engine import Engine
    from runtime.engine.identity import Identity
    from runtime.engine.options import ExecOptions
    from runtime.spec.execution import OciProcess

_STREAMS = 3


class Execution:
    """``stdin`` is None where there is none. With a ``terminal`` that one is read and written, and there are no others.

    One that is detached has no descriptors, and need not be waited for.
    """

    def __init__(
        self, pid: int, *, stdin: int | None = None, stdout: int = -1, stderr: int = -1, terminal: int | None = None
    ) -> None:
        self.pid = pid
        self.stdin = stdin
        self.stdout = stdout
        self.stderr = stderr
        self.terminal = terminal
        self._status: int | None = None

    def wait(self) -> int:
        """The exit code, 128+n for signal n, once it has ended."""
        if self._status is None:
            code = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
            self._status = code if code >= 0 else 128 - code
        return self._status

    def kill(self, number: int) -> None:
        """Send it a signal; nothing happens if it has ended."""
        if self._status is None:
            os.kill(self.pid, number)

    def resize(self, rows: int, columns: int) -> None:
        """Of the terminal; nothing happens without one."""
        if self.terminal is not None:
            import fcntl
            import struct
            import termios

            fcntl.ioctl(self.terminal, termios.TIOCSWINSZ, struct.pack("4H", rows, columns, 0, 0))

    def close(self) -> None:
        """Of its descriptors; it goes on. Idempotent."""
        for fd in (self.stdin, self.stdout, self.stderr, self.terminal):
            if fd is not None and fd >= 0:
                os.close(fd)
        self.stdin = self.terminal = None
        self.stdout = self.stderr = -1


def execute(engine: Engine, container: Container, options: ExecOptions) -> Execution:
    """Run it; its program has been executed when this returns."""
    from runtime.cgroups.hierarchy import CgroupError
    from runtime.container.errors import ContainerError
    from runtime.container.store import Store

    state = read_state(engine.home, container.id)
    if state.status == "paused":
        raise Conflict(f"Container {container.id} is paused, unpause the container before exec")
    if not state.is_running:
        raise NotRunning(container.id)
    attributes = {"execID": os.urandom(32).hex()}
    command = " ".join(options.command)
    _tell(engine, container, f"exec_create: {command}", attributes)
    try:
        running = Store(engine.home.runtime).find(container.id)
        process = process_of(running, container, options, state.pid)
        _tell(engine, container, f"exec_start: {command}", attributes)
        return _run(running, process, options)
    except (ContainerError, CgroupError) as error:
        raise start_failure(str(error)) from error


def _tell(engine: Engine, container: Container, action: str, attributes: dict[str, str]) -> None:
    from runtime.engine.creation import tell

    tell(engine, container, action, **attributes)


def process_of(running: Running, container: Container, options: ExecOptions, pid: int) -> OciProcess:
    """As the container's own process, but for what is asked for."""
    from runtime.engine.merging import merge_env
    from runtime.spec.execution import Capabilities, User

    first = running.config().process
    if first is None:
        raise NotRunning(container.id)
    env = {entry.partition("=")[0]: entry for entry in first.env}
    if not options.tty:
        env.pop("TERM", None)
    else:
        env.setdefault("TERM", "TERM=xterm")
    changed = replace(
        first,
        args=options.command,
        cwd=options.workdir or first.cwd,
        env=merge_env(tuple(env.values()), options.env),
        terminal=options.tty,
        console_size=(options.rows, options.columns) if options.tty and options.rows else None,
        oom_score_adj=None,
    )
    if options.user:
        identity = _identify(container, options, pid)
        user = User(identity.uid, identity.gid, None, identity.groups)
        names = merge_env(changed.env, () if _has(options.env, "HOME") else (f"HOME={identity.home}",))
        changed = replace(changed, user=user, env=names)
    if options.privileged:
        every = mask(NAMES)
        changed = replace(changed, capabilities=Capabilities(every, every, 0, every), no_new_privileges=False)
    return changed


def _has(env: tuple[str, ...], name: str) -> bool:
    return any(entry.partition("=")[0] == name for entry in env)


def _identify(container: Container, options: ExecOptions, pid: int) -> Identity:
    from runtime.engine.identity import identify

    return identify(f"/proc/{pid}/root", options.user, container.config.group_add)


def _run(running: Running, process: OciProcess, options: ExecOptions) -> Execution:
    if options.tty and not options.detach:
        return _with_terminal(running, process)
    with ExitStack() as undo:
        ours, theirs = _streams(undo, options)
        with _as_standard_streams(theirs):
            pid = _execute(running, replace(process, terminal=False, console_size=None), None)
        undo.pop_all()
        for fd in set(theirs):
            os.close(fd)
        return Execution(pid, stdin=ours[0], stdout=ours[1], stderr=ours[2])


def _execute(running: Running, process: OciProcess, console: int | None) -> int:
    from runtime.container import execute as runtime

    return runtime.execute(running, process, runtime.ExecOptions(console))


def _streams(undo: ExitStack, options: ExecOptions) -> tuple[tuple[int | None, int, int], tuple[int, int, int]]:
    """Our ends and the process's: never descriptors of the caller's own, which a container might do more with."""
    stdin: int | None = None
    if options.stdin_open and not options.detach:
        into, stdin = os.pipe()
        undo.callback(os.close, stdin)
    else:
        into = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
    undo.callback(os.close, into)
    if options.detach:
        return (None, -1, -1), (into, into, into)
    (stdout, out), (stderr, err) = os.pipe(), os.pipe()
    for fd in (stdout, out, stderr, err):
        undo.callback(os.close, fd)
    return (stdin, stdout, stderr), (into, out, err)


@contextmanager
def _as_standard_streams(fds: tuple[int, int, int]) -> Iterator[None]:
    """Where the runtime looks for what a process is to have; ours are out of the way meanwhile, and come back."""
    import fcntl

    with ExitStack() as back:
        for number, fd in enumerate(fds):
            try:
                kept = fcntl.fcntl(number, fcntl.F_DUPFD_CLOEXEC, _STREAMS)
            except OSError:
                back.callback(os.close, number)  # the caller has closed it
            else:
                back.callback(_put_back, kept, number)
            os.dup2(fd, number)
        yield


def _put_back(kept: int, number: int) -> None:
    os.dup2(kept, number)
    os.close(kept)


def _with_terminal(running: Running, process: OciProcess) -> Execution:
    """Its master comes over a socket, from the process itself, which has made it in its own root."""
    import socket

    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    with ours, theirs:
        theirs.set_inheritable(True)
        pid = _execute(running, process, theirs.fileno())
        _, fds, _, _ = socket.recv_fds(ours, 64, 1, socket.MSG_CMSG_CLOEXEC)
    return Execution(pid, terminal=fds[0])

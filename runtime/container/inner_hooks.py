"""Hooks that run in the container's namespaces: ``createContainer`` and ``startContainer``.

Nothing of ours goes there with them: what joins the namespaces, and is born in the pid namespace, is a sealed program
of system calls, which ends in the hook's execve (`runtime.process.delivery`).
"""

from __future__ import annotations

import os
import select
import time

from runtime import jsontext
from runtime.container.birth import FLAGS
from runtime.container.errors import HookFailed
from runtime.linux import signals
from runtime.linux.program import Call, Failure, Vector
from runtime.process.delivery import delivery_into, plan_delivery
from runtime.process.program import plan_signals
from runtime.process.standalone import bear, close_all_but, prepare, receive
from runtime.unwinding import ExitStack, suppress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection
    from typing import Any

    from runtime.process.delivery import Delivery
    from runtime.spec.config import Hook

_SHOWN = 400
_CHUNK = 65536
_F_SETFD, _FD_CLOEXEC = 2, 1


def run_inner_hooks(
    moment: str, hooks: tuple[Hook, ...], state: dict[str, Any], pid: int, kinds: Collection[str]
) -> None:
    """Each to its end, in order, in the namespaces of these types that ``pid`` has; raises `HookFailed`."""
    for index, hook in enumerate(hooks):
        what = f"hooks.{moment}[{index}]: run {hook.path}"
        try:
            status, said = _run(hook, jsontext.dumps(state).encode(), pid, kinds)
        except TimeoutError as error:
            raise HookFailed(f"{what}: not done after {hook.timeout} s") from error
        except (OSError, Failure) as error:
            raise HookFailed(f"{what}: {os.strerror(error.errno or 0).lower()}") from error
        if status:
            ended = f"exit status {status}" if status > 0 else f"killed by signal {-status}"
            words = " ".join(said.decode(errors="replace").split())[-_SHOWN:]
            raise HookFailed(f"{what}: {ended}{': ' + words if words else ''}")


def _run(hook: Hook, state: bytes, pid: int, kinds: Collection[str]) -> tuple[int, bytes]:
    """The exit status, and what the hook said."""
    with ExitStack() as ours:
        with ExitStack() as theirs:
            (stdin, feed), (said, stdout), (reports, status) = os.pipe(), os.pipe(), os.pipe()
            for fd in (feed, said, reports):
                ours.callback(os.close, fd)
            pidfd = os.pidfd_open(pid)
            for fd in (stdin, stdout, status, pidfd):
                theirs.callback(os.close, fd)
                os.set_inheritable(fd, True)  # noqa: FBT003 - the standard library's own
            delivery = theirs.enter_context(delivery_into(pidfd)) if "pid" in kinds else None
            flags = sum(FLAGS[kind] for kind in kinds if kind != "pid")
            prepared = prepare(_plan(hook, (stdin, stdout, status), pidfd, flags, delivery), status)
            born, child = bear(prepared, 0, None, delivery)
            ours.callback(os.close, child)
        try:
            receive(reports, prepared.purposes)
            output = _converse((feed, said, child), state, hook.timeout)
        finally:
            with suppress(ProcessLookupError):
                signals.pidfd_send_signal(child, signals.SIGKILL)
            _, ended = os.waitpid(born, 0)
        return os.waitstatus_to_exitcode(ended), output


def _plan(
    hook: Hook, streams: tuple[int, int, int], pidfd: int, flags: int, delivery: Delivery | None
) -> tuple[Call, ...]:
    what = f"run {hook.path}"
    stdin, stdout, status = streams
    arguments, environment = (Vector(tuple(map(os.fsencode, s))) for s in (hook.args or (hook.path,), hook.env))
    return (
        Call(what, "fcntl", (status, _F_SETFD, _FD_CLOEXEC)),
        *(Call(what, "dup3", (fd, number, 0)) for number, fd in enumerate((stdin, stdout, stdout))),
        *((Call(what, "setns", (pidfd, flags)),) if flags else ()),
        *(plan_delivery(delivery) if delivery else ()),
        Call(what, "chdir", (b"/",)),
        *close_all_but((status,), 3),
        *plan_signals(),
        Call(what, "execve", (os.fsencode(hook.path), arguments, environment)),
    )


def _converse(fds: tuple[int, int, int], state: bytes, timeout_s: float | None) -> bytes:
    """Write the state, and read what is said, until the hook has ended; raises `TimeoutError`."""
    feed, said, child = fds
    deadline = None if timeout_s is None else time.monotonic() + timeout_s
    poll = select.poll()
    for fd, events in ((feed, select.POLLOUT), (said, select.POLLIN), (child, select.POLLIN)):
        os.set_blocking(fd, False)
        poll.register(fd, events)
    output = b""
    while True:
        left = None if deadline is None else max(0.0, deadline - time.monotonic()) * 1000
        ready = dict(poll.poll(left))
        if not ready:
            raise TimeoutError
        if feed in ready:
            state = _feed(poll, feed, state)
        heard = _hear(said) if said in ready else b""
        output += heard
        if child in ready:
            return output + _hear(said)
        if said in ready and not heard:
            poll.unregister(said)


def _feed(poll: select.poll, feed: int, state: bytes) -> bytes:
    """What is still to be written; at its end the hook sees the end of its input."""
    try:
        state = state[os.write(feed, state) :]
    except BrokenPipeError:
        state = b""
    if not state:
        poll.unregister(feed)
        with open(os.devnull, "wb") as null:
            os.dup2(null.fileno(), feed, inheritable=False)  # closed, but for the number
    return state


def _hear(said: int) -> bytes:
    try:
        return os.read(said, _CHUNK)
    except BlockingIOError:
        return b""

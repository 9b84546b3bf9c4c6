"""``start``: let the process that waits go on to the user's program."""

from __future__ import annotations

import errno
import os

from runtime.container.birth import pid_inside
from runtime.container.create import describe
from runtime.container.delete import destroy
from runtime.container.errors import ContainerError, HookFailed, WrongStatus
from runtime.container.hooks import run_hooks
from runtime.container.kill import end
from runtime.container.listener import hand_over
from runtime.container.state import Status, oci_state
from runtime.container.store import START, STATUS
from runtime.linux.program import Failure
from runtime.process.standalone import receive

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runtime.container.state import State
    from runtime.container.store import Container
    from runtime.spec.config import Config


def start(container: Container) -> State:
    """Start it; it has executed when this returns.

    Raises `ContainerError`, and then it is stopped; `HookFailed`, and then it is gone (runtime.md, "Lifecycle").
    """
    with container.locked():
        state = container.state()
        status = container.status(state)
        if status is not Status.CREATED:
            raise WrongStatus(f"start container {container.id!r}: it is {status.value}, not created")
        config = container.config()
        if config.process is None:
            raise ContainerError(f"start container {container.id!r}: process: is missing, there is nothing to start")
        kinds = [namespace.type for namespace in config.linux.namespaces]
        try:
            if config.hooks.start_container:
                from runtime.container.inner_hooks import run_inner_hooks

                seen = oci_state(state, status) | {"pid": pid_inside(state.pid)}
                run_inner_hooks("startContainer", config.hooks.start_container, seen, state.pid, kinds)
            _release(container, config, state)
            run_hooks("poststart", config.hooks.poststart, oci_state(state, Status.RUNNING))
        except HookFailed as error:
            raise error.with_complaints(destroy(container, state)) from error
        except ContainerError:
            end(state)
            raise
        return state


def _release(container: Container, config: Config, state: State) -> None:
    reports = os.open(container.path(STATUS), os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        os.set_blocking(reports, True)
        _write_to(container, b"\0")
        if state.listener_fd is not None and config.linux.seccomp is not None:
            hand_over(config.linux.seccomp, state.pid, state.listener_fd, oci_state(state, Status.CREATED))
            _write_to(container, b"\0")
        receive(reports, state.purposes)
    except Failure as failure:
        raise ContainerError(describe(failure)) from failure
    finally:
        os.close(reports)
    os.unlink(container.path(START))


def _write_to(container: Container, content: bytes) -> None:
    """To whoever reads at the start FIFO: only the process that waits does."""
    try:
        start_fd = os.open(container.path(START), os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if error.errno == errno.ENXIO:
            raise ContainerError(f"start container {container.id!r}: its process has gone") from error
        raise
    with os.fdopen(start_fd, "wb", buffering=0) as file:
        file.write(content)

"""``exec``: run a further process in a container that is there."""

from __future__ import annotations

import fcntl
import os

from runtime.container.birth import FLAGS
from runtime.container.create import compile_or_refuse, describe, is_own_stream
from runtime.container.errors import ContainerError, WrongStatus
from runtime.container.labels import labels_for
from runtime.container.limits import set_limits
from runtime.container.listener import hand_over
from runtime.container.payload import (
    CREATED,
    Payload,
    close_others,
    label_files,
    plan_begin,
    plan_end,
    plan_priorities,
    plan_streams,
    rendezvous,
    start_session,
    write_to_procfs,
)
from runtime.container.state import Status, oci_state
from runtime.linux import capabilities, signals
from runtime.linux import constants as c
from runtime.linux.program import Call, Failure
from runtime.process.attributes import join_keyring, set_affinity
from runtime.process.delivery import delivery_into, plan_delivery
from runtime.process.program import plan_lookup, plan_signals
from runtime.process.standalone import bear, prepare, receive
from runtime.unwinding import ExitStack, suppress
from runtime.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from runtime.cgroups.entrance import Entrance
    from runtime.container.state import State
    from runtime.container.store import Container
    from runtime.process.delivery import Delivery
    from runtime.spec.config import Config
    from runtime.spec.execution import OciProcess

_FIRST_FREE = 3
_ROOT = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC


class ExecOptions(Value):
    """How the caller wants it; ``console_fd`` is a connected socket that the terminal is sent to."""

    console_fd: int | None = None
    preserved_fds: int = 0
    ignore_paused: bool = False


def execute(container: Container, process: OciProcess, options: ExecOptions) -> int:
    """Run ``process``; its pid, a child of ours that has executed. Raises `ContainerError`."""
    state = container.state()
    status = container.status(state)
    if status is Status.STOPPED:
        raise WrongStatus(f"exec in container {container.id!r}: container not running")
    if status is Status.PAUSED and not options.ignore_paused:
        raise WrongStatus(f"exec in container {container.id!r}: it is paused, and would wait (--ignore-paused)")
    return run_inside(state, container.config(), process, options)


def run_inside(state: State, config: Config, process: OciProcess, options: ExecOptions) -> int:
    """The same without a look at the status."""
    with ExitStack() as held:
        reports, status, start, go = _channels(held, options.preserved_fds)
        payload = Payload(
            process=process,
            status_fd=status,
            start_fd=start,
            bounding_set=capabilities.bounding_set(),
            console_fd=options.console_fd,
            filter=compile_or_refuse(config),
            labels=labels_for(process),
            preserved_fds=options.preserved_fds,
            owned_streams=tuple(fd for fd in range(3) if is_own_stream(fd)),
        )
        pidfd = _open_process(held, state)
        entrance = held.enter_context(state.group.entrance(beside=state.pid))
        for fd in (pidfd, *entrance.tasks):
            os.set_inheritable(fd, True)  # noqa: FBT003 - the standard library's own
        there = _is_different(state.pid, "pid")
        delivery = held.enter_context(delivery_into(pidfd)) if there else None
        prepared = prepare(_plan(state, payload, pidfd, entrance, delivery), status)
        pid, child = bear(prepared, 0, entrance.directory, delivery)
        held.callback(os.close, child)
        os.close(status)
        try:
            _attend(reports, prepared.purposes, lambda: _release(state, config, payload, pid, go))
        except ContainerError:
            with suppress(ProcessLookupError):
                signals.pidfd_send_signal(child, signals.SIGKILL)
            os.waitpid(pid, 0)
            raise
        return pid


def _channels(held: ExitStack, preserved: int) -> tuple[int, int, int, int]:
    """Our end of the status pipe and the child's, the child's end of the start pipe and ours."""
    (reports, status), (start, go) = os.pipe(), os.pipe()
    for fd in (reports, go):
        held.callback(os.close, fd)
    moved = [fcntl.fcntl(fd, fcntl.F_DUPFD, _FIRST_FREE + preserved) for fd in (status, start)]
    os.close(status)
    os.close(start)
    held.callback(os.close, moved[1])
    return reports, moved[0], moved[1], go


def _open_process(held: ExitStack, state: State) -> int:
    try:
        pidfd = os.pidfd_open(state.pid)
    except ProcessLookupError as error:
        raise WrongStatus(f"exec in container {state.id!r}: container not running") from error
    held.callback(os.close, pidfd)
    return pidfd


def _different(pid: int) -> int:
    """The namespaces that the container's process has and we have not, as flags; but for the pid namespace."""
    return sum(flag for kind, flag in FLAGS.items() if kind != "pid" and _is_different(pid, kind))


def _is_different(pid: int, kind: str) -> bool:
    name = {"network": "net", "mount": "mnt"}.get(kind, kind)
    try:
        return os.stat(f"/proc/{pid}/ns/{name}").st_ino != os.stat(f"/proc/self/ns/{name}").st_ino
    except OSError:
        return False


def _plan(
    state: State, payload: Payload, pidfd: int, entrance: Entrance, delivery: Delivery | None
) -> tuple[Call, ...]:
    namespaces = _different(state.pid)
    process = payload.process
    root = Call("open the root", "openat", (c.AT_FDCWD, b"/", _ROOT, 0))
    affinity = process.exec_cpu_affinity
    return (
        *plan_begin(payload),
        *set_affinity("process.execCPUAffinity.initial", affinity.initial if affinity else None),
        *(Call("join the control group", "write", (fd, b"0", 1)) for fd in entrance.tasks),
        *set_affinity("process.execCPUAffinity.final", affinity.final if affinity else None),
        *((Call("join the namespaces", "setns", (pidfd, namespaces)),) if namespaces else ()),
        *(plan_delivery(delivery) if delivery else ()),
        *start_session(),
        *join_keyring(f"_ses.{state.id}"),
        root,
        *plan_streams(payload, root, console=False),
        *write_to_procfs(label_files(payload.labels)),
        *close_others(payload),
        *plan_priorities(process),
        *plan_lookup(process.args, process.env, process.cwd),
        *plan_signals(),
        *rendezvous(payload, CREATED),
        *plan_end(payload),
    )


def _release(state: State, config: Config, payload: Payload, pid: int, go: int) -> None:
    """Limits in time; and where somebody listens, its seccomp notifications."""
    set_limits(pid, payload.process)
    os.write(go, b"\0")
    if payload.filter is not None and payload.filter.listener and config.linux.seccomp is not None:
        hand_over(config.linux.seccomp, pid, payload.listener_fd, oci_state(state, Status.RUNNING))
        os.write(go, b"\0")


def _attend(reports: int, purposes: dict[int, str], release: Callable[[], None]) -> None:
    """Until it has executed."""
    try:
        if receive(reports, purposes) is None:
            raise ContainerError("exec: the process ended without a word")
        release()
        receive(reports, purposes)
    except Failure as failure:
        raise ContainerError(describe(failure)) from failure

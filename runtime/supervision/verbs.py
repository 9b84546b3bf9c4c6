"""What a helper does to a container, as the OCI runtime below us would: launch, probe, signal, end, delete."""

from __future__ import annotations

import contextlib
import os
import signal
from typing import TYPE_CHECKING, Any

from runtime.cgroups.group import ContainerCgroup
from runtime.container.create import CreateOptions, create, read_bundle
from runtime.container.delete import delete, delete_container
from runtime.container.errors import ContainerError, NotFound
from runtime.container.execute import ExecOptions, execute
from runtime.container.kill import end, kill
from runtime.container.start import start
from runtime.container.state import Status
from runtime.supervision.errors import SupervisionError
from runtime.supervision.exits import started_at

if TYPE_CHECKING:
    from runtime.container.store import Container, Store
    from runtime.supervision.health import HealthCheck
    from runtime.supervision.terms import Terms


def launch(store: Store, terms: Terms) -> dict[str, Any]:
    """Create and start it, from the bundle as it is now; of a failure nothing is left."""
    tidy(store, terms.id)
    bundle = read_bundle(terms.bundle)
    if bundle.config.process is not None and bundle.config.process.terminal:
        raise SupervisionError("process.terminal: a supervised container has pipes; run it in the foreground instead")
    container, state = create(store, terms.id, bundle, CreateOptions())
    try:
        start(container)
    except BaseException:
        delete_container(container, force=True)
        raise
    return {"pid": state.pid, "start_time": state.start_time}


def probe(store: Store, container_id: str, check: HealthCheck) -> dict[str, Any]:
    """Run the check in it, and do not wait; in one that is paused it would wait for ever."""
    container = store.find(container_id)
    first = container.config().process
    if first is None or container.status(container.state()) is Status.PAUSED:
        return {"paused": True}
    pid = execute(container, check.process(first), ExecOptions())
    return {"pid": pid, "start_time": started_at(pid)}


def send_signal(store: Store, container_id: str, number: int) -> dict[str, Any]:
    """To the first process."""
    kill(store.find(container_id), number)
    return {}


def end_all(store: Store, container_id: str) -> dict[str, Any]:
    """Kill every process of it."""
    try:
        end(store.find(container_id).state())
    except NotFound:
        return {}
    return {}


def tidy(store: Store, container_id: str) -> dict[str, Any]:
    """Delete what is left of one whose first process has ended, and tell whether memory had run out."""
    oom_killed = False
    with contextlib.suppress(NotFound):
        container = store.find(container_id)
        try:
            oom_killed = container.state().group.oom_kills() > 0
        except ContainerError:
            _sweep(container)
    complaints = delete(store, container_id, force=True)
    return {"oom_killed": oom_killed, "complaints": list(complaints)}


def _sweep(container: Container) -> None:
    """End a first process that nobody remembers, because a helper was killed while it created the container.

    It is in the group of this id. A group of the bundle's own choice may be somebody else's, and is left alone.
    """
    with contextlib.suppress(FileNotFoundError):  # killed so early that there is no process either
        if container.config().linux.cgroups_path is None:
            group = ContainerCgroup.resolve(None, container.id, rootless=os.geteuid() != 0)
            group.kill()
            group.delete()


KILL = int(signal.SIGKILL)

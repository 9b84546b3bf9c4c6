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
from runtime.supervision.terminal import resize_coming
from runtime.values import Value

if TYPE_CHECKING:
    from runtime.container.store import Container, Store
    from runtime.supervision.backstage import Backstage
    from runtime.supervision.health import HealthCheck
    from runtime.supervision.terms import Terms


class Scene(Value):
    """Where containers are: of the OCI runtime, and of whoever is backstage."""

    store: Store
    backstage: Backstage


class Console(Value):
    """A pair of connected sockets by which a terminal comes, its size, and nothing of both without a terminal."""

    ours: int = -1
    theirs: int = -1
    size: tuple[int, int] | None = None


def launch(scene: Scene, terms: Terms, console: Console) -> dict[str, Any]:
    """Create and start it, from the bundle as it is now; of a failure nothing is left."""
    delete_rest(scene.store, terms.id)
    scene.backstage.prepare(terms.id)
    try:
        return _launch(scene, terms, console)
    except BaseException:
        scene.backstage.ended(terms.id)
        raise


def _launch(scene: Scene, terms: Terms, console: Console) -> dict[str, Any]:
    bundle = read_bundle(terms.bundle)
    if bundle.config.process is not None and bundle.config.process.terminal != terms.terminal:
        raise SupervisionError(f"process.terminal: {bundle.config.process.terminal} is not what was agreed on")
    if terms.terminal:
        os.set_inheritable(console.theirs, True)  # noqa: FBT003 - the standard library's own
    wanted = CreateOptions(console_fd=console.theirs if terms.terminal else None)
    container, state = create(scene.store, terms.id, bundle, wanted)
    try:
        if console.size is not None:
            resize_coming(console.ours, console.size)
        scene.backstage.running(terms.id, state.pid)
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


def pause(store: Store, container_id: str) -> dict[str, Any]:
    """Stop all its processes where they are."""
    container = store.find(container_id)
    with container.locked():
        container.state().group.freeze()
    return {}


def unpause(store: Store, container_id: str) -> dict[str, Any]:
    """Let them go on."""
    container = store.find(container_id)
    with container.locked():
        container.state().group.thaw()
    return {}


def tidy(scene: Scene, container_id: str) -> dict[str, Any]:
    """Delete what is left of one whose first process has ended, and tell whether memory had run out."""
    result = delete_rest(scene.store, container_id)
    try:
        scene.backstage.ended(container_id)
    except SupervisionError as error:
        result["complaints"].append(str(error))
    return result


def rest(scene: Scene) -> dict[str, Any]:
    """Nothing has begun or ended for a while."""
    scene.backstage.rest()
    return {}


def forget(scene: Scene, container_id: str) -> dict[str, Any]:
    """Nothing is to be left of it anywhere."""
    result = delete_rest(scene.store, container_id)
    scene.backstage.removed(container_id)
    return result


def delete_rest(store: Store, container_id: str) -> dict[str, Any]:
    """What the OCI runtime still has of it."""
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

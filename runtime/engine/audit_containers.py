"""Containers: their records, names, layers, and what the supervisor knows of them."""

from __future__ import annotations

import os
from functools import partial

from runtime.engine.container import Container
from runtime.engine.directories import entries, is_locked
from runtime.engine.errors import Damaged
from runtime.engine.findings import Finding
from runtime.engine.home import is_id
from runtime.engine.records import NAME, read_record
from runtime.engine.states import is_supervised, read_life

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from runtime.engine.engine import Engine

_GOING = ".gone-"
_ACTIVE = frozenset({"starting", "running", "ending", "restarting"})


def audit(engine: Engine) -> Iterator[Finding]:
    """What is wrong with any of them."""
    yield from _directories(engine)
    yield from _names(engine)
    yield from _supervision(engine)


def _directories(engine: Engine) -> Iterator[Finding]:
    home = engine.home
    for name in _all_entries(home.containers):
        path = f"{home.containers}/{name}"
        if name.startswith(_GOING):
            what = f"container {name.removeprefix(_GOING)[:12]}"
            yield Finding(f"{what}: it was not removed completely", engine.containers.sweep)
        elif name != "names" and not is_id(name):
            yield Finding(f"{path}: it is nothing of ours", None, "remove it, if it is not needed")
        elif name != "names":
            yield from _container(engine, name)


def _container(engine: Engine, container_id: str) -> Iterator[Finding]:
    directory = engine.home.container(container_id)
    if is_locked(directory):
        return  # somebody is making it
    try:
        container = Container.read(engine.home, container_id)
    except Damaged as error:
        yield Finding(f"container {container_id[:12]}: {error}", None, "remove its directory; its volumes stay")
        return
    if container is None:
        yield Finding(f"container {container_id[:12]}: it was not made completely", engine.containers.sweep)
        return
    yield from _parts(engine, container)


def _parts(engine: Engine, container: Container) -> Iterator[Finding]:
    what = f"container {container.name}"
    if container.id != os.path.basename(container.directory):
        yield Finding(f"{what}: its record says that it is {container.id[:12]}, in {container.directory}")
    for layer in container.layers:
        if not os.path.isdir(layer):
            yield Finding(f"{what}: layer {layer} of image {container.image} is missing", None, "pull the image again")
    holder = engine.containers.names.holder(container.name)
    if holder is None:
        take = partial(engine.containers.names.take, container.name, container.id)
        yield Finding(f"{what}: nobody has its name", take)
    elif holder != container.id:
        yield Finding(f"{what}: its name is that of {holder[:12]}, too", None, "rename one of them")


def _names(engine: Engine) -> Iterator[Finding]:
    for name in entries(engine.home.names):
        holder = engine.containers.names.holder(name)
        if holder is None or is_locked(engine.home.container(holder)) or _is_going(engine, holder):
            continue
        record = _record(engine, holder)
        if record is not None and record.get("name") != name:
            yield _stale(engine, name, holder, f"container {holder[:12]}, which is called {record.get('name')!r}")
        elif record is None and not os.path.exists(f"{engine.home.container(holder)}/{NAME}"):
            yield _stale(engine, name, holder, f"container {holder[:12]}, which is not there")


def _is_going(engine: Engine, container_id: str) -> bool:
    return os.path.exists(f"{engine.home.containers}/{_GOING}{container_id}")


def _stale(engine: Engine, name: str, holder: str, whose: str) -> Finding:
    return Finding(f"name {name}: it leads to {whose}", partial(engine.containers.names.give_back, name, holder))


def _record(engine: Engine, container_id: str) -> dict[str, Any] | None:
    try:
        return read_record(engine.home, container_id)
    except Damaged:
        return None  # which is told already


def _supervision(engine: Engine) -> Iterator[Finding]:
    home = engine.home
    for container_id in entries(f"{home.supervision}/containers"):
        what, life = f"supervised container {container_id[:12]}", read_life(home, container_id)
        if life is None:
            yield Finding(f"{what}: what the supervisor remembers of it cannot be read", None, "remove the container")
        elif not os.path.isdir(home.container(container_id)):
            yield Finding(f"{what}: the engine knows nothing of it", partial(_forget, engine, container_id))
        elif life.get("phase") in _ACTIVE and not is_supervised(home):
            yield Finding(f"{what}: it is to run, and nobody watches it", partial(_watch, engine))
    for container_id in entries(home.runtime):
        if not os.path.isdir(home.supervised(container_id)):
            yield Finding(
                f"runtime state of container {container_id[:12]}: the supervisor knows nothing of it", None,
                f"tare-runtime --root {home.runtime} delete --force {container_id}",
            )  # fmt: skip


def _watch(engine: Engine) -> None:
    """Whoever supervises looks at everything first."""
    engine.supervisor.containers()


def _forget(engine: Engine, container_id: str) -> None:
    from runtime.engine.errors import EngineError
    from runtime.supervision.errors import SupervisionError

    try:
        engine.supervisor.remove(container_id, force=True)
    except SupervisionError as error:
        raise EngineError(str(error)) from error


def _all_entries(directory: str) -> list[str]:
    try:
        return sorted(os.listdir(directory))
    except FileNotFoundError:
        return []

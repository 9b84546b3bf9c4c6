"""``rm``, and what is left to do when somebody was killed over it or over a ``create``.

A container is gone at the moment in which its directory is renamed. What then is left (its name, its volumes, its
files) is known from the record in there, and whoever comes by finishes it.
"""

from __future__ import annotations

import os

from runtime.engine.creation import tell
from runtime.engine.directories import is_locked
from runtime.engine.errors import Conflict
from runtime.engine.names import Names
from runtime.engine.records import NAME, TAKEN_ON, read_record, write_file
from runtime.engine.states import read_life, read_state
from runtime.unwinding import suppress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection

    from runtime.engine.container import Container
    from runtime.engine.engine import Engine
    from runtime.engine.home import Home
    from runtime.engine.volumes import Volumes

_GONE = ".gone-"
_WITH_VOLUMES = "with-volumes"


def remove(engine: Engine, container: Container, *, force: bool, volumes: bool) -> None:
    """The supervisor forgets it first, and then nobody starts it any more; raises `Conflict` for one that runs."""
    state = read_state(engine.home, container.id)
    if state.is_active and not force:
        raise Conflict(_in_use(container, state.status))
    if volumes:
        with suppress(FileNotFoundError):
            write_file(f"{container.directory}/{_WITH_VOLUMES}", "")
    if read_life(engine.home, container.id) is None:
        finish(engine.home, engine.volumes, container.id)
        tell(engine, container, "destroy")
    else:
        _forget(engine, container, force=force)
        finish(engine.home, engine.volumes, container.id)


def _in_use(container: Container, status: str) -> str:
    how = "Unpause and then stop" if status == "paused" else "Stop"
    return (
        f"You cannot remove a {status} container {container.id}. "
        f"{how} the container before attempting removal or force remove"
    )


def _forget(engine: Engine, container: Container, *, force: bool) -> None:
    from runtime.supervision.errors import SupervisionError, Unknown, WrongPhase

    try:
        if _is_ending(engine, container):
            engine.supervisor.wait(container.id)
        engine.supervisor.remove(container.id, force=force)
    except Unknown:
        return
    except WrongPhase as error:
        raise Conflict(_in_use(container, "running")) from error
    except SupervisionError as error:
        raise Conflict(str(error)) from error


def _is_ending(engine: Engine, container: Container) -> bool:
    """Its process has gone, and what is left is being tidied up: that is over in a moment."""
    return (read_life(engine.home, container.id) or {}).get("phase") == "ending"


def finish(home: Home, volumes: Volumes, container_id: str, *, anonymous: bool = False) -> None:
    """Take away all that there is of a container that nobody runs. Idempotent."""
    from runtime.engine.stage import clear

    clear(home, container_id)
    gone = f"{home.containers}/{_GONE}{container_id}"
    if anonymous:
        with suppress(FileNotFoundError):
            write_file(f"{home.container(container_id)}/{_WITH_VOLUMES}", "")
    with suppress(FileNotFoundError):
        os.rename(home.container(container_id), gone)
    if os.path.isdir(gone):
        _clear_away(home, volumes, gone, container_id)


def _clear_away(home: Home, volumes: Volumes, gone: str, container_id: str) -> None:
    """The files go last: they say what else there is."""
    from runtime import jsontext

    with suppress(OSError, ValueError, KeyError):
        with open(f"{gone}/{NAME}", encoding="utf-8") as file:
            name = jsontext.loads(file.read())["name"]
        Names(home).give_back(name, container_id)
    volumes.leave(container_id, anonymous=os.path.exists(f"{gone}/{_WITH_VOLUMES}"))
    _delete(home, os.path.basename(gone))


def discard(home: Home, container_id: str) -> None:
    """One that never was whole. Idempotent."""
    _delete(home, container_id)


def _delete(home: Home, name: str) -> None:
    """Whatever is in it: containers make trees that no recursion survives."""
    from runtime.image.tree import remove as remove_tree

    fd = os.open(home.containers, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with suppress(FileNotFoundError):
            remove_tree(fd, os.fsencode(name))
    finally:
        os.close(fd)


def sweep(engine: Engine, known: Collection[str]) -> None:
    """Cheap where there is nothing to do: one look at each directory."""
    home = engine.home
    for container_id in known:
        directory = home.container(container_id)
        if not os.path.exists(f"{directory}/{NAME}"):
            if not is_locked(directory):
                _discard_half(engine, container_id)
        elif os.path.exists(f"{directory}/{TAKEN_ON}") and not os.path.exists(home.supervised(container_id)):
            finish(home, engine.volumes, container_id, anonymous=_removes_itself(home, container_id))
    with suppress(FileNotFoundError):
        for name in os.listdir(home.containers):
            if name.startswith(_GONE):
                _clear_away(home, engine.volumes, f"{home.containers}/{name}", name.removeprefix(_GONE))


def _removes_itself(home: Home, container_id: str) -> bool:
    record = read_record(home, container_id)
    return record is not None and bool(record["config"].get("auto_remove"))


def _discard_half(engine: Engine, container_id: str) -> None:
    """Names that lead to it are taken over by whoever wants them (`runtime.engine.names`)."""
    engine.volumes.leave(container_id, anonymous=True)
    discard(engine.home, container_id)

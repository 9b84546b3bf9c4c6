"""What can be changed of a container that is there: its name, its limits, and the networks that it is in."""

from __future__ import annotations

from runtime.engine.checks import check_memory, check_processors, check_restart
from runtime.engine.codec import encode
from runtime.engine.container import Container
from runtime.engine.directories import locked
from runtime.engine.errors import BadOption, Conflict, NoSuchContainer
from runtime.engine.limits import limits as limit_document
from runtime.engine.records import read_record, write_record
from runtime.engine.states import read_state
from runtime.unwinding import contextmanager
from runtime.values import fields_of, replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from runtime.engine.engine import Engine
    from runtime.engine.options import Endpoint, Limits


@contextmanager
def _changing(engine: Engine, container: Container) -> Iterator[dict[str, Any]]:
    """Its record as it is now, to be changed by nobody else meanwhile."""
    try:
        with locked(container.directory):
            document = read_record(engine.home, container.id)
            if document is None:
                raise NoSuchContainer(container.id)
            yield document
    except FileNotFoundError as error:
        raise NoSuchContainer(container.id) from error


def rename(engine: Engine, container: Container, name: str) -> Container:
    """The new name is taken before the old one is given back; in between the record decides."""
    if not name:
        raise BadOption("Neither old nor new names may be empty")
    with _changing(engine, container) as document:
        before = document["name"]
        if name.removeprefix("/") == before:
            raise BadOption("Renaming a container with the same name as its current name")
        document["name"] = engine.containers.names.take(name, container.id)
        write_record(engine.home, document)
        engine.containers.names.give_back(before, container.id)
    renamed = Container(engine.home, document)
    if renamed.state.is_running:
        engine.networks.attachments.renamed(container.id, before, renamed.name)
    _tell(engine, renamed, "rename", oldName=f"/{before}")
    return renamed


def update(engine: Engine, container: Container, limits: Limits) -> Container:
    """The kernel first, which may refuse; so the record never says what is not so."""
    if limits.restart is not None:
        check_restart(limits.restart)
        if container.config.auto_remove and limits.restart != "no":
            raise BadOption("Restart policy cannot be updated because AutoRemove is enabled for the container")
    wanted = {name: content for name, content in fields_of(limits).items() if content is not None}
    with _changing(engine, container) as document:
        config = replace(Container(engine.home, document).config, **wanted)
        check_memory(config)
        check_processors(config)
        if limit_document(limits) and read_state(engine.home, container.id).is_running:
            _apply(engine, container, limits)
        document["config"] = encode(config)
        write_record(engine.home, document)
    changed = Container(engine.home, document)
    if limits.restart is not None:
        from runtime.engine.lifecycle import change_terms

        change_terms(engine, changed)
    _tell(engine, changed, "update")
    return changed


def _apply(engine: Engine, container: Container, limits: Limits) -> None:
    from runtime.cgroups.hierarchy import CgroupError
    from runtime.container.errors import ContainerError
    from runtime.container.store import Store
    from runtime.container.update import update as change
    from runtime.spec.reader import SpecError

    try:
        change(Store(engine.home.runtime).find(container.id), limit_document(limits))
    except (ContainerError, CgroupError, SpecError) as error:
        raise Conflict(f"Cannot update container {container.id}: {error}") from error


def connect(engine: Engine, container: Container, endpoint: Endpoint) -> Container:
    """One endpoint a network; a mode such as host is no network, and stays alone."""
    network = container.config.network
    if network == "host" or network.startswith("container:"):
        raise Conflict(
            "container sharing network namespace with another container or host "
            "cannot be connected to any other network"
        )
    with _changing(engine, container) as document:
        if any(entry["network"] == endpoint.network for entry in document["endpoints"]):
            raise Conflict(f"endpoint with name {container.name} already exists in network {endpoint.network}")
        document["endpoints"] = [*document["endpoints"], encode(endpoint)]
        write_record(engine.home, document)
    return Container(engine.home, document)


def disconnect(engine: Engine, container: Container, network: str) -> Container:
    """The container is left with what else it is in."""
    with _changing(engine, container) as document:
        kept = [entry for entry in document["endpoints"] if entry["network"] != network]
        if len(kept) == len(document["endpoints"]):
            raise Conflict(f"container {container.id} is not connected to network {network}")
        document["endpoints"] = kept
        write_record(engine.home, document)
    return Container(engine.home, document)


def _tell(engine: Engine, container: Container, action: str, **attributes: str) -> None:
    from runtime.engine.creation import tell

    tell(engine, container, action, **attributes)

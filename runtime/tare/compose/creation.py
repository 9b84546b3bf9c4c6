"""The container of a service: the words of `create` that make it, and the labels by which it is found again."""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING

from runtime.tare.compose.project import DEFAULT_NETWORK
from runtime.tare.compose.service import Attached

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runtime.tare.compose.project import Project
    from runtime.tare.compose.service import Service

PROJECT = "com.docker.compose.project"
SERVICE = "com.docker.compose.service"
NUMBER = "com.docker.compose.container-number"
CONFIG_HASH = "com.docker.compose.config-hash"
ONE_NETWORK = ("bridge", "host", "none")


def container_name(project: Project, service: Service) -> str:
    """As docker compose calls it, unless the file says otherwise."""
    return service.container_name or f"{project.name}-{service.name}-1"


def image_of(project: Project, service: Service) -> str:
    """What was named, or what a build of ours is called."""
    return service.image or f"{project.name}-{service.name}"


def attached_networks(project: Project, service: Service) -> tuple[Attached, ...]:
    """By the names that they have on the host; none with a network mode."""
    if service.network_mode:
        return ()
    wanted = service.networks or (Attached(DEFAULT_NETWORK),)
    return tuple(Attached(project.network(one.network).name, one.aliases, one.ip) for one in wanted)


def words_of(project: Project, service: Service, image_id: str) -> tuple[str, ...]:
    """What follows ``tare create``."""
    flags = (*service.flags, *_volume_flags(project, service), *_network_flags(project, service))
    identity = hashlib.sha256(repr((flags, service.command, image_id)).encode()).hexdigest()
    labels = {PROJECT: project.name, SERVICE: service.name, NUMBER: "1", CONFIG_HASH: identity}
    return (
        f"--name={container_name(project, service)}",
        *(f"--label={name}={value}" for name, value in labels.items()),
        *flags,
        "--",
        image_of(project, service),
        *service.command,
    )


def hash_of(words: tuple[str, ...]) -> str:
    """By which a container that is as the file says is told from one that is not."""
    begin = f"--label={CONFIG_HASH}="
    return next(word for word in words if word.startswith(begin)).removeprefix(begin)


def _volume_flags(project: Project, service: Service) -> Iterator[str]:
    for text in service.volumes:
        source, colon, rest = text.partition(":")
        yield f"--volume={_source(project, source)}:{rest}" if colon else f"--volume={source}"
    for fields in service.mounts:
        parts = [(name, _source(project, value) if name == "source" else value) for name, value in fields]
        yield f"--mount={','.join(f'{name}={value}' for name, value in parts)}"


def _source(project: Project, source: str) -> str:
    """A path from the file's directory on, or a volume as it is called on the host."""
    if source.startswith((".", "~")):
        return os.path.normpath(os.path.join(project.directory, os.path.expanduser(source)))
    return next((volume.name for volume in project.volumes if volume.key == source), source)


def _network_flags(project: Project, service: Service) -> Iterator[str]:
    """The first network; `create` takes one."""
    if service.network_mode:
        kind, _, name = service.network_mode.partition(":")
        other = f"container:{container_name(project, project.service(name))}" if kind == "service" else ""
        yield f"--network={other or service.network_mode}"
        return
    first = attached_networks(project, service)[0]
    yield f"--network={first.network}"
    if first.network not in ONE_NETWORK:
        yield from (f"--network-alias={alias}" for alias in (service.name, *first.aliases))
    if first.ip:
        yield f"--ip={first.ip}"

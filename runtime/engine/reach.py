"""Reaching the files of a container from outside, whether it runs or not, in its root and in its volumes.

What is there is hostile and may change meanwhile: all of it goes by descriptors (`runtime.image.view`,
`runtime.image.tree`). A container that does not run is read from its layers, without a mount; to be written to, its
overlay is mounted for as long as somebody has a descriptor of it, and in no directory.
"""

from __future__ import annotations

import os

from runtime.engine.directories import locked
from runtime.engine.errors import Conflict, NoSuchPath
from runtime.rootfs.overlay import Overlay, is_mounted, mount_overlay, unmount
from runtime.unwinding import contextmanager

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from runtime.engine.container import Container, MountPoint
    from runtime.image.tree import Tree
    from runtime.image.view import View

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
# From a link in the root to a volume; more of them is nobody's intention.
_MOST_LINKS = 8


@contextmanager
def root_view(container: Container) -> Iterator[View]:
    """Its root without what is mounted in it."""
    from pathlib import Path

    from runtime.image.view import View

    if is_mounted(container.merged):
        directories = (container.merged,)
    else:
        upper = (container.upper,) if os.path.isdir(container.upper) else ()
        directories = (*container.lowers, *upper)
    with View.of(tuple(map(Path, directories))) as view:
        yield view


@contextmanager
def reading(container: Container, path: str) -> Iterator[tuple[View, str]]:
    """The tree that a path of the container is in, and the path in that tree."""
    with root_view(container) as view:
        point, place = _locate(container, view, path)
        if point is None:
            yield view, place
            return
    with _mounted(point) as (volume, prefix):
        yield volume, prefix + place


@contextmanager
def writing(container: Container, path: str) -> Iterator[tuple[View, Tree, str]]:
    """As `reading`, with the same tree to be written to. Raises `Conflict` for what is read-only."""
    from runtime.image.tree import Tree
    from runtime.image.view import View

    with root_view(container) as view:
        point, place = _locate(container, view, path)
    if point is not None:
        if point.read_only:
            raise Conflict("mounted volume is marked read-only")
        with _mounted(point) as (volume, prefix), volume.open(volume.root, _DIRECTORY) as fd:
            yield volume, Tree(fd), prefix + place
        return
    if container.config.read_only:
        raise Conflict("container rootfs is marked read-only")
    with _writable(container) as fd:
        yield View((fd,)), Tree(fd), place


def _locate(container: Container, view: View, path: str) -> tuple[MountPoint | None, str]:
    """The volume or bind that a path is in, links in the root followed, and the path in there; else the root's own."""
    place = path if path.startswith("/") else f"/{path}"
    for _ in range(_MOST_LINKS):
        point = _mount_at(container, place)
        if point is not None:
            return point, _below(place, point.target)
        resolved = _resolved(view, place)
        if resolved is None or _mount_at(container, resolved) is None:
            return None, place
        place = resolved
    raise NoSuchPath(path, container.name)


def _mount_at(container: Container, place: str) -> MountPoint | None:
    """The innermost mount that the path is in; one in memory is seen by the container alone, as with Docker."""
    parts = _parts(place)
    found = [point for point in container.mounts if _parts(point.target) == parts[: len(_parts(point.target))]]
    return max(found, key=lambda point: len(_parts(point.target)), default=None)


def _below(place: str, target: str) -> str:
    """What is left of a path; how it ends says something."""
    rest = "/".join(_parts(place)[len(_parts(target)) :])
    return f"/{rest}{_ending(place)}"


def _resolved(view: View, place: str) -> str | None:
    """The path without links; of something that is not there, that of the directory it would be in."""
    node = view.resolve(place)
    if node is not None:
        return str(node).rstrip("/") + _ending(place)
    parent, _, name = place.rstrip("/").rpartition("/")
    directory = view.resolve(parent or "/")
    return None if directory is None else f"{str(directory).rstrip('/')}/{name}"


def _ending(place: str) -> str:
    return "/." if place.endswith("/.") else "/" if place.endswith("/") else ""


def _parts(path: str) -> list[str]:
    return [part for part in os.path.normpath(path).split("/") if part]


@contextmanager
def _mounted(point: MountPoint) -> Iterator[tuple[View, str]]:
    """What is mounted; of a single file, the directory that it is in, and its name as a prefix."""
    from runtime.image.view import View

    if point.kind == "tmpfs":
        raise Conflict(f"copy from or to {point.target}: a file system in memory is the container's alone")
    directory = os.path.isdir(point.source)
    fd = os.open(point.source if directory else os.path.dirname(point.source), _DIRECTORY)
    try:
        yield View((fd,), mounts=True), "" if directory else f"/{os.path.basename(point.source)}"
    finally:
        os.close(fd)


@contextmanager
def _writable(container: Container) -> Iterator[int]:
    """The root, mounted."""
    if is_mounted(container.merged):
        fd = os.open(container.merged, _DIRECTORY)
    else:
        with locked(container.directory):
            fd = _open_detached(container)
    try:
        yield fd
    finally:
        os.close(fd)


def _open_detached(container: Container) -> int:
    """Mount the overlay and take it off again at once: it is there until the descriptor is closed, and then gone."""
    work = f"{container.directory}/work"
    for path in (container.upper, work, container.merged):
        os.makedirs(path, mode=0o700 if path == work else 0o755, exist_ok=True)
    mount_overlay(Overlay(container.lowers, container.upper, work, container.merged))
    try:
        return os.open(container.merged, _DIRECTORY)
    finally:
        unmount(container.merged)

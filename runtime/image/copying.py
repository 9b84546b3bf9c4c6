"""Copying between trees: what ``docker cp`` makes of a source, a destination and their last characters.

The rules are those of moby's pkg/archive/copy.go. A source that ends in ``/.`` is what is in the directory; a path that
ends in a slash has to be a directory; a destination that is none yet gives the copy its name. Either side may be a
container's root, hostile and in motion: it is read through a `View` and written through a `Tree`.
"""

from __future__ import annotations

import os
import stat
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from runtime.image.archive import DEFAULT_LIMITS, Archive, layer_errors
from runtime.image.errors import ImageError
from runtime.image.members import AS_IT_IS, Adjustment, tree_members
from runtime.image.placing import Placer, replace_entry
from runtime.image.tarwriter import ChunkReader, archive
from runtime.image.tree import Tree, lstat, tree_path
from runtime.image.view import View

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runtime.image.archive import LayerLimits
    from runtime.image.digest import Readable
    from runtime.image.headers import Entry
    from runtime.image.tree import TreePath
    from runtime.image.view import Node


_MAX_LINKS = 40  # as many as the kernel follows (path_resolution(7))


class CopyError(ImageError):
    """A copy that cannot be made; the message names the path."""


class NoSuchPath(CopyError):
    """Nothing is at the path."""


@dataclass(frozen=True, slots=True)
class Found:
    """The source of a copy; without a name only what is in the directory is copied."""

    node: Node
    name: bytes


@dataclass(frozen=True, slots=True)
class Target:
    """Where a copy goes: below which directory, without links in its path, and called what."""

    directory: TreePath
    name: bytes


@dataclass(frozen=True, slots=True)
class PathStat:
    """What is at a path."""

    name: str
    size_bytes: int
    mode: int
    mtime_ns: int
    link_target: str = ""


def find(view: View, path: str, *, follow: bool = False) -> Found:
    """The source at ``path``; a link there is copied itself unless told to ``follow`` it. Raises `NoSuchPath`."""
    node = view.resolve(path, follow=follow or path.endswith(("/", "/.")))
    if node is None:
        raise NoSuchPath(f"copy {path}: no such file or directory")
    if path.endswith(("/", "/.")) and not node.is_directory:
        raise CopyError(f"copy {path}: not a directory")
    contents = path.endswith("/.") or path == "." or not node.path
    name = b"" if contents and node.is_directory else _name(path) or node.path[-1]
    return Found(node, name)


def path_stat(view: View, path: str) -> PathStat:
    """What is at a path, of a link itself."""
    node = find(view, path).node
    target = os.fsdecode(view.read_link(node)) if node.is_link else ""
    name = os.fsdecode(node.path[-1]) if node.path else "/"
    return PathStat(name, node.status.st_size, node.status.st_mode, node.status.st_mtime_ns, target)


def read_tree(view: View, found: Found, adjustment: Adjustment = AS_IT_IS) -> Iterator[bytes]:
    """The source and what is below it as an archive."""
    return archive(tree_members(view, found.node, found.name, adjustment))


def plan(view: View, destination: str, found: Found) -> Target:
    """Where in ``view`` the source goes, by what is at ``destination``. Raises `CopyError`."""
    is_directory, name = found.node.is_directory, found.name
    node = view.resolve(destination)
    if node is not None and node.is_directory:
        return Target(node.path, name)
    if node is not None and is_directory:
        raise CopyError(f"copy to {destination}: cannot copy a directory to a file")
    if destination.endswith(("/", "/.")) and not is_directory:
        raise CopyError(f"copy to {destination}: no such directory")
    if node is not None:
        return Target(node.path[:-1], node.path[-1])
    return _new(view, destination)


def write_tree(
    tree: Tree,
    directory: TreePath,
    stream: Readable,
    limits: LayerLimits = DEFAULT_LIMITS,
    owner: tuple[int, int] | None = None,
) -> None:
    """Put an archive's entries below a directory of the tree, in place of what is there.

    A directory and a file never take each other's place. Names and links in the archive lead nowhere else; ``.wh.`` in
    a name means nothing. Raises `CopyError`, and `LayerError` for an archive that is none.
    """
    placer = Placer(tree, limits.devices, directory, owner)
    for entry, content in Archive(stream, limits, "copy"):
        path = tree_path(entry.name)
        with layer_errors(f"copy {entry.name!r}"):
            _write_entry(tree, directory, path, (placer, entry, content))
    with layer_errors("copy"):
        placer.finish()


def copy(source: View, found: Found, tree: Tree, target: Target, owner: tuple[int, int] | None = None) -> None:
    """Copy the source into the tree; all of it belongs to ``owner``, without one to whom it belonged (``cp -a``)."""
    adjustment = Adjustment(owner=owner)
    chunks = read_tree(source, Found(found.node, target.name), adjustment)
    write_tree(tree, target.directory, ChunkReader(chunks))


@contextmanager
def host() -> Iterator[tuple[View, Tree]]:
    """All of this host as one tree, with whatever is mounted in it; paths in it are absolute."""
    fd = os.open("/", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield View((fd,), mounts=True), Tree(fd, mounts=True)
    finally:
        os.close(fd)


def host_path(path: str) -> str:
    """A path of this host as an absolute one; its end says something and stays."""
    return path if path.startswith("/") else f"{Path.cwd()}/{path}"


def _new(view: View, destination: str, links: int = 0) -> Target:
    """A name that is not there yet, in a directory that has to be."""
    stripped = destination.rstrip("/")
    stripped = stripped.removesuffix("/.") if stripped.endswith("/.") else stripped
    parent, _, name = stripped.rpartition("/")
    node = view.resolve(parent or "/")
    if node is None or not node.is_directory or name in {"", ".", ".."} or links > _MAX_LINKS:
        raise NoSuchPath(f"copy to {destination}: no such directory")
    present = view.child(node, os.fsencode(name))
    if present is not None and present.is_link:
        # A link that leads nowhere yet: the copy is made where it leads.
        return _new(view, _joined(node, os.fsdecode(view.read_link(present))), links + 1)
    return Target(node.path, os.fsencode(name))


def _joined(directory: Node, target: str) -> str:
    return target if target.startswith("/") else f"{directory}/{target}"


def _name(path: str) -> bytes:
    name = path.rstrip("/").rpartition("/")[2]
    return b"" if name in {"", ".", ".."} else os.fsencode(name)


def _make_directory(parent_fd: int, path: TreePath) -> None:
    os.mkdir(path[-1], 0o755, dir_fd=parent_fd)


def _write_entry(tree: Tree, base: TreePath, path: TreePath, what: tuple[Placer, Entry, Readable | None]) -> None:
    placer, entry, content = what
    if not path:
        return
    tree.make_directories((*base, *path[:-1]), _make_directory)
    with tree.directory((*base, *path[:-1])) as parent_fd:
        present = lstat(parent_fd, path[-1])
        if present is not None and stat.S_ISDIR(present.st_mode) != entry.isdir():
            kinds = ("directory", "non-directory") if stat.S_ISDIR(present.st_mode) else ("non-directory", "directory")
            raise CopyError(f"copy {entry.name!r}: cannot overwrite {kinds[0]} with {kinds[1]}")
        if replace_entry(parent_fd, path[-1], entry) is not None and entry.isdir():
            placer.adjust(parent_fd, path, entry)
        else:
            placer.make(parent_fd, path, entry, content)

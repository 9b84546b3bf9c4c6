"""What COPY and ADD copy: files of the context, of a stage, of an image, or of a directory made for the purpose.

All are unions of directories (`runtime.image.view`), in which no link leads outside.
"""

from __future__ import annotations

import hashlib
import os
import stat

from runtime.build.errors import BuildError
from runtime.build.patterns import compile_match, has_wildcards
from runtime.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from runtime.build.ignore import Ignore
    from runtime.image.tree import TreePath
    from runtime.image.view import Node, View

_CHUNK_BYTES = 1 << 20


class Picked(Value):
    """A source: a file, or a directory whose content is meant. ``name`` is what a file is called at its destination."""

    node: Node
    name: bytes


class Place:
    """A union to copy from. ``keeps_owners`` where files have owners that mean something: not in a context."""

    def __init__(self, view: View, ignore: Ignore, *, keeps_owners: bool) -> None:
        self.view = view
        self.keeps_owners = keeps_owners
        self._ignore = ignore

    def pick(self, sources: Sequence[str]) -> tuple[Picked, ...]:
        """What the words name; raises `BuildError` for one that names nothing."""
        return tuple(picked for source in sources for picked in self._pick(source))

    def _pick(self, source: str) -> Iterator[Picked]:
        path = os.path.normpath(f"/{source}").lstrip("/")
        if has_wildcards(source):
            yield from self._matching(path)
            return
        node = None if self._left_out(path) else self.view.resolve(path)
        if node is None or (self._ignore.ignores(path) and not node.is_directory):
            raise BuildError(f"file not found in build context or excluded by .dockerignore: stat {source}: "
                             "file does not exist")  # fmt: skip
        yield Picked(node, os.fsencode(os.path.basename(path)))

    def _matching(self, pattern: str) -> Iterator[Picked]:
        """In the order of their names, as Go's walk; a directory that fits is not searched further."""
        try:
            expression = compile_match(pattern)
        except ValueError as error:
            raise BuildError(str(error)) from None
        found = False
        depth = pattern.count("/") + 1
        for path, node in self._walk_to(depth):
            if expression.fullmatch(path) and not self._ignore.ignores(path):
                target = self.view.resolve(path)
                if target is not None:
                    found = True
                    yield Picked(target, node.path[-1])
        if not found:
            raise BuildError("no source files were specified")

    def _walk_to(self, depth: int) -> Iterator[tuple[str, Node]]:
        waiting = [self.view.root]
        while waiting:
            node = waiting.pop()
            if len(node.path) == depth:
                yield os.fsdecode(b"/".join(node.path)), node
            elif node.is_directory:
                waiting += reversed(self.view.children(node))

    def _left_out(self, path: str) -> bool:
        """Without exceptions nothing below what is ignored can be meant."""
        return bool(path) and self._ignore.ignores(path) and not self._ignore.has_exceptions

    def walk(self, top: Node) -> Iterator[tuple[TreePath, Node]]:
        """What is below a directory that was picked, parents first, each with its path from there."""
        kept: set[TreePath] = {top.path}
        later: dict[TreePath, Node] = {}
        for node in self.view.walk(top):
            if node.path == top.path:
                continue
            ignored = self._ignore.ignores(os.fsdecode(b"/".join(node.path)))
            if ignored and node.is_directory:
                later[node.path] = node
            elif not ignored:
                # A directory that is left out comes after all if something in it is an exception.
                for end in range(len(top.path) + 1, len(node.path)):
                    parent = node.path[:end]
                    if parent not in kept:
                        kept.add(parent)
                        yield parent[len(top.path) :], later[parent]
                kept |= {node.path} if node.is_directory else set()
                yield node.path[len(top.path) :], node


def digest_of(place: Place, picked: Sequence[Picked], owner: str, mode: str) -> str:
    """In the classic builder's form: what kind of sources, and a digest of their content, names, modes and owners.

    Not of their times: a fresh checkout is the same source.
    """
    whole = hashlib.sha256(f"{owner}\n{mode}\n".encode())
    for one in picked:
        whole.update(b"\0%d %s\n" % (one.node.is_directory, b"" if one.node.is_directory else one.name))
        for path, node in (((), one.node), *_below(place, one)):
            whole.update(_described(place, path, node))
    return f"{_kind(picked)}:{whole.hexdigest()}"


def _kind(picked: Sequence[Picked]) -> str:
    if len(picked) > 1:
        return "multi"
    return "dir" if picked[0].node.is_directory else "file"


def _below(place: Place, picked: Picked) -> Iterator[tuple[TreePath, Node]]:
    return place.walk(picked.node) if picked.node.is_directory else iter(())


def _described(place: Place, path: TreePath, node: Node) -> bytes:
    status = node.status
    owner = (status.st_uid, status.st_gid) if place.keeps_owners else (0, 0)
    parts = [b"/".join(path), b"%o" % status.st_mode, b"%d:%d" % owner]
    if stat.S_ISREG(status.st_mode):
        parts.append(_content(place.view, node))
    elif node.is_link:
        parts.append(place.view.read_link(node))
    elif stat.S_ISCHR(status.st_mode) or stat.S_ISBLK(status.st_mode):
        parts.append(b"%d" % status.st_rdev)
    if not node.is_link and (place.keeps_owners or status.st_mode & 0o111):
        parts += [b"%s=%s" % (os.fsencode(name), value) for name, value in place.view.xattrs(node).items()]
    return b"".join(b"%d:%s" % (len(part), part) for part in parts) + b"\n"


def _content(view: View, node: Node) -> bytes:
    digest = hashlib.sha256()
    with view.open(node) as fd:
        while data := os.read(fd, _CHUNK_BYTES):
            digest.update(data)
    return digest.digest()

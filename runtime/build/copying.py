"""COPY and ADD: what was picked goes to its destination in the layers so far.

As the classic builder does it (moby, builder/dockerfile/copy.go): a directory's content is merged into the destination,
which is a directory if it ends with a slash, if it is one, or if there are several sources.
"""

from __future__ import annotations

import os
import stat

from runtime.build.errors import BuildError
from runtime.build.placing import Attributes, Placer, copy_content, xattrs_of
from runtime.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from runtime.build.sources import Picked, Place
    from runtime.image.tree import TreePath
    from runtime.image.view import Node


class Copy(Value):
    """Where to, and what the files become: ``owner`` and ``mode`` of None are the sources' own."""

    destination: str
    owner: tuple[int, int] | None = (0, 0)
    mode: int | None = None
    extracts: bool = False


def copy(place: Place, picked: Sequence[Picked], request: Copy, root: str) -> None:
    """Do it in the mounted ``root``; raises `BuildError` and `OSError`."""
    with Placer(root) as placer:
        _Copying(place, request, placer).run(picked)


class _Copying:
    def __init__(self, place: Place, request: Copy, placer: Placer) -> None:
        self._place = place
        self._request = request
        self._placer = placer
        self._names: dict[tuple[int, int], TreePath] = {}

    def run(self, picked: Sequence[Picked]) -> None:
        path = self._placer.resolve(self._request.destination)
        into = self._request.destination.endswith("/") or len(picked) > 1 or self._placer.is_directory(path)
        for one in picked:
            if one.node.is_directory:
                self._directory(one.node, path)
            elif self._request.extracts and self._is_archive(one.node):
                self._extract(one.node, path)
            else:
                self._file(one, (*path, one.name) if into else path)

    def _directory(self, top: Node, path: TreePath) -> None:
        # A destination that has to be made becomes what the source is; one that is there stays as it is.
        if self._placer.status(path) is None:
            self._placer.make_parents(path[:-1], Attributes(mode=0o755))
            self._placer.directory(path, self._attributes(top))
        elif not self._placer.is_directory(path):
            raise BuildError(f"cannot copy to non-directory: {self._request.destination}")
        for below, node in self._place.walk(top):
            self._put(node, (*path, *below))

    def _file(self, picked: Picked, path: TreePath) -> None:
        if not path:
            raise BuildError("cannot copy a file over the root directory")
        self._parents(path)
        path = self._placer.resolve("/" + os.fsdecode(b"/".join(path)))
        self._put(picked.node, path)

    def _parents(self, path: TreePath) -> None:
        uid, gid = self._request.owner or (0, 0)
        self._placer.make_parents(path[:-1], Attributes(uid, gid, 0o755))

    def _put(self, node: Node, path: TreePath) -> None:
        status, attributes = node.status, self._attributes(node)
        if node.is_directory:
            self._placer.directory(path, attributes)
        elif node.is_link:
            self._placer.symlink(path, self._place.view.read_link(node), attributes)
        elif not self._is_linked(node, path):
            if stat.S_ISREG(status.st_mode):
                self._placer.file(path, attributes, lambda fd: self._copy_content(node, fd))
            elif not stat.S_ISSOCK(status.st_mode):  # which no archive holds
                self._placer.node(path, stat.S_IFMT(status.st_mode), status.st_rdev, attributes)

    def _is_linked(self, node: Node, path: TreePath) -> bool:
        """Whether it is a further name of a file that has been copied."""
        if node.status.st_nlink < 2:
            return False
        first = self._names.setdefault((node.status.st_dev, node.status.st_ino), path)
        if first != path:
            self._placer.link(path, first)
        return first != path

    def _copy_content(self, node: Node, target: int) -> None:
        with self._place.view.open(node) as source:
            if not stat.S_ISREG(os.fstat(source).st_mode):
                raise BuildError(f"copy {node}: it changes while it is read")
            copy_content(source, target)

    def _attributes(self, node: Node) -> Attributes:
        status, owner = node.status, self._request.owner
        uid, gid = (status.st_uid, status.st_gid) if owner is None else owner
        mode = stat.S_IMODE(status.st_mode) if self._request.mode is None else self._request.mode
        xattrs = () if node.is_link else xattrs_of(self._place.view.xattrs(node), all_of_them=self._place.keeps_owners)
        return Attributes(uid, gid, mode, status.st_mtime_ns, xattrs)

    def _is_archive(self, node: Node) -> bool:
        from runtime.build.context import is_archive

        if not stat.S_ISREG(node.status.st_mode):
            return False
        with self._place.view.open(node) as fd:
            return is_archive(os.read(fd, 512))

    def _extract(self, node: Node, path: TreePath) -> None:
        from runtime.build.extraction import extract

        uid, gid = self._request.owner or (0, 0)
        self._placer.make_parents(path, Attributes(uid, gid, 0o755))
        with self._place.view.open(node) as fd, open(os.dup(fd), "rb") as stream:
            extract(self._placer, path, stream, str(node).lstrip("/"))

"""What an upper directory changes of the layers below it: the A, C and D of ``docker diff``.

As Docker does it (moby, pkg/archive/changes.go): a directory is changed if its own attributes are or anything in it was
added, changed or deleted; what is deleted with its directory is not named; the root never is.
"""

from __future__ import annotations

import enum
import stat
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from runtime.image.view import Node, View

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator, Sequence
    from pathlib import Path


class ChangeKind(enum.StrEnum):
    """What became of a file; the value is what ``diff`` prints."""

    MODIFIED = "C"
    ADDED = "A"
    DELETED = "D"

    @property
    def number(self) -> int:
        """As Docker's API counts them."""
        return list(ChangeKind).index(self)


@dataclass(frozen=True, slots=True)
class Change:
    """One changed file; ``path`` begins with a slash, bytes that are not UTF-8 are surrogates."""

    path: str
    kind: ChangeKind

    def __str__(self) -> str:
        return f"{self.kind} {self.path}"


def changes(upper: Path, lowers: Sequence[Path]) -> tuple[Change, ...]:
    """What ``upper`` changes of ``lowers`` (bottom first), a directory before what is in it, by name."""
    with View.of((upper,), whiteouts=True) as above, View.of(lowers or (upper,)) as below:
        comparison = _Comparison(above, below)
        comparison.run(below.root if lowers else None)
        return tuple(comparison.found)


@dataclass(slots=True)
class _Frame:
    """A directory of the upper layer whose content is being compared."""

    node: Node
    lower: Node | None
    recorded: bool
    waiting: Iterator[tuple[Node | None, Node | None]]


@dataclass(slots=True)
class _Comparison:
    """A walk through the upper directory, by hand: it may be nested deeper than Python may recurse."""

    above: View
    below: View
    found: list[Change] = field(default_factory=list)
    frames: list[_Frame] = field(default_factory=list)

    def run(self, lower: Node | None) -> None:
        self._enter(self.above.root, lower, recorded=True)
        while self.frames:
            pair = next(self.frames[-1].waiting, None)
            if pair is None:
                self.frames.pop()
            else:
                self._compare(*pair)

    def _enter(self, node: Node, lower: Node | None, *, recorded: bool) -> None:
        self.frames.append(_Frame(node, lower, recorded, self._pairs(node, lower)))

    def _pairs(self, node: Node, lower: Node | None) -> Iterator[tuple[Node | None, Node | None]]:
        """What the upper directory has, beside what shows below; all of that if the upper one hides it."""
        upper = {child.path[-1]: child for child in self.above.children(node)}
        hidden: dict[bytes, Node] = {}
        if lower is not None and node.path and self.above.is_opaque(node):
            hidden = {child.path[-1]: child for child in self.below.children(lower)}
        for name in sorted({*upper, *hidden}):
            under = hidden.get(name)
            if under is None and lower is not None:
                under = self.below.child(lower, name)
            yield upper.get(name), under

    def _compare(self, node: Node | None, lower: Node | None) -> None:
        if node is None or node.is_whiteout:
            if lower is not None:
                self._record(lower, ChangeKind.DELETED)
            return
        if lower is None:
            self._record(node, ChangeKind.ADDED)
        elif not (node.is_directory and lower.is_directory) or self._differ(node, lower):
            self._record(node, ChangeKind.MODIFIED)
        elif node.is_directory:
            self._enter(node, lower, recorded=False)
            return
        if node.is_directory:
            self._enter(node, lower if lower is not None and lower.is_directory else None, recorded=True)

    def _differ(self, node: Node, lower: Node) -> bool:
        """Whether a directory's own attributes are others; overlayfs copies it up to change anything in it."""
        return _facts(node.status) != _facts(lower.status) or self.above.xattrs(node) != self.below.xattrs(lower)

    def _record(self, node: Node, kind: ChangeKind) -> None:
        for frame in self.frames:
            if not frame.recorded:
                frame.recorded = True
                self.found.append(Change(str(frame.node), ChangeKind.MODIFIED))
        self.found.append(Change(str(node), kind))


def _facts(status: os.stat_result) -> tuple[int, int, int, int]:
    return stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid, status.st_mtime_ns

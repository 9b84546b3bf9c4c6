"""Whatever is done in a container: diff says what has changed, and the committed image shows what the container did.

The model is what the kernel shows, before and after: two trees as values, and Docker's rules applied to them. Nothing
of it looks at an upper directory.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st

from runtime.image.changes import changes
from runtime.image.commit import Author, append_layer, layer_of_upper, write_image
from runtime.image.config import ImageConfig
from runtime.image.store import ImageStore
from runtime.image.view import View
from tests.support.trees import Facts, overlay, read_tree

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from runtime.image.descriptor import Descriptor

pytestmark = pytest.mark.root

NAMES = (b"a", b"b", b"c\n\xff", b"d" * 120)
PATHS = st.lists(st.sampled_from(NAMES), min_size=1, max_size=3).map(b"/".join)


@dataclass(frozen=True)
class Step:
    """One thing that a process does; what cannot be done is not."""

    verb: str
    path: bytes
    other: bytes = b"a"
    number: int = 0

    def __call__(self, root: bytes) -> None:
        path, other = os.path.join(root, self.path), os.path.join(root, self.other)
        try:
            getattr(self, f"_{self.verb}")(path, other)
        except OSError:
            return

    def _write(self, path: bytes, _: bytes) -> None:
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW), "wb") as file:
            file.write(b"%d" % self.number)

    def _sparse(self, path: bytes, _: bytes) -> None:
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW), "wb") as file:
            file.seek(300_000)
            file.write(b"%d" % self.number)

    def _mkdir(self, path: bytes, _: bytes) -> None:
        os.mkdir(path)

    def _remove(self, path: bytes, _: bytes) -> None:
        if os.path.isdir(path) and not os.path.islink(path):
            shutil.rmtree(path)
        else:
            os.unlink(path)

    def _replace(self, path: bytes, other: bytes) -> None:
        """A directory instead of what was there, which hides all of it."""
        self._remove(path, other)
        os.mkdir(path)

    def _symlink(self, path: bytes, _: bytes) -> None:
        os.symlink(b"../" * (self.number % 3) + self.other, path)

    def _link(self, path: bytes, other: bytes) -> None:
        os.link(other, path, follow_symlinks=False)

    def _rename(self, path: bytes, other: bytes) -> None:
        os.rename(other, path)

    def _chmod(self, path: bytes, _: bytes) -> None:
        if not os.path.islink(path):
            os.chmod(path, 0o1000 * (self.number % 8) + 0o700 + self.number % 64)

    def _chown(self, path: bytes, _: bytes) -> None:
        os.chown(path, self.number, 1000 + self.number, follow_symlinks=False)

    def _attribute(self, path: bytes, _: bytes) -> None:
        if not os.path.islink(path):
            os.setxattr(path, "user.note", b"\0\xff%d" % self.number)

    def _fifo(self, path: bytes, _: bytes) -> None:
        os.mkfifo(path)

    def _device(self, path: bytes, _: bytes) -> None:
        os.mknod(path, 0o020600, os.makedev(1, 3 + self.number % 5))

    def _time(self, path: bytes, _: bytes) -> None:
        os.utime(path, ns=(0, self.number * 10**9 + self.number), follow_symlinks=False)


VERBS = tuple(sorted(name[1:] for name in vars(Step) if name.startswith("_") and name[1] != "_"))
STEPS = st.lists(st.builds(Step, st.sampled_from(VERBS), PATHS, PATHS, st.integers(0, 5000)), min_size=3, max_size=20)
SESSIONS = st.lists(STEPS, min_size=1, max_size=3)
# So that what follows meets something.
BEGINNING = (
    Step("mkdir", b"a"),
    Step("mkdir", b"a/a"),
    Step("write", b"a/a/b"),
    Step("write", b"a/b"),
    Step("link", NAMES[2], b"a/b"),
    Step("symlink", b"a/" + NAMES[2]),
    Step("sparse", b"b"),
    Step("attribute", b"b"),
)


def expected(before: Mapping[bytes, Facts], after: Mapping[bytes, Facts]) -> list[str]:
    """Docker's rules on two trees."""
    found: dict[bytes, str] = dict.fromkeys(after.keys() - before.keys(), "A")
    for path in before.keys() & after.keys():
        old, new = before[path], after[path]
        own = (old.kind, old.mode, old.owner, old.mtime_ns, old.content, old.device, old.xattrs)
        if own != (new.kind, new.mode, new.owner, new.mtime_ns, new.content, new.device, new.xattrs):
            found[path] = "C"
    for path in before.keys() - after.keys():
        parent = os.path.dirname(path)
        if not parent or (parent in after and after[parent].kind == before[parent].kind == "directory"):
            found[path] = "D"
    for path in list(found):
        while path := os.path.dirname(path):
            found.setdefault(path, "C")
    return [
        f"{kind} /{os.fsdecode(path)}" for path, kind in sorted(found.items(), key=lambda item: item[0].split(b"/"))
    ]


def seen(layers: Sequence[Path]) -> set[bytes]:
    with View.of(layers) as view:
        return {b"/".join(node.path) for node in view.walk(view.root) if node.path}


class Machine:
    """A store in which session upon session is committed."""

    def __init__(self, ground: Path, *, adopt: bool) -> None:
        self.ground = ground
        self.adopt = adopt
        self.store = ImageStore(ground / "data")
        self.config = ImageConfig()
        self.layers: tuple[Descriptor, ...] = ()
        self.lowers: tuple[Path, ...] = ()

    def session(self, number: int, steps: Sequence[Step]) -> None:
        with overlay(self.lowers, self.ground / str(number)) as (merged, upper):
            before = read_tree(merged)
            for step in steps:
                step(os.fsencode(merged))
            after = read_tree(merged)
        found = [str(change) for change in changes(upper, self.lowers)]
        assert [line for line in found if line not in self.rewritten(found, before, after)] == expected(before, after)
        self.commit(upper)
        with overlay(self.lowers, self.ground / f"{number}-again") as (merged, _):
            assert read_tree(merged) == after
        assert seen(self.lowers) == set(after)

    @staticmethod
    def rewritten(found: Sequence[str], before: Mapping[bytes, Facts], after: Mapping[bytes, Facts]) -> set[str]:
        """Files that are what they were, although somebody has written to them: docker names these too."""
        wanted = set(expected(before, after))
        same: set[str] = set()
        for path in before.keys() & after.keys():
            line = f"C /{os.fsdecode(path)}"
            if line not in wanted and line in found:
                same.add(line)
        files = {path for path in same if before[os.fsencode(path[3:])].kind != "directory"}
        parents = {line for line in same - files if any(file.startswith(f"{line}/") for file in files)}
        return files | parents

    def commit(self, upper: Path) -> None:
        layer = layer_of_upper(self.store, upper, self.lowers)
        assert layer_of_upper(self.store, upper, self.lowers) == layer
        self.config = append_layer(self.config, layer, Author(created_ns=0))
        self.layers = (*self.layers, layer)
        if self.adopt:
            self.store.layers.adopt(upper, self.config)
        self.lowers = self.store.unpack(write_image(self.store, self.config, self.layers, "model:1"))


@settings(max_examples=30, deadline=None, phases=(Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink))
@given(SESSIONS, st.booleans())
@example([[Step("replace", b"a"), Step("write", b"a/c")]], False)
@example([[Step("remove", b"a"), Step("write", b"a")], [Step("mkdir", b"a/a")]], True)
@example([[Step("write", NAMES[2], number=2)], [Step("remove", b"a/b")]], False)
def test_diff_and_commit_agree_with_the_kernel(sessions: Sequence[Sequence[Step]], adopt: bool) -> None:
    ground = Path(tempfile.mkdtemp(prefix="tare-model-"))
    try:
        machine = Machine(ground, adopt=adopt)
        for number, steps in enumerate((BEGINNING, *sessions)):
            machine.session(number, steps)
    finally:
        shutil.rmtree(ground)

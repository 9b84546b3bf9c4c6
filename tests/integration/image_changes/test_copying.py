"""cp: docker's table of sources and destinations, and trees that are hostile or in motion."""

from __future__ import annotations

import io
import os
import tarfile
import threading
from typing import TYPE_CHECKING, Self

import pytest

from runtime.image.copying import CopyError, NoSuchPath, copy, find, path_stat, plan, read_tree, write_tree
from runtime.image.errors import LayerError
from runtime.image.tarwriter import ChunkReader, Header, Kind, Member, archive
from runtime.image.tree import Tree
from runtime.image.view import View

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.root

SOURCE = {"dir/f": b"f", "dir/sub/g": b"g", "file": b"new"}
TARGET = {"there/old": b"old", "taken": b"taken"}


class Ground:
    """Two trees, and a place outside of both."""

    def __init__(self, root: Path) -> None:
        self.source, self.target, self.outside = root / "source", root / "target", root / "outside"
        for top, files in ((self.source, SOURCE), (self.target, TARGET), (self.outside, {"secret": b"kept"})):
            for name, content in files.items():
                (top / name).parent.mkdir(parents=True, exist_ok=True)
                (top / name).write_bytes(content)

    def cp(self, source: str, destination: str, *, follow: bool = False, owner: tuple[int, int] | None = None) -> None:
        with View.of((self.source,)) as view, View.of((self.target,)) as there, Tree.at(self.target) as tree:
            found = find(view, source, follow=follow)
            copy(view, found, tree, plan(there, destination, found), owner)

    def put(self, stream: io.BytesIO | ChunkReader, *place: bytes) -> None:
        with Tree.at(self.target) as tree:
            write_tree(tree, place, stream)

    def files(self) -> set[str]:
        return {str(path.relative_to(self.target)) for path in self.target.rglob("*") if not path.is_dir()}

    def untouched(self) -> bool:
        secret = self.outside / "secret"
        return os.listdir(self.outside) == ["secret"] and secret.read_bytes() == b"kept" and secret.stat().st_uid == 0


@pytest.fixture
def ground(tmp_path: Path) -> Ground:
    return Ground(tmp_path)


@pytest.mark.parametrize(
    ("source", "destination", "made"),
    [
        ("/file", "/there", {"there/file"}),
        ("/file", "/there/", {"there/file"}),
        ("/file", "/taken", set()),
        ("/file", "/fresh", {"fresh"}),
        ("/file", "/there/fresh", {"there/fresh"}),
        ("/dir", "/there", {"there/dir/f", "there/dir/sub/g"}),
        ("/dir/.", "/there", {"there/f", "there/sub/g"}),
        ("/dir/", "/there", {"there/dir/f", "there/dir/sub/g"}),
        ("/dir", "/fresh", {"fresh/f", "fresh/sub/g"}),
        ("/dir/.", "/fresh", {"fresh/f", "fresh/sub/g"}),
        ("/dir", "/fresh/", {"fresh/f", "fresh/sub/g"}),
        ("/", "/there", {"there/dir/f", "there/dir/sub/g", "there/file"}),
        ("dir/sub/../f", "there/.", {"there/f"}),
    ],
)
def test_docker_s_table(ground: Ground, source: str, destination: str, made: set[str]) -> None:
    ground.cp(source, destination)
    assert ground.files() == set(TARGET) | made
    assert (ground.target / "taken").read_bytes() == (b"new" if destination == "/taken" else b"taken")


@pytest.mark.parametrize(
    ("source", "destination", "problem"),
    [
        ("/none", "/there", "no such file or directory"),
        ("/file/", "/there", "not a directory"),
        ("/file/.", "/there", "not a directory"),
        ("/dir", "/taken", "cannot copy a directory to a file"),
        ("/file", "/fresh/", "no such directory"),
        ("/file", "/no/fresh", "no such directory"),
        ("/dir", "/no/fresh", "no such directory"),
    ],
)
def test_docker_s_refusals(ground: Ground, source: str, destination: str, problem: str) -> None:
    with pytest.raises(CopyError, match=problem):
        ground.cp(source, destination)
    assert ground.files() == set(TARGET)


def test_kinds_never_take_each_other_s_place(ground: Ground) -> None:
    (ground.target / "there/dir").write_bytes(b"a file")
    (ground.target / "there/file").mkdir()
    with pytest.raises(CopyError, match="cannot overwrite non-directory with directory"):
        ground.cp("/dir", "/there")
    with pytest.raises(CopyError, match="cannot overwrite directory with non-directory"):
        ground.cp("/file", "/there")


def test_links_are_copied_or_followed(ground: Ground) -> None:
    (ground.source / "link").symlink_to("dir/f")
    ground.cp("/link", "/there")
    assert os.readlink(ground.target / "there/link") == "dir/f"
    ground.cp("/link", "/followed", follow=True)
    assert (ground.target / "followed").read_bytes() == b"f"
    with View.of((ground.source,)) as view:
        assert path_stat(view, "/link").link_target == "dir/f"


def test_a_link_at_the_destination_is_followed_in_the_tree(ground: Ground) -> None:
    (ground.target / "inward").symlink_to("/there")
    (ground.target / "dangling").symlink_to("there/made")
    (ground.target / "loop").symlink_to("loop")
    ground.cp("/file", "/inward/x")
    ground.cp("/file", "/dangling")
    assert ground.files() >= {"there/x", "there/made"}
    with pytest.raises(NoSuchPath):
        ground.cp("/file", "/loop")


def test_owners_are_given_or_kept(ground: Ground) -> None:
    os.chown(ground.source / "file", 7, 8)
    os.chmod(ground.source / "file", 0o4700)
    os.utime(ground.source / "file", ns=(0, 123_456_789_012_345_678))
    ground.cp("/file", "/kept")
    ground.cp("/file", "/given", owner=(5, 6))
    kept, given = (ground.target / "kept").stat(), (ground.target / "given").stat()
    assert (kept.st_uid, kept.st_gid, kept.st_mode & 0o7777) == (7, 8, 0o4700)
    assert (given.st_uid, given.st_gid) == (5, 6)
    assert kept.st_mtime_ns == given.st_mtime_ns == 123_456_789_012_345_678


def test_marks_of_layers_mean_nothing_in_a_copy(ground: Ground) -> None:
    (ground.source / "dir/.wh.old").write_bytes(b"")
    ground.cp("/dir/.", "/there")
    assert ground.files() >= {"there/old", "there/.wh.old"}


def test_a_source_s_links_lead_nowhere_outside(ground: Ground) -> None:
    (ground.source / "out").symlink_to(ground.outside)
    (ground.source / "up").symlink_to("../" * 30 + str(ground.outside / "secret")[1:])
    with View.of((ground.source,)) as view:
        for path in ("/out/secret", "/out/", "/up/"):
            with pytest.raises(CopyError):
                find(view, path)
        with pytest.raises(NoSuchPath):
            find(view, "/up", follow=True)
        content = b"".join(read_tree(view, find(view, "/")))
    assert b"kept" not in content


def members(*headers: Header) -> ChunkReader:
    return ChunkReader(archive(Member(header, lambda: [b"x"]) for header in headers))


@pytest.mark.parametrize(
    "headers",
    [
        (Header(b"../../outside/secret", size_bytes=1),),
        (Header(b"l", Kind.SYMLINK, link=b"../outside"), Header(b"l/secret", size_bytes=1)),
        (Header(b"h", Kind.LINK, link=b"../outside/secret"),),
        (Header(b"l", Kind.SYMLINK, link=b"/OUTSIDE"), Header(b"h", Kind.LINK, link=b"l/secret")),
        (Header(b"d", Kind.DIRECTORY), Header(b"d", Kind.SYMLINK, link=b"/OUTSIDE"), Header(b"d/secret", size_bytes=1)),
    ],
)
def test_an_archive_leads_nowhere_outside(ground: Ground, headers: tuple[Header, ...]) -> None:
    outside = bytes(ground.outside)
    real = (Header(h.name, h.kind, size_bytes=h.size_bytes, link=h.link.replace(b"/OUTSIDE", outside)) for h in headers)
    with pytest.raises((LayerError, CopyError)):
        ground.put(members(*real), b"there")
    assert ground.untouched()


def test_an_absolute_name_is_below_the_directory(ground: Ground) -> None:
    ground.put(members(Header(b"/" + bytes(ground.outside)[1:] + b"/secret", size_bytes=1)), b"there")
    assert ground.untouched()


class Swapper:
    """Somebody in the tree who makes a directory a link to the outside and back, as fast as can be."""

    def __init__(self, place: Path, outside: Path) -> None:
        self._place, self._outside = place, outside
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()

    def _run(self) -> None:
        aside = self._place.with_name("aside")
        link = self._place.with_name("prepared")
        while not self._end.is_set():
            if not link.is_symlink():
                link.symlink_to(self._outside)
            try:
                os.rename(self._place, aside)
                os.rename(link, self._place)
                os.unlink(self._place)
                os.rename(aside, self._place)
            except OSError:
                continue


def naive_put(target: Path, stream: io.BytesIO) -> None:
    """What everybody writes first: paths, looked at and then used."""
    with tarfile.open(fileobj=stream) as tar:
        for entry in tar:
            path = target / entry.name
            if os.path.realpath(path).startswith(str(target)):
                path.write_bytes(b"x")
                os.chown(path, 1234, 1234)


def test_a_directory_that_is_swapped_for_a_link_meanwhile(ground: Ground) -> None:
    content = b"".join(archive([Member(Header(b"swapped/secret", size_bytes=1, uid=1234), lambda: [b"x"])]))
    (ground.target / "swapped").mkdir()
    with Swapper(ground.target / "swapped", ground.outside):
        for _ in range(1500):
            try:
                ground.put(io.BytesIO(content))
            except (LayerError, CopyError):
                continue
    assert ground.untouched()


def test_the_same_reaches_the_outside_where_paths_are_used(ground: Ground) -> None:
    content = b"".join(archive([Member(Header(b"swapped/secret", size_bytes=1), lambda: [b"x"])]))
    (ground.target / "swapped").mkdir()
    with Swapper(ground.target / "swapped", ground.outside):
        for _ in range(200_000):
            try:
                naive_put(ground.target, io.BytesIO(content))
            except OSError:
                continue
            if not ground.untouched():
                return
    pytest.fail("the attack does not work")

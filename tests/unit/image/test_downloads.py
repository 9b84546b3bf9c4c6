"""One blob on its way in, between several who want it."""

from __future__ import annotations

import fcntl
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from runtime.image.blobs import Blobs
from runtime.image.descriptor import Descriptor
from runtime.image.downloads import Downloads
from runtime.image.errors import CorruptBlob, ImageError
from runtime.image.manifest import LAYER

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

CONTENT = bytes(range(256)) * 1000
BLOB = Descriptor.of(LAYER, CONTENT)


class Source:
    """Gives content from any offset, and may break off."""

    def __init__(self, content: bytes = CONTENT, breaks_at: int | None = None, patience: int = 3) -> None:
        self.content = content
        self.breaks_at = breaks_at
        self.patience = patience
        self.offsets: list[int] = []

    @contextmanager
    def open(self, descriptor: Descriptor, offset: int) -> Iterator[tuple[Iterable[bytes], int]]:
        assert descriptor == BLOB
        self.offsets.append(offset)
        yield self._chunks(offset), offset

    def again(self, failures: int, error: ImageError) -> bool:
        assert str(error) == "broken"
        return failures < self.patience

    def _chunks(self, offset: int) -> Iterator[bytes]:
        end = len(self.content) if self.breaks_at is None else offset + self.breaks_at
        for start in range(offset, min(end, len(self.content)), 10_000):
            yield self.content[start : min(start + 10_000, end)]
        if end < len(self.content):
            raise ImageError("broken")


@pytest.fixture
def blobs(tmp_path: Path) -> Blobs:
    (tmp_path / "blobs/sha256").mkdir(parents=True)
    return Blobs(tmp_path / "blobs")


@pytest.fixture
def downloads(tmp_path: Path, blobs: Blobs) -> Downloads:
    return Downloads(tmp_path / "downloads", blobs)


def test_once_and_then_no_more(downloads: Downloads, blobs: Blobs) -> None:
    source = Source()
    told: list[int] = []
    assert downloads.fetch(BLOB, [source], told.append)
    assert not downloads.fetch(BLOB, [source])
    assert (source.offsets, told[-1]) == ([0], len(CONTENT))
    assert blobs.read(BLOB) == CONTENT
    assert list(downloads.root.iterdir()) == []


def test_a_source_that_breaks_off_is_asked_again_as_long_as_it_gives(downloads: Downloads, blobs: Blobs) -> None:
    source = Source(breaks_at=20_000, patience=1)
    assert downloads.fetch(BLOB, [source])
    assert source.offsets == list(range(0, len(CONTENT), 20_000))
    assert blobs.read(BLOB) == CONTENT


def test_a_source_that_gives_nothing_is_given_up_and_the_next_goes_on(downloads: Downloads, blobs: Blobs) -> None:
    dead, good = Source(breaks_at=0), Source()
    half = Source(breaks_at=20_000, patience=0)
    assert downloads.fetch(BLOB, [half, dead, good])
    assert (half.offsets, dead.offsets, good.offsets) == ([0], [20_000] * 3, [20_000])
    assert blobs.read(BLOB) == CONTENT


def test_a_source_that_lies_does_not_spoil_the_next(downloads: Downloads, blobs: Blobs) -> None:
    assert downloads.fetch(BLOB, [Source(CONTENT[::-1]), Source(CONTENT + b"x"), Source()])
    assert blobs.read(BLOB) == CONTENT
    assert list(downloads.root.iterdir()) == []


def test_all_sources_lie(downloads: Downloads, blobs: Blobs) -> None:
    with pytest.raises(CorruptBlob, match=str(BLOB.digest)):
        downloads.fetch(BLOB, [Source(CONTENT[::-1]), Source(CONTENT[1:])])
    assert not blobs.has(BLOB)
    assert list(downloads.root.iterdir()) == []


@pytest.mark.parametrize("ending", ["adopted", "removed", "left"])
def test_who_waits_finds_what_the_other_has_done(downloads: Downloads, blobs: Blobs, ending: str) -> None:
    """Another holds the file; it becomes the blob, or is removed, or the other dies and leaves it."""
    downloads.root.mkdir()
    path = downloads.root / f"sha256-{BLOB.digest.encoded}"
    waits = threading.Event()
    source = Source()
    result: list[bool] = []
    with path.open("wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        thread = threading.Thread(
            target=lambda: result.append(downloads.fetch(BLOB, [source], waiting=waits.set)), daemon=True
        )
        thread.start()
        assert waits.wait(10)
        file.write(CONTENT if ending == "adopted" else CONTENT[:50_000])
        file.flush()
        if ending == "adopted":
            blobs.adopt(file, path, BLOB.digest)
        elif ending == "removed":
            path.unlink()
    thread.join(10)
    assert (result, source.offsets) == {
        "adopted": ([False], []), "removed": ([True], [0]), "left": ([True], [50_000]),
    }[ending]  # fmt: skip
    assert blobs.read(BLOB) == CONTENT
    assert list(downloads.root.iterdir()) == []


def test_who_waits_may_give_up(downloads: Downloads) -> None:
    downloads.root.mkdir()

    def give_up() -> None:
        raise ImageError("given up")

    with (downloads.root / f"sha256-{BLOB.digest.encoded}").open("wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(ImageError, match="given up"):
            downloads.fetch(BLOB, [Source()], waiting=give_up)
        assert downloads.sweep(0) == []
    assert len(downloads.sweep(0)) == 1

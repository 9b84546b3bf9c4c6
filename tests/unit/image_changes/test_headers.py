"""Headers without end: what makes tarfile recurse, or remember all of it, is refused before it has."""

from __future__ import annotations

import io
import tarfile
import tracemalloc
from typing import TYPE_CHECKING

import pytest

from runtime.image.archive import DEFAULT_LIMITS, Archive, layer_errors
from runtime.image.errors import ArchiveError, LayerError
from runtime.image.headers import MAX_HEADER_BYTES, MAX_HEADERS
from runtime.image.importer import load_archive
from runtime.image.store import ImageStore
from runtime.image.tarwriter import END, Header, encode_header

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FILE = encode_header(Header(b"f"))


def extended(kind: bytes, body: bytes) -> bytes:
    """A header in front of another, by tarfile."""
    info = tarfile.TarInfo("x")
    info.type, info.size = kind, len(body)
    return info.tobuf(tarfile.USTAR_FORMAT) + body + bytes(-len(body) % 512)


def record(key: bytes, value: bytes) -> bytes:
    rest = len(key) + len(value) + 3
    length = rest + len(str(rest + len(str(rest))))
    return b"%d %s=%s\n" % (length, key, value)


class Endless:
    """Pieces without end, as they are asked for."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._buffer = b""
        self.read_bytes = 0

    def read(self, size: int = -1) -> bytes:
        while len(self._buffer) < size:
            self._buffer += next(self._pieces)
        data, self._buffer = self._buffer[:size], self._buffer[size:]
        self.read_bytes += len(data)
        return data


def entries(stream: io.BytesIO | Endless) -> int:
    with layer_errors("layer x"):
        return sum(1 for _ in Archive(stream, DEFAULT_LIMITS, "layer x"))


def global_headers() -> Iterator[bytes]:
    number = 0
    while True:
        number += 1
        yield extended(b"g", record(b"key%09d" % number, b"v" * 50_000)) + FILE


def test_tarfile_itself_would_recurse_and_remember() -> None:
    chain = extended(b"x", record(b"a", b"b")) * 2000 + FILE + END
    with pytest.raises(RecursionError), tarfile.open(fileobj=io.BytesIO(chain)) as tar:
        tar.getmembers()
    whole = Endless(global_headers())
    with tarfile.open(fileobj=io.BytesIO(whole.read(4 << 20) + END)) as tar:
        tar.getmembers()
        assert sum(map(len, tar.pax_headers.values())) > 3 * MAX_HEADER_BYTES


@pytest.mark.parametrize("kind", [b"x", b"g", b"L", b"K", b"X"])
def test_headers_in_front_of_each_other(kind: bytes) -> None:
    body = b"name\0" if kind in {b"L", b"K"} else record(b"comment", b"b")
    assert entries(io.BytesIO(extended(kind, body) * MAX_HEADERS + FILE + END)) == 1
    with pytest.raises(LayerError, match=r"^layer x: more than 16 headers"):
        entries(io.BytesIO(extended(kind, body) * 5000 + FILE + END))


def test_global_headers_are_not_remembered_without_end() -> None:
    stream = Endless(global_headers())
    tracemalloc.start()
    try:
        with pytest.raises(LayerError, match="global headers of more than"):
            entries(stream)
        assert tracemalloc.get_traced_memory()[1] < 16 * MAX_HEADER_BYTES
    finally:
        tracemalloc.stop()
    assert stream.read_bytes < 4 * MAX_HEADER_BYTES


def test_an_archive_of_images_is_bounded_too(tmp_path: Path) -> None:
    names = b"".join(encode_header(Header(b"%06d" % number + b"n" * 60_000)) for number in range(300))
    for content in (extended(b"x", record(b"a", b"b")) * 2000 + FILE + END, names + END):
        (tmp_path / "a.tar").write_bytes(content)
        with pytest.raises(ArchiveError, match=r"headers in front|bytes of names"):
            load_archive(ImageStore(tmp_path / "store"), tmp_path / "a.tar")

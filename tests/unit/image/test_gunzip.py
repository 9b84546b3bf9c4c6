"""Our reader of gzip gives what the standard library's gives, and refuses what it refuses."""

from __future__ import annotations

import gzip
import io
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.image.gunzip import GzipReader

CHANCE = random.Random(7)  # noqa: S311 - no secret
CONTENTS = (b"", b"x", CHANCE.randbytes(300_000), b"many zeros" + bytes(3_000_000), b"\0" * 10 + b"end")


class Dribble(io.BytesIO):
    """Gives less than is asked for."""

    def read(self, size: int | None = -1, /) -> bytes:
        return super().read(min(size, 7) if size and size > 0 else size)


@pytest.mark.parametrize("content", CONTENTS)
@pytest.mark.parametrize("size", [-1, 1000, 512 * 1024])
def test_it_comes_out_as_it_went_in(content: bytes, size: int) -> None:
    reader = GzipReader(io.BytesIO(gzip.compress(content)))
    parts = list(iter(lambda: reader.read(size), b""))
    assert b"".join(parts) == content
    assert all(len(part) == size for part in parts[:-1])


def test_several_members_and_zeros_are_one_file() -> None:
    blob = gzip.compress(b"one") + gzip.compress(b"") + bytes(600) + gzip.compress(b"two") + bytes(1000)
    assert GzipReader(io.BytesIO(blob)).read() == b"onetwo"
    assert GzipReader(Dribble(blob)).read() == b"onetwo"


@given(st.binary(max_size=300), st.integers(0, 400), st.integers(0, 255))
def test_damage_is_seen_as_the_library_sees_it(content: bytes, place: int, byte: int) -> None:
    blob = bytearray(gzip.compress(content, mtime=0))
    place %= len(blob)
    blob[place] = byte
    ours, theirs = both(bytes(blob))
    # In the header zlib is stricter: flags that are reserved must be zero (RFC 1952, section 2.3.1.2).
    assert ours == theirs or (place < 10 and ours is None)
    ours, theirs = both(bytes(blob[:place]))
    assert ours == theirs


def both(blob: bytes) -> tuple[bytes | None, bytes | None]:
    return said(GzipReader(io.BytesIO(blob))), said(gzip.GzipFile(fileobj=io.BytesIO(blob)))


def said(reader: GzipReader | gzip.GzipFile) -> bytes | None:
    """None for any fault."""
    try:
        return reader.read()
    except Exception:  # noqa: BLE001 - the library lets zlib's own errors through
        return None

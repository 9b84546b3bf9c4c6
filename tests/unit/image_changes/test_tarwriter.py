"""The tar writer: what it writes is what Python's reader and ours find in it, whatever the names and numbers."""

from __future__ import annotations

import io
import tarfile
from dataclasses import replace

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from runtime.image.archive import DEFAULT_LIMITS, Archive
from runtime.image.tarwriter import ChunkReader, Header, Kind, Member, archive, encode_header

NAME = st.binary(min_size=1, max_size=300).map(lambda raw: raw.replace(b"\0", b"0").strip(b"/") or b"x")
VALUE = st.binary(max_size=40)
HEADERS = st.builds(
    Header,
    name=NAME,
    kind=st.sampled_from(Kind),
    mode=st.integers(0, 0o7777),
    uid=st.integers(0, (1 << 32) - 2),
    gid=st.integers(0, (1 << 32) - 2),
    mtime_ns=st.integers(-(10**18), 10**19),
    link=st.binary(max_size=200).map(lambda raw: raw.replace(b"\0", b"0")),
    device=st.tuples(st.integers(0, 4095), st.integers(0, (1 << 20) - 1)),
    xattrs=st.dictionaries(st.sampled_from(["user.a", "security.capability", "user.ä"]), VALUE, max_size=3),
)


def written(*members: Member) -> bytes:
    return b"".join(archive(members))


def raw(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


@settings(deadline=None, max_examples=300)
@given(HEADERS)
@example(Header(b"x" * 100 + b"/" + b"y" * 100))
@example(Header(b"d" * 100, Kind.DIRECTORY))
@example(Header(b"d" * 156 + b"/e", Kind.DIRECTORY))
@example(Header(b"\xff\n" * 60, mtime_ns=-1, xattrs={"user.a": b"\0\xff=\n"}))
@example(Header(b"n", mtime_ns=-(10**9)))
def test_every_header_is_read_as_it_was_written(header: Header) -> None:
    if header.kind not in {Kind.LINK, Kind.SYMLINK}:
        header = replace(header, link=b"")
    if header.kind not in {Kind.CHARACTER, Kind.BLOCK}:
        header = replace(header, device=(0, 0))
    ((entry, _),) = list(Archive(io.BytesIO(written(Member(header))), DEFAULT_LIMITS, "x"))
    assert raw(entry.name) == header.name.rstrip(b"/")
    assert entry.type == header.kind.value
    assert (entry.mode, entry.uid, entry.gid, entry.mtime_ns) == (
        header.mode, header.uid, header.gid, header.mtime_ns,
    )  # fmt: skip
    assert raw(entry.linkname) == header.link
    assert (entry.devmajor, entry.devminor) == header.device
    assert entry.xattrs == header.xattrs


@pytest.mark.parametrize("name", [b"a\nb", b"\xff\xfe", "ä".encode(), b"p" * 155 + b"/" + b"n" * 100, b"l" * 5000])
def test_python_s_own_reader_agrees(name: bytes) -> None:
    content = b"content" * 1000
    member = Member(Header(name, size_bytes=len(content), mtime_ns=1_500_000_000_123_456_789), lambda: [content])
    with tarfile.open(fileobj=io.BytesIO(written(member)), encoding="utf-8", errors="surrogateescape") as tar:
        (entry,) = tar.getmembers()
        file = tar.extractfile(entry)
        assert file is not None
        assert (raw(entry.name), file.read()) == (name, content)


def test_a_short_header_is_one_block_and_a_large_file_says_its_size() -> None:
    assert len(encode_header(Header(b"f", mtime_ns=10**9))) == 512
    huge = encode_header(Header(b"f", size_bytes=9 << 33))
    assert b"20 size=77309411328\n" in huge
    assert len(huge) == 3 * 512


@pytest.mark.parametrize("chunks", [[b"12345678"], [b"123", b"45678", b"9"], [b"12"], []])
def test_a_file_that_changes_while_it_is_read_does_not_shift_what_follows(chunks: list[bytes]) -> None:
    members = (Member(Header(b"f", size_bytes=5), lambda: chunks), Member(Header(b"g", size_bytes=1), lambda: [b"g"]))
    with tarfile.open(fileobj=io.BytesIO(written(*members))) as tar:
        found = {entry.name: tar.extractfile(entry).read() for entry in tar}  # type: ignore[union-attr]
    assert found == {"f": b"".join(chunks)[:5].ljust(5, b"\0"), "g": b"g"}


@given(st.lists(st.binary(max_size=20), max_size=20), st.lists(st.integers(-1, 30), max_size=40))
def test_reading_gives_what_is_asked_for(chunks: list[bytes], sizes: list[int]) -> None:
    reader, got = ChunkReader(iter(chunks)), b""
    whole = b"".join(chunks)
    for size in sizes:
        piece = reader.read(size)
        assert len(piece) == (len(whole) - len(got) if size < 0 else min(size, len(whole) - len(got)))
        got += piece
    assert got + reader.read() == whole

"""Digests are checked when made, content while it is read."""

from __future__ import annotations

import hashlib
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.image.digest import Digest, HashingReader, VerifyingReader
from runtime.image.errors import CorruptBlob, InvalidDigest

SHA256_EMPTY = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def reader(content: bytes, promised: bytes) -> VerifyingReader:
    return VerifyingReader(io.BytesIO(content), Digest.of(promised), len(promised), "blob")


def test_known_digest() -> None:
    assert str(Digest.of(b"")) == SHA256_EMPTY
    assert Digest.parse(SHA256_EMPTY) == Digest.of(b"")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "expected algorithm:hex"),
        ("e3b0c442", "expected algorithm:hex"),
        ("md5:d41d8cd98f00b204e9800998ecf8427e", "unknown algorithm 'md5'"),
        ("sha256:", "64 lower-case hex digits"),
        ("sha256:" + "g" * 64, "64 lower-case hex digits"),
        (SHA256_EMPTY.upper().replace("SHA", "sha"), "64 lower-case hex digits"),
        (SHA256_EMPTY + "\n", "64 lower-case hex digits"),
        ("sha256:../../../../etc/passwd" + "0" * 41, "64 lower-case hex digits"),
        ("sha512:" + "0" * 64, "128 lower-case hex digits"),
    ],
)
def test_invalid_digest_says_why(text: str, reason: str) -> None:
    with pytest.raises(InvalidDigest, match=reason):
        Digest.parse(text)


@given(st.binary(max_size=2000), st.lists(st.integers(1, 300), min_size=1, max_size=5))
def test_reads_of_any_size_give_the_content(content: bytes, sizes: list[int]) -> None:
    verifying = reader(content, content)
    read = b""
    while data := verifying.read(sizes[len(read) % len(sizes)]):
        read += data
    assert read == content


@given(st.binary(max_size=200), st.binary(max_size=200))
def test_only_the_promised_content_passes(content: bytes, promised: bytes) -> None:
    if content == promised:
        assert reader(content, promised).read() == content
    else:
        with pytest.raises(CorruptBlob):
            reader(content, promised).read()


def test_too_long_content_is_refused_without_reading_it_all() -> None:
    endless = io.BytesIO(b"x" * 1_000_000)
    with pytest.raises(CorruptBlob, match="more than the promised 3 bytes"):
        VerifyingReader(endless, Digest.of(b"abc"), 3, "blob").drain()
    assert endless.tell() == 4


def test_short_content_names_both_sizes() -> None:
    with pytest.raises(CorruptBlob, match="read blob: 2 bytes instead of 3"):
        reader(b"ab", b"abc").drain()


def test_wrong_content_of_the_right_size_names_both_digests() -> None:
    with pytest.raises(CorruptBlob, match=f"{Digest.of(b'abd')}, not {Digest.of(b'abc')}"):
        reader(b"abd", b"abc").read()


def test_sha512_is_accepted_for_verification() -> None:
    digest = Digest("sha512", hashlib.sha512(b"abc").hexdigest())
    assert VerifyingReader(io.BytesIO(b"abc"), digest, 3, "blob").read() == b"abc"


def test_reader_leaves_the_stream_open() -> None:
    stream = io.BytesIO(b"abc")
    hashing = HashingReader(stream)
    hashing.drain()
    hashing.close()
    assert not stream.closed
    assert (hashing.digest, hashing.size_bytes) == (Digest.of(b"abc"), 3)


def test_reader_can_be_buffered() -> None:
    assert io.BufferedReader(reader(b"line\nline", b"line\nline")).readlines() == [b"line\n", b"line"]

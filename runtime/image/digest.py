"""Digests, and readers that hold content to them (image-spec, descriptor.md, section Digests)."""

from __future__ import annotations

import hashlib
import io
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, Self

from runtime.image.errors import CorruptBlob, InvalidDigest

if TYPE_CHECKING:
    from typing_extensions import Buffer

CHUNK_BYTES = 1 << 18
# Registered algorithms and the length of their hex form. We make sha256 only; sha512 is accepted from others.
ENCODED_LENGTHS = {"sha256": 64, "sha512": 128}
_HEX = re.compile(r"[0-9a-f]+", re.ASCII)


@dataclass(frozen=True, slots=True)
class Digest:
    """``algorithm:encoded``, both checked."""

    algorithm: str
    encoded: str

    def __post_init__(self) -> None:
        length = ENCODED_LENGTHS.get(self.algorithm)
        if length is None:
            accepted = " or ".join(ENCODED_LENGTHS)
            raise InvalidDigest(f"digest {self}: unknown algorithm {self.algorithm!r}, expected {accepted}")
        if len(self.encoded) != length or not _HEX.fullmatch(self.encoded):
            problem = f"expected {length} lower-case hex digits after the colon"
            raise InvalidDigest(f"digest {str(self)[:160]}: {problem}")

    def __str__(self) -> str:
        return f"{self.algorithm}:{self.encoded}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """The digest written as ``text``; raises `InvalidDigest`."""
        algorithm, colon, encoded = text.partition(":")
        if not colon:
            raise InvalidDigest(f"digest {text!r}: expected algorithm:hex")
        return cls(algorithm, encoded)

    @classmethod
    def of(cls, content: Buffer) -> Self:
        """The sha256 digest of ``content``."""
        return cls("sha256", hashlib.sha256(content).hexdigest())


class Readable(Protocol):
    """What content is read from: a file, a response, another reader."""

    def read(self, size: int = -1, /) -> bytes:
        """Up to ``size`` bytes; all that is left if negative; nothing at the end."""


class HashingReader(io.RawIOBase):
    """Passes a stream through, and knows the digest and the size of what has gone by.

    It does not own the stream: closing the reader leaves the stream open.
    """

    def __init__(self, stream: Readable, algorithm: str = "sha256") -> None:
        super().__init__()
        self._stream = stream
        self._hash = hashlib.new(algorithm, usedforsecurity=True)
        self.size_bytes = 0

    def readable(self) -> bool:
        """True: that is what it is for."""
        return True

    def read(self, size: int = -1) -> bytes:
        """Up to ``size`` bytes; all that is left if negative."""
        data = self._stream.read(size)
        self.size_bytes += len(data)
        self._hash.update(data)
        return data

    def readinto(self, buffer: Buffer) -> int:
        """Fill ``buffer``, as `io.BufferedReader` wants it."""
        view = memoryview(buffer)
        data = self.read(len(view))
        view[: len(data)] = data
        return len(data)

    @property
    def digest(self) -> Digest:
        """The digest of what has been read so far."""
        return Digest(self._hash.name, self._hash.hexdigest())

    def drain(self) -> None:
        """Read what is left, so that the digest covers all of it."""
        while self.read(CHUNK_BYTES):
            pass


class VerifyingReader(HashingReader):
    """Passes a stream through and raises `CorruptBlob` as soon as size or digest cannot be the promised ones.

    The last read (the one that returns nothing) is the verdict: who stops before it has verified nothing, and
    calls ``drain`` first.
    """

    def __init__(self, stream: Readable, digest: Digest, size_bytes: int, name: str) -> None:
        super().__init__(stream, digest.algorithm)
        self._expected = digest
        self._expected_bytes = size_bytes
        self._name = name

    def read(self, size: int = -1) -> bytes:
        """Up to ``size`` bytes, held to the promise."""
        # One byte more than promised is enough to know, so that an endless stream does not fill the memory.
        room = self._expected_bytes - self.size_bytes + 1
        wanted = room if size < 0 else min(size, room)
        data = super().read(wanted)
        if self.size_bytes > self._expected_bytes:
            raise CorruptBlob(f"read {self._name}: more than the promised {self._expected_bytes} bytes")
        if size < 0 and data:
            return data + self.read(size)
        if not data and wanted > 0:
            self._judge()
        return data

    def _judge(self) -> None:
        if self.size_bytes < self._expected_bytes:
            raise CorruptBlob(f"read {self._name}: {self.size_bytes} bytes instead of {self._expected_bytes}")
        if self.digest != self._expected:
            raise CorruptBlob(f"read {self._name}: content has digest {self.digest}, not {self._expected}")

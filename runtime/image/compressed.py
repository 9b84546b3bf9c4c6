"""Archives that users bring, however they are compressed: gzip and zstd as layers are, bzip2 and xz besides."""

from __future__ import annotations

import io
from contextlib import contextmanager
from typing import TYPE_CHECKING, cast

from runtime.image.compression import decompressor, sniff
from runtime.image.digest import CHUNK_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runtime.image.digest import Readable

SNIFFED_BYTES = 8
_BZIP2, _XZ = b"BZh", b"\xfd7zXZ\0"


def is_plain(head: bytes) -> bool:
    """Whether what begins so is not compressed."""
    return sniff(head) is None and not head.startswith((_BZIP2, _XZ))


@contextmanager
def plain_stream(stream: Readable) -> Iterator[Readable]:
    """What ``stream`` holds, decompressed; it is seen how it is compressed."""
    source = cast("Readable", io.BufferedReader(_Raw(stream), CHUNK_BYTES))
    head = cast("io.BufferedReader", source).peek(SNIFFED_BYTES)[:SNIFFED_BYTES]
    if head.startswith(_BZIP2):
        import bz2

        with bz2.BZ2File(cast("io.BufferedReader", source)) as plain:
            yield plain
    elif head.startswith(_XZ):
        import lzma

        with lzma.LZMAFile(cast("io.BufferedReader", source)) as plain:
            yield _Xz(plain)
    else:
        with decompressor(source, sniff(head)) as plain:
            yield plain


class _Xz:
    """An xz stream whose faults are `OSError`, as gzip's are."""

    def __init__(self, reader: Readable) -> None:
        self._reader = reader

    def read(self, size: int = -1) -> bytes:
        """Up to ``size`` bytes."""
        import lzma

        try:
            return self._reader.read(size)
        except lzma.LZMAError as error:
            raise OSError(str(error)) from error


class _Raw(io.RawIOBase):
    """Anything that can be read, for a buffer in front of it."""

    def __init__(self, stream: Readable) -> None:
        super().__init__()
        self._stream = stream

    def readable(self) -> bool:
        """True: that is what it is for."""
        return True

    def readinto(self, buffer: object) -> int:
        """Fill the buffer as far as there is something."""
        view = memoryview(cast("bytearray", buffer))
        data = self._stream.read(len(view))
        view[: len(data)] = data
        return len(data)

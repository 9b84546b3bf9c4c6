"""Reading gzip (RFC 1952) by zlib alone, in large pieces.

The standard library's reader takes eight kilobytes at a time through four layers of Python, and adds up the checksum a
second time; of a layer that is extracted, that was a third of all time.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

from runtime.image.digest import CHUNK_BYTES

if TYPE_CHECKING:
    from runtime.image.digest import Readable

# zlib.h, inflateInit2: 15 for the largest window, and 16 for a gzip header and trailer, both of which it checks.
_GZIP = 15 + 16


class GzipReader:
    """The content of one gzip file, all its members; faults are `OSError` and `EOFError`, as the library's are."""

    def __init__(self, stream: Readable) -> None:
        self._stream = stream
        self._member = zlib.decompressobj(_GZIP)
        self._input = b""
        self._begun = self._ended = False
        # What has come out and was not asked for yet: asking zlib for little would copy its input each time.
        self._output, self._taken = b"", 0

    def read(self, size: int = -1) -> bytes:
        """Up to ``size`` bytes, as many as that unless it ends; all that is left if negative."""
        parts, left = [], size
        while left and (data := self._piece(left)):
            parts.append(data)
            left -= len(data) if size >= 0 else 0
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _piece(self, size: int) -> bytes:
        """At most so many bytes; none at the end."""
        while self._taken == len(self._output) and not self._ended:
            self._output, self._taken = self._decompress(), 0
        start, end = self._taken, len(self._output) if size < 0 else min(self._taken + size, len(self._output))
        self._taken = end
        return self._output if end - start == len(self._output) else self._output[start:end]

    def _decompress(self) -> bytes:
        """What the next input gives, which may be nothing yet."""
        if self._member.eof:
            self._next_member()
            return b""
        if not self._input and not self._fill():
            return b""
        try:
            # No more than that: a bomb would be in memory before anybody counts.
            data = self._member.decompress(self._input, CHUNK_BYTES)
        except zlib.error as error:
            raise OSError(f"not a gzipped file, or a damaged one: {error}") from error
        # The one at the end of a member, the other before; never both.
        self._input = self._member.unused_data or self._member.unconsumed_tail
        return data

    def _fill(self) -> bool:
        """Whether there is more. There need not be anything at all; but what has begun has to end."""
        self._input = self._stream.read(CHUNK_BYTES)
        if not self._input and self._begun:
            raise EOFError("compressed file ended before the end-of-stream marker was reached")
        self._begun = True
        self._ended = not self._input
        return not self._ended

    def _next_member(self) -> None:
        """Another one may follow, and zeros before it or at the end."""
        self._input = self._input.lstrip(b"\0")
        while not self._input:
            data = self._stream.read(CHUNK_BYTES)
            if not data:
                self._ended = True
                return
            self._input = data.lstrip(b"\0")
        self._member = zlib.decompressobj(_GZIP)

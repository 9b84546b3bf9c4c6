r"""A log's lines, in the form of Docker's json-file driver: ``{"log":"…\n","stream":"stdout","time":"…"}``.

An entry is a line, or a piece of one that is longer than 16 KiB, or the last one without its end. Bytes that are no
UTF-8 are written as lone surrogates (PEP 383): our reader gives them back as they were, others show U+FFFD for them.
"""

from __future__ import annotations

from _json import encode_basestring_ascii

from runtime import jsontext
from runtime.supervision.times import parse_ns
from runtime.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

PIECE_BYTES = 16384
_CONTINUATION = range(0x80, 0xC0)


class LogEntry(Value):
    """What a container wrote to ``stream``, and when we got it: nanoseconds since the epoch."""

    taken_at_ns: int
    stream: str
    content: bytes


def split(pending: bytes, *, ended: bool) -> Iterator[bytes]:
    """The entries that can be told already; what is left over is the beginning of one, unless it has ``ended``."""
    start = 0
    while start < len(pending):
        end = pending.find(b"\n", start, start + PIECE_BYTES) + 1
        if not end:
            if len(pending) - start >= PIECE_BYTES:
                end = _between_characters(pending, start, start + PIECE_BYTES)
            elif ended:
                end = len(pending)
            else:
                return
        yield pending[start:end]
        start = end


def _between_characters(text: bytes, start: int, end: int) -> int:
    """At ``end`` or up to three bytes before it, so that no character of UTF-8 is cut."""
    if end < len(text) and text[end] not in _CONTINUATION:
        return end
    for back in range(1, 4):
        if text[end - back] >= 0xC0:  # the first byte of a character that goes on
            return end - back if end - back > start else end
        if text[end - back] not in _CONTINUATION:
            return end
    return end


def encode(content: bytes, stream: str, time: str) -> bytes:
    """One line of the file."""
    text = encode_basestring_ascii(content.decode("utf-8", "surrogateescape"))
    return f'{{"log":{text},"stream":"{stream}","time":"{time}"}}\n'.encode("ascii")


def decode(line: bytes) -> LogEntry:
    """What `encode` has written; raises `ValueError` or `KeyError`."""
    document = jsontext.loads(line.decode())
    content = document["log"].encode("utf-8", "surrogateescape")
    return LogEntry(parse_ns(document["time"]), document["stream"], content)

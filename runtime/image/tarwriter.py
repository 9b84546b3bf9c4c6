"""Writing tar archives: any name and owner, extended attributes, times to the nanosecond; one tree, one byte sequence.

A plain ustar header where it is enough, with a pax header in front of it where it is not (pax(1), "ustar Interchange
Format" and "pax Interchange Format"). Names are bytes: a short one that is not UTF-8 stands in the ustar header as it
is, as GNU tar and Go's archive/tar write it; in a long one's pax header ``hdrcharset=BINARY`` says so.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

BLOCK_BYTES = 512
# Two blocks of zeros end an archive.
END = bytes(2 * BLOCK_BYTES)
# As many zeros at a time as a hole is read by.
_ZEROS = bytes(1 << 18)
# What the header's octal fields of 8 and 12 bytes hold, their last byte a NUL.
_MAX_SHORT = 8**7 - 1
_MAX_LONG = 8**11 - 1
_XATTR = b"SCHILY.xattr."


class Kind(enum.Enum):
    """What an entry is; the value is its typeflag."""

    FILE = b"0"
    LINK = b"1"
    SYMLINK = b"2"
    CHARACTER = b"3"
    BLOCK = b"4"
    DIRECTORY = b"5"
    FIFO = b"6"


@dataclass(frozen=True, slots=True)
class Header:
    """An entry of an archive, but for its content; ``name`` has no slash at either end."""

    name: bytes
    kind: Kind = Kind.FILE
    mode: int = 0o644
    uid: int = 0
    gid: int = 0
    size_bytes: int = 0
    mtime_ns: int = 0
    link: bytes = b""
    device: tuple[int, int] = (0, 0)
    xattrs: Mapping[str, bytes] = field(default_factory=dict, hash=False)


class Member(NamedTuple):
    """An entry with its content, which is read when it is its turn; none for what has none."""

    header: Header
    content: Callable[[], Iterable[bytes]] | None = None


def archive(members: Iterable[Member]) -> Iterator[bytes]:
    """The archive of the members, in their order, piece by piece."""
    for header, content in members:
        yield encode_header(header)
        if header.size_bytes:
            yield from _exactly(content() if content else (), header.size_bytes)
            yield bytes(-header.size_bytes % BLOCK_BYTES)
    yield END


def encode_header(header: Header) -> bytes:
    """The blocks in front of the content."""
    name = header.name + b"/" if header.kind is Kind.DIRECTORY else header.name
    records = dict(_records(header, name))
    if not records:
        return _ustar(header, name, header.kind.value)
    body = b"".join(_record(key, value) for key, value in sorted(records.items(), key=_charset_first))
    # Its name is for readers that know no pax headers; Python and GNU tar take this one.
    extended = Header(b"PaxHeaders.0", size_bytes=len(body))
    return _ustar(extended, extended.name, b"x") + _padded(body) + _ustar(header, name, header.kind.value)


class ChunkReader:
    """An archive as something that can be read from."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._buffer = bytearray()

    def read(self, size: int = -1) -> bytes:
        """Up to ``size`` bytes, all that is left if negative: less only at the end."""
        while size < 0 or len(self._buffer) < size:
            chunk = next(self._chunks, None)
            if chunk is None:
                size = len(self._buffer)
                break
            self._buffer += chunk
        data = bytes(memoryview(self._buffer)[:size])
        del self._buffer[:size]
        return data


def _exactly(chunks: Iterable[bytes], size: int) -> Iterator[bytes]:
    """As many bytes as the header has promised, although the file may have grown or shrunk meanwhile."""
    for chunk in chunks:
        yield chunk[:size]
        size -= len(chunk)
        if size <= 0:
            return
    while size > 0:
        yield _ZEROS[:size]
        size -= len(_ZEROS)


def _records(header: Header, name: bytes) -> Iterator[tuple[bytes, bytes]]:
    """What does not fit into the ustar header."""
    if _split(name) is None:
        yield b"path", name
        yield from _charset(name)
    if len(header.link) > 100:
        yield b"linkpath", header.link
        yield from _charset(header.link)
    numbers = (
        (b"uid", header.uid, _MAX_SHORT),
        (b"gid", header.gid, _MAX_SHORT),
        (b"size", header.size_bytes, _MAX_LONG),
    )
    yield from ((key, b"%d" % number) for key, number, most in numbers if number > most)
    seconds, fraction = divmod(header.mtime_ns, 10**9)
    if fraction or not 0 <= seconds <= _MAX_LONG:
        yield b"mtime", _decimal(header.mtime_ns)
    for attribute, value in header.xattrs.items():
        yield _XATTR + attribute.encode("utf-8", "surrogateescape"), value


def _charset(name: bytes) -> Iterator[tuple[bytes, bytes]]:
    try:
        name.decode()
    except UnicodeDecodeError:
        yield b"hdrcharset", b"BINARY"


def _charset_first(item: tuple[bytes, bytes]) -> tuple[bool, bytes]:
    return item[0] != b"hdrcharset", item[0]


def _decimal(time_ns: int) -> bytes:
    """Seconds as a decimal fraction; a time before 1970 has its sign in front of both parts."""
    seconds, fraction = divmod(abs(time_ns), 10**9)
    text = f"{'-' if time_ns < 0 else ''}{seconds}.{fraction:09d}"
    return text.rstrip("0").rstrip(".").encode()


def _record(key: bytes, value: bytes) -> bytes:
    """``LENGTH KEY=VALUE\\n``, where the length counts its own digits too."""
    rest = len(key) + len(value) + 3
    length = rest + len(str(rest))
    length = rest + len(str(length))
    return b"%d %s=%s\n" % (length, key, value)


def _ustar(header: Header, name: bytes, typeflag: bytes) -> bytes:
    prefix, name = _split(name) or (b"", name[:100])
    seconds = min(max(header.mtime_ns // 10**9, 0), _MAX_LONG)
    block = b"".join(
        (
            name.ljust(100, b"\0"),
            _octal(header.mode & 0o7777, 8),
            _octal(header.uid if header.uid <= _MAX_SHORT else 0, 8),
            _octal(header.gid if header.gid <= _MAX_SHORT else 0, 8),
            _octal(header.size_bytes if header.size_bytes <= _MAX_LONG else 0, 12),
            _octal(seconds, 12),
            b" " * 8,  # the checksum's own place
            typeflag,
            header.link[:100].ljust(100, b"\0"),
            b"ustar\x0000",
            bytes(64),  # names of owners: they mean nothing elsewhere
            *(_octal(number, 8) for number in header.device),
            prefix.ljust(167, b"\0"),
        )
    )
    return b"%s%06o\0 %s" % (block[:148], sum(block), block[156:])


def _split(name: bytes) -> tuple[bytes, bytes] | None:
    """A name as prefix and rest, of 155 and 100 bytes at most, parted at a slash; None if it cannot be."""
    if len(name) <= 100:
        return b"", name
    slash = name.rfind(b"/", 0, 156)
    if slash <= 0 or not 0 < len(name) - slash - 1 <= 100:
        return None
    return name[:slash], name[slash + 1 :]


def _octal(number: int, width: int) -> bytes:
    return b"%0*o\0" % (width - 1, number)


def _padded(content: bytes) -> bytes:
    return content + bytes(-len(content) % BLOCK_BYTES)

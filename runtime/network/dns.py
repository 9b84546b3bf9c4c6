"""The part of the domain name system that the resolver reads and writes itself (RFC 1035, RFC 6891).

What a container sends is read strictly: one question, its name without compression, at most one additional record.
What is anything else is refused or forwarded unread. dnslib and dnspython would read far more than is needed of what a
hostile container writes, and the resolver, a process of its own for each network, would load them each time.
"""

from __future__ import annotations

import ipaddress
import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runtime.network.subnets import IPAddress

A, PTR, AAAA, OPT, ANY = 1, 12, 28, 41, 255
IN = 1
_HEADER = struct.Struct(">HHHHHH")
_QUESTION = struct.Struct(">HH")
_RECORD = struct.Struct(">HHIH")
_RESPONSE, _RECURSION_DESIRED, _RECURSION_AVAILABLE, _AUTHORITATIVE = 0x8000, 0x0100, 0x0080, 0x0400
_OPCODE = 0x7800
_LONGEST_LABEL, _LONGEST_NAME = 63, 255
_NAME_POINTER = 0xC00C  # to the question, right behind the header
PLAIN_BYTES = 512
MOST_BYTES = 1232  # what passes every path unfragmented (DNS flag day 2020)


class Code(IntEnum):
    """Response codes (RFC 1035 section 4.1.1)."""

    NO_ERROR = 0
    FORMAT_ERROR = 1
    SERVER_FAILURE = 2
    NO_SUCH_NAME = 3
    NOT_IMPLEMENTED = 4
    REFUSED = 5


class Malformed(Exception):
    """No query that can be answered; ``code`` is what to say, None for nothing at all."""

    def __init__(self, code: Code | None) -> None:
        super().__init__(f"malformed: {code!r}")
        self.code = code


@dataclass(frozen=True, slots=True)
class Query:
    """One question. ``name`` is in lower case and without the final dot; ``question`` is as it was sent."""

    id: int
    flags: int
    name: str
    type: int
    question: bytes
    most_bytes: int
    extended: bool = False


def parse_query(data: bytes) -> Query:
    """Read a query; raises `Malformed`."""
    if len(data) < _HEADER.size:
        raise Malformed(None)
    number, flags, questions, answers, authorities, additionals = _HEADER.unpack_from(data)
    if flags & _RESPONSE:
        raise Malformed(None)
    if flags & _OPCODE:
        raise Malformed(Code.NOT_IMPLEMENTED)
    if (questions, answers, authorities) != (1, 0, 0) or additionals > 1:
        raise Malformed(Code.FORMAT_ERROR)
    name, offset = _name(data, _HEADER.size)
    end = offset + _QUESTION.size
    if end > len(data):
        raise Malformed(Code.FORMAT_ERROR)
    kind, class_ = _QUESTION.unpack_from(data, offset)
    if class_ != IN:
        raise Malformed(Code.REFUSED)
    size = _extended_bytes(data, end) if additionals else None
    return Query(number, flags, name, kind, data[_HEADER.size : end], _bounded(size), size is not None)


def _name(data: bytes, offset: int) -> tuple[str, int]:
    labels: list[str] = []
    start = offset
    while True:
        length = data[offset] if offset < len(data) else _LONGEST_LABEL + 1
        if length > _LONGEST_LABEL or offset - start + length > _LONGEST_NAME - 1:
            raise Malformed(Code.FORMAT_ERROR)
        offset += 1
        if length == 0:
            return ".".join(labels), offset
        label = data[offset : offset + length]
        if len(label) < length:
            raise Malformed(Code.FORMAT_ERROR)
        labels.append(label.decode("latin-1").lower())
        offset += length


def _extended_bytes(data: bytes, offset: int) -> int | None:
    """How much the asker takes in one datagram (EDNS); None without that record, or with another one in its place."""
    if len(data) < offset + 1 + _RECORD.size or data[offset] != 0:
        return None
    kind, size, _, _ = _RECORD.unpack_from(data, offset + 1)
    return size if kind == OPT else None


def _bounded(size: int | None) -> int:
    return PLAIN_BYTES if size is None else max(PLAIN_BYTES, min(size, MOST_BYTES))


def respond(query: Query, code: Code, addresses: Sequence[IPAddress] = (), ttl_s: int = 0) -> bytes:
    """The answer with as many of the addresses as fit."""
    data = (address.packed for address in addresses)
    kinds = (A if address.version == 4 else AAAA for address in addresses)
    return _response(query, code, [_record(kind, content, ttl_s) for kind, content in zip(kinds, data, strict=True)])


def respond_pointer(query: Query, name: str, ttl_s: int = 0) -> bytes:
    """The answer that the address has this name."""
    labels = name.encode("ascii").split(b".")
    encoded = b"".join(bytes((len(label),)) + label for label in labels) + b"\0"
    return _response(query, Code.NO_ERROR, [_record(PTR, encoded, ttl_s)])


def refuse(data: bytes, code: Code) -> bytes:
    """The answer to what could not be read, but for its header."""
    number, flags = struct.unpack_from(">HH", data)
    kept = flags & (_OPCODE | _RECURSION_DESIRED)
    return _HEADER.pack(number, _RESPONSE | _RECURSION_AVAILABLE | kept | code, 0, 0, 0, 0)


def renumber(data: bytes, number: int) -> bytes:
    """The same message under another number."""
    return struct.pack(">H", number) + data[2:]


def answers(query: Query, number: int, data: bytes) -> bool:
    """Whether a datagram is the answer to the query, forwarded under this number."""
    end = _HEADER.size + len(query.question)
    if len(data) < end:
        return False
    found, flags, questions = struct.unpack_from(">HHH", data)
    asked = data[_HEADER.size : end].lower() == query.question.lower()
    return found == number and bool(flags & _RESPONSE) and questions == 1 and asked


def address_of_pointer(name: str) -> IPAddress | None:
    """The address that a name below in-addr.arpa or ip6.arpa stands for (RFC 1035 section 3.5, RFC 3596)."""
    labels = name.split(".")[::-1]
    try:
        if labels[:2] == ["arpa", "in-addr"] and len(labels) == 6:
            return ipaddress.IPv4Address(".".join(labels[2:]))
        if labels[:2] == ["arpa", "ip6"] and len(labels) == 34:
            digits = "".join(labels[2:])
            return ipaddress.IPv6Address(":".join(digits[place : place + 4] for place in range(0, 32, 4)))
    except ValueError:
        return None
    return None


def _record(kind: int, content: bytes, ttl_s: int) -> bytes:
    return struct.pack(">H", _NAME_POINTER) + _RECORD.pack(kind, IN, ttl_s, len(content)) + content


def _response(query: Query, code: Code, records: Sequence[bytes]) -> bytes:
    extension = b"\0" + _RECORD.pack(OPT, MOST_BYTES, 0, 0) if query.extended else b""
    room = query.most_bytes - _HEADER.size - len(query.question) - len(extension)
    fitting: list[bytes] = []
    for record in records:
        room -= len(record)
        if room < 0:
            break
        fitting.append(record)
    flags = _RESPONSE | _RECURSION_AVAILABLE | _AUTHORITATIVE | (query.flags & _RECURSION_DESIRED) | code
    header = _HEADER.pack(query.id, flags, 1, len(fitting), 0, int(query.extended))
    return b"".join((header, query.question, *fitting, extension))

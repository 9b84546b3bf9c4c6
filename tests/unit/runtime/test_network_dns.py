"""What containers ask is read strictly, whatever they send, and answers are ones that a resolver can read."""

from __future__ import annotations

import ipaddress
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.network import dns
from runtime.network.dns import Code, Malformed, Query

HEADER = struct.Struct(">HHHHHH")
LABELS = st.lists(st.binary(min_size=1, max_size=63), max_size=5).filter(lambda labels: sum(map(len, labels)) < 240)


def ask(name: bytes, kind: int = dns.A, *, edns: int | None = None, class_: int = dns.IN) -> bytes:
    encoded = b"".join(bytes((len(label),)) + label for label in name.split(b".") if label) + b"\0"
    more = b"" if edns is None else b"\0" + struct.pack(">HHIH", dns.OPT, edns, 0, 0)
    return HEADER.pack(7, 0x0100, 1, 0, 0, int(edns is not None)) + encoded + struct.pack(">HH", kind, class_) + more


def read(data: bytes) -> Query | Code | None:
    """The question, or what its asker is told instead."""
    try:
        return dns.parse_query(data)
    except Malformed as error:
        return error.code


def records(answer: bytes, query: Query) -> list[tuple[int, bytes]]:
    offset, found = 12 + len(query.question), []
    for _ in range(HEADER.unpack_from(answer)[3]):
        pointer, kind, class_, _, length = struct.unpack_from(">HHHIH", answer, offset)
        assert (pointer, class_) == (0xC00C, dns.IN)
        found.append((kind, answer[offset + 12 : offset + 12 + length]))
        offset += 12 + length
    return found


def test_a_question_is_read_and_its_name_lowered() -> None:
    query = dns.parse_query(ask(b"Web.Example", dns.AAAA))
    assert (query.id, query.name, query.type, query.most_bytes) == (7, "web.example", dns.AAAA, 512)


@pytest.mark.parametrize(("edns", "expected"), [(None, 512), (0, 512), (900, 900), (65535, 1232)])
def test_the_size_that_the_asker_takes_is_bounded(edns: int | None, expected: int) -> None:
    query = dns.parse_query(ask(b"a", edns=edns))
    assert (query.most_bytes, query.extended) == (expected, edns is not None)


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", None),
        (b"\0" * 11, None),
        (HEADER.pack(1, 0x8000, 1, 0, 0, 0) + b"\0\0\1\0\1", None),  # an answer
        (HEADER.pack(1, 0x2800, 1, 0, 0, 0) + b"\0\0\1\0\1", Code.NOT_IMPLEMENTED),  # an update
        (HEADER.pack(1, 0, 0, 0, 0, 0), Code.FORMAT_ERROR),
        (HEADER.pack(1, 0, 2, 0, 0, 0) + b"\0\0\1\0\1" * 2, Code.FORMAT_ERROR),
        (HEADER.pack(1, 0, 1, 1, 0, 0) + b"\0\0\1\0\1", Code.FORMAT_ERROR),
        (HEADER.pack(1, 0, 1, 0, 0, 2) + b"\0\0\1\0\1", Code.FORMAT_ERROR),
        (HEADER.pack(1, 0, 1, 0, 0, 0), Code.FORMAT_ERROR),
        (HEADER.pack(1, 0, 1, 0, 0, 0) + b"\x05ab", Code.FORMAT_ERROR),
        (HEADER.pack(1, 0, 1, 0, 0, 0) + b"\xc0\x0c\0\1\0\1", Code.FORMAT_ERROR),  # points at itself
        (HEADER.pack(1, 0, 1, 0, 0, 0) + b"\x01a\0\0\1\0", Code.FORMAT_ERROR),
        (HEADER.pack(1, 0, 1, 0, 0, 0) + (b"\x3f" + b"a" * 63) * 4 + b"\0\0\1\0\1", Code.FORMAT_ERROR),  # 257 bytes
        (ask(b"a", class_=3), Code.REFUSED),
    ],
)
def test_what_is_no_question_is_told_so_or_not_at_all(data: bytes, code: Code | None) -> None:
    with pytest.raises(Malformed) as refused:
        dns.parse_query(data)
    assert refused.value.code is code
    if code is not None:
        number, flags, *counts = HEADER.unpack(dns.refuse(data, code))
        assert (number, flags & 0x800F, counts) == (HEADER.unpack_from(data)[0], 0x8000 | code, [0, 0, 0, 0])


@given(st.binary(max_size=600))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    query = read(data)
    if isinstance(query, Query):
        assert dns.answers(query, query.id, dns.respond(query, Code.NO_SUCH_NAME))
    elif query is not None:
        assert len(dns.refuse(data, query)) == 12


@given(LABELS, st.integers(0, 65535), st.binary(max_size=40))
def test_every_name_of_allowed_labels_is_read(labels: list[bytes], kind: int, tail: bytes) -> None:
    encoded = b"".join(bytes((len(label),)) + label for label in labels) + b"\0"
    data = HEADER.pack(1, 0, 1, 0, 0, 0) + encoded + struct.pack(">HH", kind, 1) + tail
    query = dns.parse_query(data)
    assert query.question == data[12 : 12 + len(encoded) + 4]
    assert query.name.encode("latin-1").count(b".") >= len(labels) - 1 or not labels


@given(LABELS, st.binary(max_size=60), st.integers(0, 100))
def test_a_message_that_is_cut_off_anywhere_never_breaks_the_reader(labels: list[bytes], tail: bytes, cut: int) -> None:
    encoded = b"".join(bytes((len(label),)) + label for label in labels) + b"\0"
    data = (HEADER.pack(1, 0, 1, 0, 0, 1) + encoded + tail)[:cut]
    assert isinstance(read(data), Query) or read(data) in {None, Code.FORMAT_ERROR, Code.REFUSED}


def test_an_answer_holds_the_addresses() -> None:
    query = dns.parse_query(ask(b"web", dns.ANY))
    addresses = [ipaddress.ip_address("10.1.0.2"), ipaddress.ip_address("fd00::2")]
    answer = dns.respond(query, Code.NO_ERROR, addresses, 5)
    assert records(answer, query) == [(dns.A, addresses[0].packed), (dns.AAAA, addresses[1].packed)]
    assert HEADER.unpack_from(answer)[1] & 0x8180 == 0x8180


@pytest.mark.parametrize("edns", [None, 700, 4096])
def test_an_answer_never_exceeds_what_the_asker_takes(edns: int | None) -> None:
    query = dns.parse_query(ask(b"web", edns=edns))
    answer = dns.respond(query, Code.NO_ERROR, [ipaddress.ip_address(f"10.1.0.{n}") for n in range(1, 201)])
    assert len(answer) <= query.most_bytes
    assert len(records(answer, query)) >= 28
    assert HEADER.unpack_from(answer)[5] == int(edns is not None)


@given(st.ip_addresses())
def test_the_address_of_a_pointer_is_found_again(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> None:
    assert dns.address_of_pointer(address.reverse_pointer) == address


@pytest.mark.parametrize(
    "name",
    ["", "in-addr.arpa", "1.in-addr.arpa", "x.1.2.3.in-addr.arpa", "256.1.1.1.in-addr.arpa", "1.2.3.4.in-addr.com",
     ".".join(["z"] * 32) + ".ip6.arpa"],
)  # fmt: skip
def test_other_names_are_no_pointers(name: str) -> None:
    assert dns.address_of_pointer(name) is None


def test_a_pointers_answer_is_a_name() -> None:
    query = dns.parse_query(ask(b"2.0.1.10.in-addr.arpa", dns.PTR))
    assert records(dns.respond_pointer(query, "web.one"), query) == [(dns.PTR, b"\x03web\x03one\0")]


@pytest.mark.parametrize("change", ["number", "name", "no answer", "short"])
def test_only_the_answer_to_the_question_is_one(change: str) -> None:
    query = dns.parse_query(ask(b"web"))
    answer = dns.renumber(dns.respond(query, Code.NO_ERROR), 99)
    assert dns.answers(query, 99, answer)
    wrong = {
        "number": dns.renumber(answer, 98),
        "name": answer.replace(b"web", b"wev"),
        "no answer": dns.renumber(ask(b"web"), 99),
        "short": answer[:11],
    }[change]
    assert not dns.answers(query, 99, wrong)

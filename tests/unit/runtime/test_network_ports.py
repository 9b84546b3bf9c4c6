"""Published ports are read as Docker's users write them, and conflicts are told before they happen."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.network.errors import NetworkError
from runtime.network.ports import PublishedPort, parse_port


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("80", PublishedPort(80)),
        ("8080:80", PublishedPort(80, 8080)),
        ("8080:80/udp", PublishedPort(80, 8080, "udp")),
        ("127.0.0.1:8080:80", PublishedPort(80, 8080, host_address="127.0.0.1")),
        ("127.0.0.1::80", PublishedPort(80, host_address="127.0.0.1")),
        ("[::1]:8080:80", PublishedPort(80, 8080, host_address="::1")),
        ("[::]:8080:80/tcp", PublishedPort(80, 8080, host_address="::")),
        ("8000-8010:9000-9010", PublishedPort(9000, 8000, count=11)),
        ("9000-9010", PublishedPort(9000, count=11)),
        ("192.0.2.1:1-2:3-4/udp", PublishedPort(3, 1, "udp", "192.0.2.1", 2)),
    ],
)
def test_what_users_write_is_read(text: str, expected: PublishedPort) -> None:
    assert parse_port(text) == expected


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "write it as"),
        ("x", "write it as"),
        ("80/sctp", "tcp or udp"),
        ("70000:80", "ports go from 1 to 65535"),
        ("0", "ports go from 1"),
        ("65535-65536", "ports go from 1"),
        ("65530:80-90", "ports go from 1"),
        ("8000-8010:80", "11 ports of the host for 1 of the container"),
        ("8010-8000:80-90", "is empty"),
        ("300.0.0.1:80:80", r"host address '300\.0\.0\.1'"),
        ("[::0001]:80:80", "write it as ::1"),
        ("[fe80::1%eth0]:80:80", "write it as fe80::1"),
        ("localhost:80:80", "write it as"),
        ("1:2:3:4", "write it as"),
        ("8080:80\n", "write it as"),
        ("٨٠", "write it as"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(text: str, words: str) -> None:
    with pytest.raises(NetworkError, match=words) as refused:
        parse_port(text)
    assert "\n" not in str(refused.value)


@given(st.text(max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        port = parse_port(text)
    except NetworkError:
        return
    assert PublishedPort.from_json(port.to_json()) == port
    assert parse_port(str(port)) == port or port.host_port == 0


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("80:1", "80:2", True),
        ("80:1", "81:1", False),
        ("80:1", "80:1/udp", False),
        ("80-90:80-90", "90-95:80-85", True),
        ("80-90:80-90", "91-95:81-85", False),
        ("127.0.0.1:80:1", "0.0.0.0:80:1", True),
        ("127.0.0.1:80:1", "127.0.0.2:80:1", False),
        ("127.0.0.1:80:1", "[::]:80:1", False),
        ("127.0.0.1:80:1", "80:1", True),
        ("[::1]:80:1", "80:1", True),
        ("[::1]:80:1", "0.0.0.0:80:1", False),
        ("0.0.0.0:80:1", "[::]:80:1", False),
    ],
)
def test_two_meet_when_a_packet_could_be_for_both(one: str, other: str, *, expected: bool) -> None:
    assert parse_port(one).meets(parse_port(other)) is expected
    assert parse_port(other).meets(parse_port(one)) is expected


def test_pairs_of_a_range() -> None:
    assert list(parse_port("8000-8002:90-92").pairs()) == [(8000, 90), (8001, 91), (8002, 92)]

"""Ports are read as Docker reads them for -p and --expose."""

from __future__ import annotations

import pytest

from runtime.engine.errors import BadOption
from runtime.engine.options import PublishedPort
from runtime.engine.ports import parse_exposed, parse_publish


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("80", PublishedPort(80)),
        ("8080:80", PublishedPort(80, 8080)),
        ("8080:80/udp", PublishedPort(80, 8080, "udp")),
        ("127.0.0.1:8080:80", PublishedPort(80, 8080, "tcp", "127.0.0.1")),
        ("0:80", PublishedPort(80)),
        ("127.0.0.1::80", PublishedPort(80, 0, "tcp", "127.0.0.1")),
        ("[::1]:8080:80", PublishedPort(80, 8080, "tcp", "::1")),
        ("localhost:8080:80", PublishedPort(80, 8080, "tcp", "127.0.0.1")),
        ("7000-7002:70-72/TCP", PublishedPort(70, 7000, "tcp", "", 3)),
        ("70-72", PublishedPort(70, 0, "tcp", "", 3)),
        ("8000-9000:80", PublishedPort(80, 8000, "tcp", "", 1, 9000)),
    ],
)
def test_what_can_be_published(text: str, expected: PublishedPort) -> None:
    assert parse_publish(text) == expected


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no port specified"), ("8080:", "no port specified"), ("x:80", "invalid hostPort"),
        ("80/sctp", "invalid proto"), ("8080:0", "invalid containerPort"), ("65536", "invalid containerPort"),
        ("80-70", "invalid containerPort"), ("1-3:70-71", "invalid ranges"), ("1.2.3:1:2", "invalid IP address"),
        ("[::1:1:2", "invalid IP address"), ("99999999999999999999", "invalid containerPort"), ("+80", "invalid"),
    ],
)  # fmt: skip
def test_what_cannot(text: str, words: str) -> None:
    with pytest.raises(BadOption, match=words):
        parse_publish(text)


def test_exposed_ranges() -> None:
    assert list(parse_exposed("7000-7002/udp")) == [(7000, "udp"), (7001, "udp"), (7002, "udp")]
    assert list(parse_exposed("80")) == [(80, "tcp")]

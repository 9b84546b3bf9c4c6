"""The header WWW-Authenticate: as registries write it, as the RFC allows it, and as nobody should."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.image.registry.challenge import Challenge, parse_challenges

HUB = 'Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:a/b:pull,push"'


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("", ()),
        ("Basic", (Challenge("basic"),)),
        ('Basic realm="a \\"b\\" c"', (Challenge("basic", {"realm": 'a "b" c'}),)),
        (
            HUB,
            (
                Challenge(
                    "bearer",
                    {
                        "realm": "https://auth.docker.io/token",
                        "service": "registry.docker.io",
                        "scope": "repository:a/b:pull,push",
                    },
                ),
            ),
        ),
        (
            'Negotiate, Bearer realm=x , service = "y", Basic Realm="z"',
            (
                Challenge("negotiate"),
                Challenge("bearer", {"realm": "x", "service": "y"}),
                Challenge("basic", {"realm": "z"}),
            ),
        ),
        ("Bearer realm=x, realm=y", (Challenge("bearer", {"realm": "x"}),)),
        ('Bearer realm="never ends', (Challenge("bearer"),)),
        ("=,;", ()),
    ],
)
def test_parse(header: str, expected: tuple[Challenge, ...]) -> None:
    assert parse_challenges(header) == expected
    assert [challenge.parameters for challenge in parse_challenges(header)] == [item.parameters for item in expected]


@given(st.text(alphabet='Bearer ="\\,x\t', max_size=200) | st.text(max_size=100))
def test_any_header_is_read_in_some_way(header: str) -> None:
    for challenge in parse_challenges(header):
        assert challenge.scheme


@given(st.dictionaries(st.from_regex(r"[a-z]{1,8}", fullmatch=True), st.text(max_size=20), max_size=5))
def test_what_is_quoted_is_read(parameters: dict[str, str]) -> None:
    quoted = [f'{name}="' + value.replace("\\", "\\\\").replace('"', '\\"') + '"' for name, value in parameters.items()]
    usable = {name: value for name, value in parameters.items() if "\n" not in value}
    (challenge,) = parse_challenges("Bearer " + ",".join(quoted))
    if usable == parameters:
        assert challenge.parameters == parameters


def test_a_long_header_is_read_no_further_than_it_makes_sense() -> None:
    assert len(parse_challenges("Basic, " * 100_000)) < 2000

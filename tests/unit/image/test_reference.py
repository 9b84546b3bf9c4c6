"""References: what is one, what is none and why."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.image.digest import Digest
from runtime.image.errors import InvalidReference
from runtime.image.reference import Reference

DIGEST = Digest.of(b"content")
DOMAINS = st.sampled_from(["", "localhost:5000/", "registry.example.org/", "example.org:443/", "[::1]:5000/", "Host/"])
COMPONENTS = st.from_regex(r"[a-z0-9]{1,8}((\.|_|__|-{1,3})[a-z0-9]{1,8}){0,2}", fullmatch=True)
NAMES = st.builds(lambda domain, parts: domain + "/".join(parts), DOMAINS, st.lists(COMPONENTS, min_size=1, max_size=3))
TAGS = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}", fullmatch=True).filter(str.isascii)


@given(NAMES, TAGS, st.sampled_from([None, DIGEST]))
def test_what_is_written_is_read(name: str, tag: str, digest: Digest | None) -> None:
    reference = Reference(name, tag, digest)
    assert Reference.parse(str(reference)) == reference


@given(NAMES)
def test_no_tag_is_latest_unless_there_is_a_digest(name: str) -> None:
    assert Reference.parse(name) == Reference(name, "latest")
    assert Reference.parse(f"{name}@{DIGEST}") == Reference(name, "", DIGEST)


@given(st.text(max_size=40))
def test_any_text_is_a_reference_or_refused(text: str) -> None:
    try:
        reference = Reference.parse(text)
    except InvalidReference as error:
        assert repr(text) in str(error)  # noqa: PT017 - most texts are refused, some are not
    else:
        assert Reference.parse(str(reference)) == reference


def test_port_is_no_tag() -> None:
    assert Reference.parse("localhost:5000/website") == Reference("localhost:5000/website", "latest")
    assert Reference.parse("website:5000") == Reference("website", "5000")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "the name is empty"),
        (":1", "the name is empty"),
        (f"@{DIGEST}", "the name is empty"),
        ("Website:1", "'Website' in the name is not in lower case"),
        ("website:", "tag '' is not"),
        ("website:a b", "tag 'a b' is not"),
        ("website:" + "x" * 129, "is not 1 to 128"),
        ("website:1@sha256:12", "64 lower-case hex digits"),
        ("website@", "expected algorithm:hex"),
        ("a//b", "'' in the name"),
        ("../etc/passwd", "'..' in the name"),
        ("/website", "'' in the name"),
        ("website/", "'' in the name"),
        ("-website", "'-website' in the name"),
        ("web\nsite", "in the name"),
        ("x" * 256, "256 characters, at most 255"),
    ],
)
def test_refused_with_the_reason(text: str, reason: str) -> None:
    with pytest.raises(InvalidReference) as caught:
        Reference.parse(text)
    assert reason in str(caught.value)

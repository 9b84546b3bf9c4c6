"""Origins, mirrors, and who may be spoken to without TLS."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.image.digest import Digest
from runtime.image.registry.client import query
from runtime.image.registry.endpoint import Origin, Repository, joined, may_be_plain
from runtime.image.registry.referrers import referrers_tag


@pytest.mark.parametrize("host", ["localhost", "localhost:5000", "127.0.0.1", "127.9.9.9:80", "[::1]:5000"])
def test_loopback_may_be_plain(host: str) -> None:
    assert may_be_plain(host, frozenset())


@pytest.mark.parametrize(
    "host", ["localhost.example.org", "127.0.0.1.example.org", "10.0.0.1", "[::2]:80", "x.org:5000"]
)
def test_others_only_if_named(host: str) -> None:
    assert not may_be_plain(host, frozenset())
    assert not may_be_plain(host, frozenset({"other.org"}))
    assert may_be_plain(host, frozenset({host}))


def test_a_name_stands_for_all_its_ports_and_a_port_for_itself() -> None:
    assert may_be_plain("x.org:5000", frozenset({"x.org"}))
    assert not may_be_plain("x.org:5001", frozenset({"x.org:5000"}))


def test_origins() -> None:
    assert Origin.of("https://x.org/a") == Origin.of("https://x.org:443/b?c")
    others = ["http://x.org/", "https://x.org:444/", "https://y.org/", "https://x.org.y.org/", "https://x.org@y.org/"]
    assert all(Origin.of(url) != Origin.of("https://x.org/") for url in others)


@given(st.text(max_size=60), st.sampled_from(["https://x.org/v2/", "http://[::1]:5000/v2/a"]))
def test_any_location_leads_somewhere_or_is_refused(location: str, url: str) -> None:
    try:
        found = joined(url, location)
    except ValueError:
        return
    assert found.startswith(("https://", "http://", "HTTP", "Http")) or ":" in found


def test_mirrors() -> None:
    repository = Repository("docker.io", "library/alpine")
    assert repository.at("mirror.org:5000") == Repository("mirror.org:5000", "library/alpine")
    assert repository.at("mirror.org/hub/") == Repository("mirror.org", "hub/library/alpine")


def test_parameters_follow_others() -> None:
    assert query("http://x/u?state=a%2Fb", digest="sha256:1") == "http://x/u?state=a%2Fb&digest=sha256:1"
    assert query("u/", mount="sha256:1", **{"from": "a/b"}) == "u/?mount=sha256:1&from=a%2Fb"


def test_the_tag_of_referrers() -> None:
    assert referrers_tag(Digest("sha512", "a" * 128)) == f"sha512-{'a' * 64}"

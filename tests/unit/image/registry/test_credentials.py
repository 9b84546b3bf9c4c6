"""Credentials of files: which file, which entry, and what is wrong with one."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

import pytest

from runtime.image.registry.credentials import Credentials, ask_helper, find_credentials, usual_files
from runtime.image.registry.endpoint import Repository
from runtime.image.registry.errors import CredentialsError

if TYPE_CHECKING:
    from pathlib import Path


def entry(user: str, password: str = "p") -> dict[str, str]:  # noqa: S107 - of a test
    return {"auth": base64.b64encode(f"{user}:{password}".encode()).decode()}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "auth.json"


def write(path: Path, auths: dict[str, Any]) -> Path:
    path.write_text(json.dumps({"auths": auths}))
    return path


def found(path: Path, host: str, repository: str = "a/b") -> str:
    credentials = find_credentials(Repository(host, repository), [path])
    return credentials.username if credentials else "nobody"


def test_the_most_specific_entry_counts(file: Path) -> None:
    write(file, {"x.org": entry("host"), "x.org/a": entry("space"), "x.org/a/b": entry("one"), "y.org/a": entry("y")})
    assert [found(file, "x.org", path) for path in ("a/b", "a/c", "c", "ab")] == ["one", "space", "host", "host"]
    assert [found(file, "y.org", path) for path in ("a", "b")] == ["y", "nobody"]


@pytest.mark.parametrize("key", ["x.org:5000", "https://x.org:5000", "https://x.org:5000/v1/", "http://x.org:5000/v2/"])
def test_keys_of_all_ages(file: Path, key: str) -> None:
    assert found(write(file, {key: entry("me")}), "x.org:5000") == "me"


@pytest.mark.parametrize("key", ["docker.io", "https://index.docker.io/v1/", "index.docker.io"])
def test_the_hub_by_its_names(file: Path, key: str) -> None:
    assert found(write(file, {key: entry("me")}), "docker.io", "library/alpine") == "me"


def test_passwords_and_tokens(file: Path) -> None:
    write(file, {"x.org": entry("me", "a:b:ä"), "t.org": {"auth": "", "identitytoken": "t"}, "e.org": {}})
    x = find_credentials(Repository("x.org", "a"), [file])
    assert x == Credentials("me", "a:b:ä")
    assert "a:b" not in repr(x)
    assert find_credentials(Repository("t.org", "a"), [file]) == Credentials(identity_token="t")  # noqa: S106
    assert find_credentials(Repository("e.org", "a"), [file]) is None


def test_the_first_file_that_knows_counts(tmp_path: Path) -> None:
    first, second = write(tmp_path / "1", {"x.org": entry("first")}), write(tmp_path / "2", {"y.org": entry("second")})
    old = tmp_path / "3"
    old.write_text(json.dumps({"z.org": entry("old")}))
    files = [tmp_path / "none", first, second, old]
    names = {host: find_credentials(Repository(host, "a"), files) for host in ("x.org", "y.org", "z.org", "q.org")}
    assert [known.username if known else "" for known in names.values()] == ["first", "second", "old", ""]


def test_where_the_files_are() -> None:
    environment = {"HOME": "/h", "XDG_RUNTIME_DIR": "/r", "DOCKER_CONFIG": "/d", "REGISTRY_AUTH_FILE": "/mine"}
    files = usual_files(environment)
    assert [str(path) for path in files] == [
        "/mine", "/r/containers/auth.json", "/h/.config/containers/auth.json", "/d/config.json", "/h/.dockercfg",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "content",
    [
        b"[]",
        b"{",
        b"\xff",
        b'{"auths": []}',
        b'{"auths": {"x.org": 1}}',
        b'{"auths": {"x.org": {"auth": "%%%"}}}',
        b'{"auths": {"x.org": {"auth": "bWU="}}}',
        b'{"auths": {"x.org": {"auth": 5}}}',
        b'{"credHelpers": {"x.org": 5}}',
        b'{"credsStore": "../../bin/sh"}',
        b'{"credsStore": "no-such-helper-anywhere"}',
    ],
)
def test_what_is_wrong_is_named(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    with pytest.raises(CredentialsError):
        find_credentials(Repository("x.org", "a"), [file])


@pytest.mark.parametrize(
    ("script", "problem"),
    [
        ("echo broken >&2; exit 3", "exit code 3: broken"),
        ("echo nonsense", "no JSON object"),
        ("echo '[]'", "no JSON object"),
    ],
)
def test_a_helper_that_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, problem: str) -> None:
    helper = tmp_path / "docker-credential-bad"
    helper.write_text(f"#!/bin/sh\n{script}\n")
    helper.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    with pytest.raises(CredentialsError, match=problem):
        ask_helper("bad", "x.org")

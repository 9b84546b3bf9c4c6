"""Who may do what: passwords, tokens, TLS, files of credentials and helpers, proxies."""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
import threading
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import pytest

from runtime.image.registry.client import RegistryClient
from runtime.image.registry.credentials import Credentials
from runtime.image.registry.errors import (
    AccessDenied,
    AuthenticationFailed,
    NoConnection,
    NotInRegistry,
    RegistryError,
    Untrusted,
)
from runtime.image.registry.pull import pull
from runtime.image.registry.push import PushOptions, push
from tests.integration.registry.conftest import make_image
from tests.support.registry import QUICK, Authority, Registry, docker_registry, make_authority

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from runtime.image.registry.settings import RegistrySettings
    from runtime.image.store import Image, ImageStore
    from tests.support.fake_registry import Exchange, FakeRegistry

ME = Credentials("me", "secret")


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """A registry that knows one user."""
    directory = tmp_path_factory.mktemp("guarded")
    passwords = directory / "htpasswd"
    done = subprocess.run(
        ("python3", "-c", "import crypt; print('me:' + crypt.crypt('secret', crypt.mksalt(crypt.METHOD_BLOWFISH)))"),
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    # The registry's bcrypt knows the prefix 2y or 2a; crypt(5) writes 2b for the same thing.
    passwords.write_text(done.stdout.replace("$2b$", "$2y$"))
    with docker_registry(directory / "run", auth={"htpasswd": {"realm": "test", "path": str(passwords)}}) as running:
        yield running


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return make_authority(tmp_path_factory.mktemp("authority") / "ca")


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory, authority: Authority) -> Iterator[Registry]:
    tls = {"certificate": str(authority.certificate), "key": str(authority.key)}
    with docker_registry(tmp_path_factory.mktemp("secure") / "run", tls=tls) as running:
        yield running


def with_file(content: object, path: Path) -> RegistrySettings:
    path.write_text(json.dumps(content))
    return replace(QUICK, auth_files=(path,))


def auth_of(credentials: Credentials) -> str:
    return base64.b64encode(f"{credentials.username}:{credentials.password}".encode()).decode()


def test_a_password_of_a_file(guarded: Registry, store: ImageStore, other: ImageStore, tmp_path: Path) -> None:
    image = make_image(store)
    name = f"{guarded.host}/a/site:1"
    settings = with_file({"auths": {f"https://{guarded.host}/v1/": {"auth": auth_of(ME)}}}, tmp_path / "config.json")
    with RegistryClient(settings) as client:
        push(store, client, "site:1", PushOptions(name))
        assert pull(other, client, name).digest == image.digest


@pytest.mark.parametrize("credentials", [None, Credentials("me", "wrong"), Credentials("you", "secret")])
def test_who_is_not_known(guarded: Registry, other: ImageStore, credentials: Credentials | None) -> None:
    with (
        RegistryClient(QUICK, lambda _: credentials) as client,
        pytest.raises(AuthenticationFailed, match=f"get manifest {guarded.host}/a/site:1: UNAUTHORIZED") as caught,
    ):
        pull(other, client, f"{guarded.host}/a/site:1")
    assert "log in" in caught.value.hint
    assert "secret" not in str(caught.value)


def test_a_helper_s_password(
    guarded: Registry, store: ImageStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    helper = tmp_path / "docker-credential-test"
    helper.write_text(
        '#!/bin/sh\nread -r server\ncase "$server" in\n'
        f'{guarded.host}) echo \'{{"ServerURL": "", "Username": "me", "Secret": "secret"}}\' ;;\n'
        "*) echo 'credentials not found in native keychain'; exit 1 ;;\nesac\n"
    )
    helper.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    make_image(store)
    for member in ({"credHelpers": {guarded.host: "test"}}, {"credsStore": "test"}):
        with RegistryClient(with_file(member, tmp_path / "config.json")) as client:
            push(store, client, "site:1", PushOptions(f"{guarded.host}/helped/site:1"))


def test_a_registry_with_a_certificate_of_its_own_authority(
    secure: Registry, authority: Authority, store: ImageStore, other: ImageStore, tmp_path: Path
) -> None:
    image = make_image(store)
    name = f"{secure.host}/a/site:1"
    with RegistryClient(replace(QUICK, ca_files=(authority.ca,))) as client:
        push(store, client, "site:1", PushOptions(name))
    directory = tmp_path / "certs.d" / secure.host
    directory.mkdir(parents=True)
    (directory / "ca.crt").write_bytes(authority.ca.read_bytes())
    with RegistryClient(replace(QUICK, certificate_directories=(tmp_path / "certs.d",))) as client:
        assert pull(other, client, name).digest == image.digest


def test_a_certificate_that_nobody_vouches_for(secure: Registry, other: ImageStore) -> None:
    """Not even on loopback, and not for one that may be spoken to without TLS."""
    settings = replace(QUICK, insecure=frozenset({secure.host}))
    with RegistryClient(settings) as client, pytest.raises(Untrusted, match="certificate is not accepted") as caught:
        pull(other, client, f"{secure.host}/a/site:1")
    assert "certs.d" in caught.value.hint


class TokenService:
    """Gives out tokens to those it knows, for the scopes that they ask for; and a registry that takes them."""

    def __init__(self, registry: FakeRegistry) -> None:
        self.registry = registry
        self.given: dict[str, list[str]] = {}
        self.asked: list[dict[str, list[str]]] = []
        self.lock = threading.Lock()
        registry.rule("(GET|POST) /token", self.give)
        registry.rule("/v2/.+", self.check)

    def give(self, exchange: Exchange) -> bool:
        form = parse_qs(exchange.read_body().decode()) or parse_qs(urlsplit(exchange.path).query)
        self.asked.append(form)
        known = exchange.headers.get("Authorization") == ME.basic or form.get("refresh_token") == ["identity"]
        if not known:
            exchange.answer(401, b'{"details": "incorrect username or password"}')
            return True
        with self.lock:
            token = f"token-{len(self.given)}"
            self.given[token] = " ".join(form["scope"]).split()
        exchange.answer(200, json.dumps({"token": token, "expires_in": 300}).encode())
        return True

    def check(self, exchange: Exchange) -> bool:
        name = re.match(r"/v2/(.+?)/(?:blobs|manifests|tags|referrers)", exchange.path)
        assert name is not None
        actions = "pull" if exchange.command in {"GET", "HEAD"} else "pull,push"
        token = exchange.headers.get("Authorization", "").removeprefix("Bearer ")
        scopes = self.given.get(token, [])
        if any(scope.startswith(f"repository:{name[1]}:") and actions in scope for scope in scopes):
            return False
        exchange.read_body()
        challenge = f'Bearer realm="/token",service="test",scope="repository:{name[1]}:{actions}"'
        exchange.answer(401, WWW_Authenticate=challenge)
        return True


@pytest.mark.parametrize("credentials", [ME, Credentials(identity_token="identity")])  # noqa: S106
def test_tokens_are_asked_for_once(
    fake: FakeRegistry, store: ImageStore, other: ImageStore, credentials: Credentials
) -> None:
    service = TokenService(fake)
    image = make_image(store)
    name = f"{fake.host}/a/site:1"
    with RegistryClient(QUICK, lambda _: credentials) as client:
        push(store, client, "site:1", PushOptions(name))
        pushed_with = len(service.given)
        assert pull(other, client, name).digest == image.digest
        assert len(service.given) == pushed_with + 1
    assert pushed_with == 1
    assert all(form["service"] == ["test"] for form in service.asked)
    assert all("secret" not in seen.path for seen in fake.requests)


def test_a_mount_asks_for_both_repositories(fake: FakeRegistry, store: ImageStore) -> None:
    service = TokenService(fake)
    make_image(store, f"{fake.host}/first:1")
    with RegistryClient(QUICK, lambda _: ME) as client:
        push(store, client, f"{fake.host}/first:1")
        fake.hidden |= {("second", blob) for blob in fake.blobs}
        push(store, client, f"{fake.host}/first:1", PushOptions(f"{fake.host}/second:1"))
    scopes = [" ".join(form["scope"]).split() for form in service.asked]
    assert {"repository:first:pull", "repository:second:pull,push"} in [set(asked) for asked in scopes]
    assert fake.hidden == set()


def test_a_token_that_no_longer_holds_is_replaced(fake: FakeRegistry, store: ImageStore, other: ImageStore) -> None:
    service = TokenService(fake)
    image = make_image(store)
    with RegistryClient(QUICK, lambda _: ME) as client:
        push(store, client, "site:1", PushOptions(f"{fake.host}/a/site:1"))
        for _ in range(2):
            service.given = {f"old-{number}": [] for number in range(len(service.given))}
            assert pull(other, client, f"{fake.host}/a/site:1").digest == image.digest


def test_a_token_service_that_does_not_know_us(fake: FakeRegistry, other: ImageStore) -> None:
    TokenService(fake)
    with (
        RegistryClient(QUICK, lambda _: Credentials("me", "wrong")) as client,
        pytest.raises(AuthenticationFailed, match=r"get a token from .*/token"),
    ):
        pull(other, client, f"{fake.host}/a/site:1")


@pytest.mark.parametrize(
    "answer", [b"", b"[]", b"{}", b'{"token": 1}', b'{"token": "a\\nb"}', b'{"token": "x", "expires_in": "y"}']
)
def test_a_token_service_that_says_nonsense(
    fake: FakeRegistry, client: RegistryClient, other: ImageStore, answer: bytes
) -> None:
    fake.rule("/token", lambda exchange: exchange.answer(200, answer))
    fake.rule("manifests", lambda exchange: exchange.answer(401, WWW_Authenticate='Bearer realm="/token"'))
    with pytest.raises(RegistryError, match="get a token from"):
        pull(other, client, f"{fake.host}/a/site:1")


def test_forbidden(fake: FakeRegistry, client: RegistryClient, other: ImageStore) -> None:
    content = json.dumps({"errors": [{"code": "DENIED", "message": "requested access is denied"}]}).encode()
    fake.rule("manifests", lambda exchange: exchange.answer(403, content))
    with pytest.raises(AccessDenied, match=r"DENIED: requested access is denied \(status 403\)"):
        pull(other, client, f"{fake.host}/a/site:1")


def test_a_proxy_is_asked_for_other_hosts(
    fake: FakeRegistry, offered: Image, other: ImageStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = "registry.example.org:5000"

    def rewrite(exchange: Exchange) -> bool:
        exchange.path = exchange.path.removeprefix(f"http://{host}")
        return False

    fake.rule(f"http://{host}/", rewrite)
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.setenv(name, f"http://{fake.host}")
    for name in ("https_proxy", "HTTPS_PROXY", "no_proxy", "NO_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:1")
    with RegistryClient(replace(QUICK, insecure=frozenset({host}), use_proxies=True)) as client:
        assert pull(other, client, f"{host}/a/site:1").digest == offered.digest
    assert fake.seen(f"GET http://{host}/v2/a/site/manifests/1")
    with RegistryClient(replace(QUICK, use_proxies=True)) as client, pytest.raises(NoConnection):
        pull(other, client, "registry.example.org/a/site:1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with RegistryClient(replace(QUICK, use_proxies=True)) as client, pytest.raises(NotInRegistry):
        pull(other, client, f"{fake.host}/none:1")

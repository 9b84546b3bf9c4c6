"""Authorization: passwords for registries that take them, tokens for those that want one, each kept while it holds.

The token service is docker's (distribution project, docs/spec/auth/token.md and oauth.md).
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from runtime.image.document import Document
from runtime.image.errors import InvalidDocument
from runtime.image.registry.endpoint import Origin, joined
from runtime.image.registry.errors import AuthenticationFailed, UnexpectedAnswer
from runtime.image.registry.transport import Body, Request

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from runtime.image.registry.answer import Answer
    from runtime.image.registry.challenge import Challenge
    from runtime.image.registry.credentials import Credentials
    from runtime.image.registry.endpoint import Endpoint, Repository
    from runtime.image.registry.transport import Transport

_MAX_BYTES = 1 << 20
# What a token holds for if the service does not say; it does not give out shorter ones (token.md).
_LIFETIME_S = 60
# Taken off a token's life: it has to arrive, and clocks differ.
_MARGIN_S = 5
_MAX_LIFETIME_S = 24 * 3600


@dataclass(frozen=True, slots=True)
class Access:
    """What is to be done where: ``scopes`` in the token service's words, such as ``repository:a/b:pull``."""

    endpoint: Endpoint
    repository: Repository
    scopes: frozenset[str]

    @classmethod
    def to(cls, endpoint: Endpoint, repository: Repository, actions: str, source: str = "") -> Access:
        """Access to a repository for ``actions``, and for pulling from ``source`` beside it.

        Without a path the registry itself is meant, and ``actions`` is a whole scope, or nothing.
        """
        if not repository.path:
            return cls(endpoint, repository, frozenset(filter(None, (actions,))))
        scopes = {f"repository:{repository.path}:{actions}"}
        if source:
            scopes.add(f"repository:{source}:pull")
        return cls(endpoint, repository, frozenset(scopes))


@dataclass(frozen=True, slots=True)
class _Grant:
    header: str
    until: float

    @property
    def holds(self) -> bool:
        return time.monotonic() < self.until


class Authorizer:
    """What to put into the header Authorization; for use by several threads, of which one asks for all."""

    def __init__(self, transport: Transport, find: Callable[[Repository], Credentials | None]) -> None:
        self._transport = transport
        self._find = find
        self._grants: dict[tuple[Origin, Repository, frozenset[str]], _Grant] = {}
        self._lock = threading.Lock()

    def header(self, access: Access) -> str:
        """What served last time; empty if nothing is known."""
        grant = self._grants.get(_key(access))
        return grant.header if grant and grant.holds else ""

    def respond(self, access: Access, answer: Answer, refused: str) -> str:
        """A header that meets the answer's challenges; ``refused`` is the one that did not."""
        with self._lock:
            known = self.header(access)
            if known and known != refused:
                return known  # another thread has just got it
            grant = self._grant(access, answer)
            if grant.header == refused:
                raise answer.error()
            self._grants[_key(access)] = grant
            return grant.header

    def _grant(self, access: Access, answer: Answer) -> _Grant:
        credentials = self._find(access.repository)
        challenges = {challenge.scheme: challenge for challenge in reversed(answer.challenges)}
        if "bearer" in challenges:
            return self._token(access, challenges["bearer"], credentials, answer)
        if "basic" in challenges and credentials and credentials.username:
            self._transport.check_plain(answer.url, answer.what)
            return _Grant(credentials.basic, float("inf"))
        raise answer.error()

    def _token(self, access: Access, challenge: Challenge, credentials: Credentials | None, answer: Answer) -> _Grant:
        realm = self._realm(access, challenge, answer)
        wanted = challenge.parameters.get("scope", "")
        parameters: dict[str, str | list[str]] = {
            "service": challenge.parameters.get("service", ""),
            "scope": sorted(access.scopes | ({wanted} if wanted else set())),
        }
        request, authorization = _token_request(realm, parameters, credentials)
        asked_at = time.monotonic()
        document = self._transport.retrying(lambda: self._ask(request, authorization))
        try:
            token = document.text("token", "") or document.text("access_token")
            lifetime_s = document.number("expires_in") if document.has("expires_in") else _LIFETIME_S
        except InvalidDocument as error:
            raise UnexpectedAnswer(f"{request.what}: {error}") from error
        if not token.isascii() or not token.isprintable():
            raise UnexpectedAnswer(f"{request.what}: a token of other than printable characters")
        lifetime_s = min(max(lifetime_s, _LIFETIME_S), _MAX_LIFETIME_S)
        return _Grant(f"Bearer {token}", asked_at + lifetime_s - _MARGIN_S)

    def _ask(self, request: Request, authorization: str) -> Document:
        answer = self._transport.send(request, authorization)
        if answer.status in {400, 401, 403}:
            raise AuthenticationFailed(str(answer.error()), "log in to the registry, or check the file of credentials")
        if answer.status != 200:
            raise answer.error()
        try:
            return Document.parse(answer.read(_MAX_BYTES), request.what)
        except InvalidDocument as error:
            raise UnexpectedAnswer(str(error)) from error

    def _realm(self, access: Access, challenge: Challenge, answer: Answer) -> str:
        """The token service's URL; over TLS, unless the registry itself is spoken to without."""
        try:
            realm = joined(access.endpoint.url(""), challenge.parameters.get("realm", ""))
        except ValueError as error:
            raise UnexpectedAnswer(f"{answer.what}: the realm of tokens: {error}") from error
        if Origin.of(realm).scheme != "https" and access.endpoint.scheme == "https":
            raise UnexpectedAnswer(f"{answer.what}: tokens are to come from {realm[:200]}, without TLS")
        self._transport.check_plain(realm, answer.what)
        return realm


def _token_request(
    realm: str, parameters: Mapping[str, str | list[str]], credentials: Credentials | None
) -> tuple[Request, str]:
    """The request for a token, and its own authorization."""
    what = f"get a token from {realm[:200]}"
    if credentials and credentials.identity_token:
        form = {
            "grant_type": "refresh_token",
            "client_id": "tare",
            "service": parameters["service"],
            "scope": " ".join(parameters["scope"]),
            "refresh_token": credentials.identity_token,
        }
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        return Request(what, "POST", realm, headers, Body.of(urlencode(form).encode())), ""
    query = urlencode({name: value for name, value in parameters.items() if value}, doseq=True)
    url = f"{realm}{'&' if '?' in realm else '?'}{query}"
    return Request(what, "GET", url), credentials.basic if credentials and credentials.username else ""


def _key(access: Access) -> tuple[Origin, Repository, frozenset[str]]:
    return access.endpoint.origin, access.repository, access.scopes

"""Requests and their answers: retried when that may help, redirected without credentials, errors as sentences."""

from __future__ import annotations

import io
import random
import ssl
import threading
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

import urllib3

from runtime.image.registry.answer import Answer, transfer_errors
from runtime.image.registry.connections import Connections
from runtime.image.registry.endpoint import Origin, joined, may_be_plain
from runtime.image.registry.errors import (
    NoConnection,
    NotSecure,
    RegistryError,
    TooSlow,
    UnexpectedAnswer,
    Unreachable,
    Untrusted,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from contextlib import AbstractContextManager

    from runtime.image.digest import Readable
    from runtime.image.registry.settings import RegistrySettings

_T = TypeVar("_T")

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_FOLLOWED = frozenset({"GET", "HEAD"})


@dataclass(frozen=True, slots=True)
class Body:
    """What is sent: ``open`` gives it from its beginning, as often as the request has to be made."""

    open: Callable[[], AbstractContextManager[Readable]]
    size_bytes: int

    @classmethod
    def of(cls, content: bytes) -> Body:
        """A body that is in memory."""
        return cls(lambda: nullcontext(io.BytesIO(content)), len(content))


@dataclass(frozen=True, slots=True)
class Request:
    """One request; ``what`` is the beginning of every sentence about it."""

    what: str
    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict, hash=False)
    body: Body | None = None


class Transport:
    """Sends requests, several at once if need be; ``close`` ends the connections."""

    def __init__(self, settings: RegistrySettings) -> None:
        self.settings = settings
        self._connections = Connections(settings)
        self._reached: set[Origin] = set()
        self._closing = threading.Event()

    def close(self) -> None:
        """End the connections, and whatever waits to try again."""
        self._closing.set()
        self._connections.close()

    def send(self, request: Request, authorization: str = "") -> Answer:
        """The answer, redirects followed: ``authorization`` goes to the request's own origin, and nowhere else."""
        url, origin = request.url, Origin.of(request.url)
        for _ in range(self.settings.max_redirects + 1):
            answer = self._exchange(request, url, authorization)
            if answer.status not in _REDIRECTS or not answer.header("Location"):
                return answer
            answer.discard()
            url = self._redirected(request, answer)
            if Origin.of(url) != origin:
                authorization = ""
        raise UnexpectedAnswer(f"{request.what}: redirected more than {self.settings.max_redirects} times")

    def retrying(self, attempt: Callable[[], _T]) -> _T:
        """What ``attempt`` returns, at the latest of so many times, with growing pauses between them."""
        patience = self.settings.patience
        for number in range(patience.attempts - 1):
            try:
                return attempt()
            except RegistryError as error:
                if not error.transient or not self.pause(number, error.retry_after_s):
                    raise
        return attempt()

    def pause(self, failures: int, retry_after_s: float = 0) -> bool:
        """Wait after so many failures, the first being 0; whether to try again, which is not so after ``close``."""
        patience = self.settings.patience
        # With chance, so that those who were refused together do not come back together.
        pause_s = patience.backoff_s * 2**failures * random.uniform(0.5, 1)  # noqa: S311 - no secret
        return not self._closing.wait(min(max(pause_s, retry_after_s), patience.longest_wait_s))

    def check_plain(self, url: str, what: str) -> None:
        """Raise `NotSecure` for a URL without TLS of a host that must have it."""
        origin = Origin.of(url)
        host = f"[{origin.host}]" if ":" in origin.host else origin.host
        if origin.scheme == "http" and not may_be_plain(f"{host}:{origin.port}", self.settings.insecure):
            hint = "name the host as insecure if you trust the network"
            raise NotSecure(f"{what}: {origin.host} is not spoken to without TLS", hint)

    def _redirected(self, request: Request, answer: Answer) -> str:
        """Where the answer points; raises for what is not followed."""
        try:
            url = joined(answer.url, answer.header("Location"))
        except ValueError as error:
            raise UnexpectedAnswer(f"{request.what}: redirected: {error}") from error
        if request.method not in _FOLLOWED:
            raise UnexpectedAnswer(f"{request.what}: redirected to {url[:200]}, which only reading requests follow")
        if Origin.of(answer.url).scheme == "https" and Origin.of(url).scheme == "http":
            raise NotSecure(f"{request.what}: redirected from TLS to {url[:200]} without it")
        self.check_plain(url, request.what)
        return url

    def _exchange(self, request: Request, url: str, authorization: str) -> Answer:
        headers = {"User-Agent": self.settings.user_agent, "Accept-Encoding": "identity", **request.headers}
        if authorization:
            headers["Authorization"] = authorization
        body = request.body
        if body is not None:
            headers["Content-Length"] = str(body.size_bytes)
        origin = Origin.of(url)
        with self._errors(request.what, origin), body.open() if body else nullcontext() as content:
            response = self._connections.of(url).urlopen(
                request.method, url, body=content, headers=headers, redirect=False, preload_content=False
            )
        self._reached.add(origin)
        return Answer(response, url, request.what, self.settings.patience)

    @contextmanager
    def _errors(self, what: str, origin: Origin) -> Iterator[None]:
        with transfer_errors(what):
            try:
                yield
            except TooSlow as error:  # the connection does not know what it was asked for
                raise TooSlow(f"{what}: {error}") from error
            except urllib3.exceptions.SSLError as error:
                raise _not_secure(what, error) from error
            except (urllib3.exceptions.NewConnectionError, urllib3.exceptions.ProxyError) as error:
                # Who has answered before may well answer again.
                kind = Unreachable if origin in self._reached else NoConnection
                raise kind(f"{what}: {_reason(error)}", "check the name, the port and the proxy") from error


def _reason(error: Exception) -> str:
    """The cause's own words: urllib3 puts the connection's representation before them."""
    cause = error.__cause__ or error.__context__ or error
    return getattr(cause, "strerror", None) or str(cause)


def _not_secure(what: str, error: urllib3.exceptions.SSLError) -> RegistryError:
    inner = error.args[0] if error.args else error
    if isinstance(inner, ssl.SSLCertVerificationError):
        hint = "put the authority's certificate into /etc/containers/certs.d/HOST:PORT/ca.crt"
        return Untrusted(f"{what}: its certificate is not accepted: {inner.verify_message}", hint)
    return NotSecure(f"{what}: no TLS: {getattr(inner, 'reason', None) or inner}", "does it speak TLS at all?")

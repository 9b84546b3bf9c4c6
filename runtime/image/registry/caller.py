"""One request to a registry, from its path to its answer: where the registry is, who we are, what is a failure."""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

from runtime.image.registry.credentials import find_credentials, usual_files
from runtime.image.registry.endpoint import Endpoint, Origin, is_loopback, may_be_plain, registry_host
from runtime.image.registry.errors import NoConnection, TooSlow, Unreachable, Untrusted
from runtime.image.registry.settings import RegistrySettings
from runtime.image.registry.tokens import Access, Authorizer
from runtime.image.registry.transport import Body, Request, Transport

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType
    from typing import Self

    from runtime.image.registry.answer import Answer
    from runtime.image.registry.credentials import Credentials
    from runtime.image.registry.endpoint import Repository

PULL, PUSH, DELETE = "pull", "pull,push", "delete"


@dataclass(frozen=True, slots=True)
class Call:
    """One request below ``/v2/REPOSITORY/`` (a repository without a path is the registry), or at the URL ``path``.

    ``actions`` is what the token has to allow, and pulling from ``source`` beside it. Any status 2xx is good, or only
    those of ``accepted``. Unless ``repeated``, a failure is final.
    """

    repository: Repository
    what: str
    method: str
    path: str
    headers: Mapping[str, str] = field(default_factory=dict, hash=False)
    body: Body | None = None
    actions: str = PULL
    source: str = ""
    accepted: tuple[int, ...] = ()
    repeated: bool = True


class Caller:
    """Registries by host, spoken to as the settings say; a context manager that ends the connections."""

    def __init__(
        self,
        settings: RegistrySettings | None = None,
        find: Callable[[Repository], Credentials | None] | None = None,
    ) -> None:
        self.settings = settings or RegistrySettings()
        self.transport = Transport(self.settings)
        self._authorizer = Authorizer(self.transport, find or self._find)
        self._endpoints: dict[str, Endpoint] = {}
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the connections. Idempotent."""
        self.transport.close()

    def call(self, call: Call) -> Answer:
        """The answer to a request; failures are raised, after the attempts that the settings allow."""
        endpoint = self.endpoint(call.repository.host)
        access = Access.to(endpoint, call.repository, call.actions, call.source)
        below = f"{call.repository.path}/{call.path}" if call.repository.path else call.path
        url = call.path if "://" in call.path else endpoint.url(below)
        self.transport.check_plain(url, call.what)
        request = Request(call.what, call.method, url, call.headers, call.body)

        def attempt() -> Answer:
            answer = self._authorized(request, access)
            good = answer.status in call.accepted if call.accepted else 200 <= answer.status < 300
            if not good:
                raise answer.error()
            return answer

        return self.transport.retrying(attempt) if call.repeated else attempt()

    def endpoint(self, host: str) -> Endpoint:
        """The registry behind a host: over TLS, or without where that is allowed and it has none."""
        with self._lock:
            endpoint = self._endpoints.get(host)
            if endpoint is None:
                endpoint = self._endpoints[host] = self._probe(registry_host(host))
        return endpoint

    def _probe(self, host: str) -> Endpoint:
        secure = Endpoint("https", host)
        if not may_be_plain(host, self.settings.insecure):
            return secure
        what = f"look for a registry at {host}"
        try:
            self.transport.send(Request(what, "GET", secure.url(""))).discard()
        except (Untrusted, TooSlow):
            raise
        except NoConnection:
            if is_loopback(host):
                raise
            return Endpoint("http", host)  # named insecure: its port for TLS may be shut
        except Unreachable:
            return Endpoint("http", host)
        return secure

    def _authorized(self, request: Request, access: Access) -> Answer:
        """Send with what authorization there is, and once more with what the registry asks for."""
        if Origin.of(request.url) != access.endpoint.origin:
            return self.transport.send(request)  # an upload elsewhere: its URL is all the right that it needs
        header = self._authorizer.header(access)
        answer = self.transport.send(request, header)
        if answer.status != 401 or Origin.of(answer.url) != access.endpoint.origin:
            return answer
        header = self._authorizer.respond(access, answer, header)
        answer.discard()
        return self.transport.send(request, header)

    def _find(self, repository: Repository) -> Credentials | None:
        files = self.settings.auth_files
        return find_credentials(repository, usual_files(os.environ) if files is None else files)


def query(path: str, **parameters: str) -> str:
    """``path`` with parameters, which may follow others that are there already."""
    return f"{path}{'&' if '?' in path else '?'}{urlencode(parameters, quote_via=quote, safe=':')}"

"""The distribution specification's interface: manifests, blobs, tags, referrers of one registry after the other."""

from __future__ import annotations

import hashlib
import os
import re
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

from runtime.image.descriptor import Descriptor
from runtime.image.digest import Digest
from runtime.image.document import MAX_DOCUMENT_BYTES, Document
from runtime.image.errors import CorruptBlob, InvalidDigest, InvalidDocument
from runtime.image.manifest import INDEX_TYPES, MANIFEST_TYPES
from runtime.image.registry.credentials import find_credentials, usual_files
from runtime.image.registry.endpoint import Endpoint, Origin, is_loopback, joined, may_be_plain, registry_host
from runtime.image.registry.errors import NoConnection, NotInRegistry, TooSlow, UnexpectedAnswer, Unreachable, Untrusted
from runtime.image.registry.settings import RegistrySettings
from runtime.image.registry.tokens import Access, Authorizer
from runtime.image.registry.transport import Body, Request, Transport

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from types import TracebackType
    from typing import Self

    from runtime.image.registry.answer import Answer
    from runtime.image.registry.credentials import Credentials
    from runtime.image.registry.endpoint import Repository

_ACCEPTED = ", ".join((*MANIFEST_TYPES, *INDEX_TYPES))
_LINK = re.compile(r'<([^<>]{1,4096})>\s*;[^,]*\brel="?next"?')
_CONTENT_RANGE = re.compile(r"bytes (\d{1,19})-\d{1,19}/(?:\d{1,19}|\*)")
# A registry that always names one more page would keep us for ever.
_MAX_PAGES = 1000
PULL, PUSH, DELETE = "pull", "pull,push", "delete"


@dataclass(frozen=True, slots=True)
class Call:
    """One request below ``/v2/REPOSITORY/``, or at the URL ``path``.

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


class RegistryClient:
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

    def manifest(self, repository: Repository, reference: str) -> tuple[Descriptor, bytes]:
        """The manifest or index that a tag or digest names; a digest is verified (`CorruptBlob`)."""
        what = f"get manifest {_join(repository, reference)}"
        answer = self.call(Call(repository, what, "GET", f"manifests/{reference}", {"Accept": _ACCEPTED}))
        content = answer.read(MAX_DOCUMENT_BYTES)
        media_type = answer.header("Content-Type").split(";")[0].strip()
        if media_type not in MANIFEST_TYPES + INDEX_TYPES:
            media_type = _stated_media_type(content, what) or media_type
        descriptor = Descriptor(media_type, _digest(content, reference), len(content))
        if ":" in reference and str(descriptor.digest) != reference:
            raise CorruptBlob(f"{what}: content has digest {descriptor.digest}, not {reference}")
        return descriptor, content

    def find_manifest(self, repository: Repository, reference: str) -> Digest | None:
        """The digest of what a tag or digest names, without getting it; None if there is nothing, or no digest told."""
        what = f"look for manifest {_join(repository, reference)}"
        try:
            answer = self.call(Call(repository, what, "HEAD", f"manifests/{reference}", {"Accept": _ACCEPTED}))
        except NotInRegistry:
            return None
        answer.discard()
        try:
            return Digest.parse(answer.header("Docker-Content-Digest"))
        except InvalidDigest:
            return None

    def put_manifest(self, repository: Repository, content: bytes, media_type: str, reference: str) -> Answer:
        """Store a manifest or index under a tag or its digest. What it names has to be there before."""
        what = f"put manifest {_join(repository, reference)}"
        headers = {"Content-Type": media_type}
        answer = self.call(
            Call(repository, what, "PUT", f"manifests/{reference}", headers, Body.of(content), actions=PUSH)
        )
        answer.discard()
        told = answer.header("Docker-Content-Digest")
        if told.startswith("sha256:") and told != str(Digest.of(content)):
            raise UnexpectedAnswer(f"{what}: the registry has stored {told[:80]}, not {Digest.of(content)}")
        return answer

    def put_blob(self, repository: Repository, content: bytes) -> Digest:
        """Store a small blob, such as the empty configuration of an artefact."""
        what = f"put blob {_join(repository, str(Digest.of(content)))}"
        started = self.call(Call(repository, what, "POST", "blobs/uploads/", actions=PUSH, accepted=(202,)))
        started.discard()
        url = query(_target(started, started.header("Location")), digest=str(Digest.of(content)))
        headers = {"Content-Type": "application/octet-stream"}
        self.call(Call(repository, what, "PUT", url, headers, Body.of(content), PUSH, accepted=(201,))).discard()
        return Digest.of(content)

    def has_blob(self, repository: Repository, descriptor: Descriptor) -> bool:
        """Whether the repository has the blob, in the size that is promised."""
        what = f"look for blob {_join(repository, str(descriptor.digest))}"
        try:
            answer = self.call(Call(repository, what, "HEAD", f"blobs/{descriptor.digest}", actions=PUSH))
        except NotInRegistry:
            return False
        answer.discard()
        return answer.header("Content-Length") in {"", str(descriptor.size_bytes)}

    @contextmanager
    def blob(self, repository: Repository, descriptor: Descriptor, offset: int = 0) -> Iterator[tuple[Answer, int]]:
        """The blob's bytes, unverified, and the offset from which they really begin: ``offset`` or 0."""
        what = f"get blob {_join(repository, str(descriptor.digest))}"
        headers = {"Range": f"bytes={offset}-"} if offset else {}
        answer = self.call(
            Call(repository, what, "GET", f"blobs/{descriptor.digest}", headers, accepted=(200, 206, 416))
        )
        try:
            if answer.status == 416:
                raise UnexpectedAnswer(f"{what}: no bytes from {offset} on")
            yield answer, _start(answer, offset)
        finally:
            answer.close()

    def tags(self, repository: Repository) -> tuple[str, ...]:
        """All tags, page by page, in the registry's order."""
        tags: dict[str, None] = {}
        for document, _ in self.documents(repository, f"list tags of {repository}", "tags/list"):
            tags |= dict.fromkeys(document.texts("tags"))
        return tuple(tags)

    def delete(self, repository: Repository, reference: str) -> None:
        """Delete a tag or, by digest, a manifest; raises `RequestRefused` where the registry does not do that."""
        what = f"delete {_join(repository, reference)}"
        answer = self.call(Call(repository, what, "DELETE", f"manifests/{reference}", actions=DELETE))
        answer.discard()

    def documents(self, repository: Repository, what: str, path: str) -> Iterator[tuple[Document, Answer]]:
        """The JSON documents of a list, page after page (RFC 8288, ``rel="next"``)."""
        url = path
        for _ in range(_MAX_PAGES):
            answer = self.call(Call(repository, what, "GET", url))
            try:
                yield Document.parse(answer.read(MAX_DOCUMENT_BYTES), what), answer
            except InvalidDocument as error:
                raise UnexpectedAnswer(str(error)) from error
            link = _LINK.search(answer.header("Link"))
            if not link:
                return
            url = _target(answer, link[1])
        raise UnexpectedAnswer(f"{what}: more than {_MAX_PAGES} pages")

    def call(self, call: Call) -> Answer:
        """The answer to a request; failures are raised, after the attempts that the settings allow."""
        endpoint = self.endpoint(call.repository.host)
        access = Access.to(endpoint, call.repository, call.actions, call.source)
        url = call.path if "://" in call.path else endpoint.url(f"{call.repository.path}/{call.path}")
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


def _join(repository: Repository, reference: str) -> str:
    return f"{repository}{'@' if ':' in reference else ':'}{reference}"


def _digest(content: bytes, reference: str) -> Digest:
    """The content's digest, by the algorithm that was asked for."""
    algorithm = reference.partition(":")[0] if ":" in reference else "sha256"
    return Digest(algorithm, hashlib.new(algorithm, content).hexdigest())


def _target(answer: Answer, location: str) -> str:
    """Where an answer sends us, which is the same registry."""
    try:
        url = joined(answer.url, location)
    except ValueError as error:
        raise UnexpectedAnswer(f"{answer.what}: the registry sends us to {error}") from error
    if Origin.of(url) != Origin.of(answer.url):
        raise UnexpectedAnswer(f"{answer.what}: the registry sends us elsewhere, to {url[:200]}")
    return url


def _stated_media_type(content: bytes, what: str) -> str:
    try:
        return Document.parse(content, what).text("mediaType", "")
    except InvalidDocument as error:
        raise UnexpectedAnswer(str(error)) from error


def _start(answer: Answer, offset: int) -> int:
    """Where a partial answer begins; one that is whole begins at 0 (RFC 9110, section 14)."""
    if answer.status != 206:
        return 0
    match = _CONTENT_RANGE.fullmatch(answer.header("Content-Range"))
    if not match or int(match[1]) != offset:
        raise UnexpectedAnswer(f"{answer.what}: range {answer.header('Content-Range')[:80]!r}, asked from {offset} on")
    return offset

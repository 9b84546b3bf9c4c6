"""The distribution specification's interface: manifests, blobs, tags, referrers of one registry after the other."""

from __future__ import annotations

import hashlib
import re
from contextlib import contextmanager
from typing import TYPE_CHECKING

from runtime.image.descriptor import Descriptor
from runtime.image.digest import Digest
from runtime.image.document import MAX_DOCUMENT_BYTES, Document
from runtime.image.errors import CorruptBlob, InvalidDigest, InvalidDocument
from runtime.image.manifest import INDEX_TYPES, MANIFEST_TYPES
from runtime.image.registry.caller import DELETE, PULL, PUSH, Call, Caller, query
from runtime.image.registry.endpoint import Origin, Repository, joined
from runtime.image.registry.errors import NotInRegistry, UnexpectedAnswer
from runtime.image.registry.transport import Body

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runtime.image.registry.answer import Answer

_ACCEPTED = ", ".join((*MANIFEST_TYPES, *INDEX_TYPES))
_LINK = re.compile(r'<([^<>]{1,4096})>\s*;[^,]*\brel="?next"?')
_CONTENT_RANGE = re.compile(r"bytes (\d{1,19})-\d{1,19}/(?:\d{1,19}|\*)")
# A registry that always names one more page would keep us for ever.
_MAX_PAGES = 1000
# The scope that the distribution's own registry asks for (docs/spec/auth/scope.md).
_CATALOG = "registry:catalog:*"


class RegistryClient(Caller):
    """What registries can be asked for, one method for each of the specification's operations."""

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
        """The blob's bytes, unverified, and the offset from which they really begin: ``offset`` or 0.

        Asked for once: whoever downloads goes on where it has come to, and counts the attempts.
        """
        what = f"get blob {_join(repository, str(descriptor.digest))}"
        headers = {"Range": f"bytes={offset}-"} if offset else {}
        answer = self.call(
            Call(
                repository, what, "GET", f"blobs/{descriptor.digest}", headers, accepted=(200, 206, 416), repeated=False
            )
        )
        try:
            if answer.status == 416:
                raise UnexpectedAnswer(f"{what}: no bytes from {offset} on")
            yield answer, _start(answer, offset)
        finally:
            answer.close()

    def greet(self, host: str) -> None:
        """See whether the registry is one, and takes us as who we say we are; raises what `call` raises."""
        what = f"log in to {host}"
        self.call(Call(Repository(host, ""), what, "GET", "", actions="")).discard()

    def repositories(self, host: str) -> Iterator[str]:
        """The catalogue, page by page; many registries show it to nobody."""
        for document, _ in self.documents(Repository(host, ""), f"list repositories of {host}", "_catalog", _CATALOG):
            yield from document.texts("repositories")

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

    def documents(
        self, repository: Repository, what: str, path: str, actions: str = PULL
    ) -> Iterator[tuple[Document, Answer]]:
        """The JSON documents of a list, page after page (RFC 8288, ``rel="next"``)."""
        url = path
        for _ in range(_MAX_PAGES):
            answer = self.call(Call(repository, what, "GET", url, actions=actions))
            try:
                yield Document.parse(answer.read(MAX_DOCUMENT_BYTES), what), answer
            except InvalidDocument as error:
                raise UnexpectedAnswer(str(error)) from error
            link = _LINK.search(answer.header("Link"))
            if not link:
                return
            url = _target(answer, link[1])
        raise UnexpectedAnswer(f"{what}: more than {_MAX_PAGES} pages")


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

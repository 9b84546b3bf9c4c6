"""What refers to an image, such as signatures: by the registry's own list, or by the tag that stands in for it.

distribution-spec 1.1, sections Listing Referrers, Pushing Manifests with Subject and Referrers Tag Schema.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from runtime.image.descriptor import Descriptor
from runtime.image.document import Document
from runtime.image.errors import InvalidDocument
from runtime.image.manifest import INDEX, Index, parse
from runtime.image.registry.client import query
from runtime.image.registry.errors import NotInRegistry, UnexpectedAnswer

if TYPE_CHECKING:
    from runtime.image.digest import Digest
    from runtime.image.registry.client import RegistryClient
    from runtime.image.registry.endpoint import Repository


def referrers(
    client: RegistryClient, repository: Repository, digest: Digest, artifact_type: str = ""
) -> tuple[Descriptor, ...]:
    """The manifests whose subject has this digest, of one artifact type if one is given."""
    try:
        found = _listed(client, repository, digest, artifact_type)
    except NotInRegistry:  # a registry that has the list never says that
        found = _tagged(client, repository, digest).manifests
    return tuple(entry for entry in found if not artifact_type or entry.artifact_type == artifact_type)


def put_referrer(client: RegistryClient, repository: Repository, content: bytes, media_type: str) -> Descriptor:
    """Store a manifest that has a subject, and see to it that it is found among that one's referrers."""
    descriptor = Descriptor.of(media_type, content)
    document = Document.parse(content, f"manifest {descriptor.digest}")
    subject = Descriptor.from_json(document.child("subject"))
    answer = client.put_manifest(repository, content, media_type, str(descriptor.digest))
    if not answer.header("OCI-Subject"):
        kind = document.text("artifactType", "") or document.child("config").text("mediaType", "")
        entry = replace(descriptor, artifact_type=kind, annotations=document.mapping("annotations"))
        _add(client, repository, subject.digest, entry)
    return descriptor


def referrers_tag(digest: Digest) -> str:
    """The tag under which those keep the list whose registry has none."""
    return f"{digest.algorithm[:32]}-{re.sub('[^A-Za-z0-9_.-]', '-', digest.encoded[:64])}"


def _listed(
    client: RegistryClient, repository: Repository, digest: Digest, artifact_type: str
) -> tuple[Descriptor, ...]:
    path = f"referrers/{digest}"
    what = f"list referrers of {repository}@{digest}"
    found: dict[Digest, Descriptor] = {}
    for document, _ in client.documents(
        repository, what, query(path, artifactType=artifact_type) if artifact_type else path
    ):
        try:
            found |= {entry.digest: entry for entry in Index.from_json(document).manifests}
        except InvalidDocument as error:
            raise UnexpectedAnswer(str(error)) from error
    return tuple(found.values())


def _tagged(client: RegistryClient, repository: Repository, digest: Digest) -> Index:
    """The list under the tag; an empty one if there is none."""
    try:
        descriptor, content = client.manifest(repository, referrers_tag(digest))
    except NotInRegistry:
        return Index(())
    name = f"referrers of {repository}@{digest}"
    document = parse(content, descriptor.media_type, name)
    if not isinstance(document, Index):
        raise UnexpectedAnswer(f"{name}: tag {referrers_tag(digest)} is no index")
    return document


def _add(client: RegistryClient, repository: Repository, subject: Digest, entry: Descriptor) -> None:
    index = _tagged(client, repository, subject)
    if all(other.digest != entry.digest for other in index.manifests):
        content = replace(index, manifests=(*index.manifests, entry)).encode()
        client.put_manifest(repository, content, INDEX, referrers_tag(subject))

"""Descriptors: what content is, which digest and how many bytes it has (image-spec, descriptor.md)."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from runtime.image.digest import Digest
from runtime.image.errors import InvalidDigest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runtime.image.document import Document

# image-spec, annotations.md: the name of an image within a layout.
REF_NAME = "org.opencontainers.image.ref.name"
# The names Go gives to the machines of uname(2); others keep their own name.
GO_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "i686": "386", "armv7l": "arm"}


@dataclass(frozen=True, slots=True)
class Platform:
    """What a manifest of an index runs on (image-spec, image-index.md)."""

    os: str
    architecture: str
    variant: str = ""

    @classmethod
    def host(cls) -> Self:
        """The platform of this host."""
        machine = os.uname().machine
        return cls("linux", GO_ARCHITECTURES.get(machine, machine))

    def __str__(self) -> str:
        return "/".join(part for part in (self.os, self.architecture, self.variant) if part)

    def runs_on(self, host: Platform) -> bool:
        """Whether content of this platform runs on ``host``; an unstated variant is any."""
        if (self.os, self.architecture) != (host.os, host.architecture):
            return False
        return not host.variant or not self.variant or self.variant == host.variant

    @classmethod
    def from_json(cls, document: Document) -> Self:
        """Read from the member ``platform`` of a descriptor."""
        return cls(document.text("os"), document.text("architecture"), document.text("variant", ""))

    def to_json(self) -> dict[str, Any]:
        """As the member ``platform`` of a descriptor."""
        json = {"os": self.os, "architecture": self.architecture, "variant": self.variant}
        return {key: value for key, value in json.items() if value}


@dataclass(frozen=True, slots=True)
class Descriptor:
    """Promises what content is: media type, digest, size."""

    media_type: str
    digest: Digest
    size_bytes: int
    annotations: Mapping[str, str] = field(default_factory=dict, hash=False)
    platform: Platform | None = None
    artifact_type: str = ""

    @classmethod
    def of(cls, media_type: str, content: bytes) -> Self:
        """The descriptor of ``content``."""
        return cls(media_type, Digest.of(content), len(content))

    @property
    def ref_name(self) -> str:
        """The name of the image within a layout; empty if it has none."""
        return self.annotations.get(REF_NAME, "")

    @classmethod
    def from_json(cls, document: Document) -> Self:
        """Read from a document's member; raises `InvalidDocument` naming the place."""
        try:
            digest = Digest.parse(document.text("digest"))
        except InvalidDigest as error:
            document.fail("digest", str(error))
        platform = Platform.from_json(document.child("platform")) if document.has("platform") else None
        annotations = document.mapping("annotations")
        artifact_type = document.text("artifactType", "")
        return cls(document.text("mediaType"), digest, document.number("size"), annotations, platform, artifact_type)

    def to_json(self) -> dict[str, Any]:
        """As the image-spec writes it."""
        json: dict[str, Any] = {
            "mediaType": self.media_type,
            "digest": str(self.digest),
            "size": self.size_bytes,
        }
        if self.annotations:
            json["annotations"] = dict(self.annotations)
        if self.platform:
            json["platform"] = self.platform.to_json()
        if self.artifact_type:
            json["artifactType"] = self.artifact_type
        return json

"""Manifests and indexes (image-spec 1.1), and Docker's schema 2 forms of both."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from runtime.image.descriptor import Descriptor, Platform
from runtime.image.document import Document, encode
from runtime.image.errors import ImageNotFound, UnsupportedMedia

if TYPE_CHECKING:
    from collections.abc import Mapping

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"
LAYER_GZIP = "application/vnd.oci.image.layer.v1.tar+gzip"
LAYER_ZSTD = "application/vnd.oci.image.layer.v1.tar+zstd"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_INDEX = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"
DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar"
DOCKER_LAYER_GZIP = "application/vnd.docker.image.rootfs.diff.tar.gzip"

MANIFEST_TYPES = (MANIFEST, DOCKER_MANIFEST)
INDEX_TYPES = (INDEX, DOCKER_INDEX)
CONFIG_TYPES = (CONFIG, DOCKER_CONFIG)


@dataclass(frozen=True, slots=True)
class Manifest:
    """An image: its configuration, and its layers from the bottom up."""

    config: Descriptor
    layers: tuple[Descriptor, ...]
    media_type: str = MANIFEST
    annotations: Mapping[str, str] = field(default_factory=dict, hash=False)

    @classmethod
    def from_json(cls, document: Document) -> Self:
        """Read a manifest; raises `InvalidDocument`, or `UnsupportedMedia` for what is no image."""
        _check_schema(document)
        if not document.has("config"):
            document.fail("config", "missing")
        config = Descriptor.from_json(document.child("config"))
        if config.media_type not in CONFIG_TYPES:
            problem = f"config has media type {config.media_type!r}: an artefact, not a container image"
            raise UnsupportedMedia(f"{document.name}: {problem}")
        layers = tuple(Descriptor.from_json(layer) for layer in document.children("layers"))
        return cls(config, layers, document.text("mediaType", MANIFEST), document.mapping("annotations"))

    def to_json(self) -> dict[str, Any]:
        """As the image-spec writes it."""
        json: dict[str, Any] = {
            "schemaVersion": 2,
            "mediaType": self.media_type,
            "config": self.config.to_json(),
            "layers": [layer.to_json() for layer in self.layers],
        }
        return json | ({"annotations": dict(self.annotations)} if self.annotations else {})

    def encode(self) -> bytes:
        """The bytes that the digest of the image is taken of."""
        return encode(self.to_json())


@dataclass(frozen=True, slots=True)
class Index:
    """A list of manifests: one image for several platforms, or the images of a layout."""

    manifests: tuple[Descriptor, ...]
    media_type: str = INDEX
    annotations: Mapping[str, str] = field(default_factory=dict, hash=False)

    @classmethod
    def from_json(cls, document: Document) -> Self:
        """Read an index; raises `InvalidDocument`."""
        _check_schema(document)
        manifests = tuple(Descriptor.from_json(item) for item in document.children("manifests"))
        return cls(manifests, document.text("mediaType", INDEX), document.mapping("annotations"))

    def to_json(self) -> dict[str, Any]:
        """As the image-spec writes it."""
        json: dict[str, Any] = {
            "schemaVersion": 2,
            "mediaType": self.media_type,
            "manifests": [manifest.to_json() for manifest in self.manifests],
        }
        return json | ({"annotations": dict(self.annotations)} if self.annotations else {})

    def encode(self) -> bytes:
        """The bytes of this index."""
        return encode(self.to_json())

    def select(self, platform: Platform, name: str) -> Descriptor:
        """The first manifest for ``platform``, else the first that states none; raises `ImageNotFound`."""
        stated = (manifest for manifest in self.manifests if manifest.platform and manifest.platform.runs_on(platform))
        unstated = (manifest for manifest in self.manifests if not manifest.platform and not manifest.artifact_type)
        for manifest in (*stated, *unstated):
            return manifest
        offered = ", ".join(str(manifest.platform) for manifest in self.manifests) or "nothing"
        raise ImageNotFound(f"{name}: no image for {platform}, only for {offered}")


def parse(content: bytes, media_type: str, name: str) -> Manifest | Index:
    """The manifest or index in ``content``, of this media type; errors begin with ``name``.

    The member mediaType is optional, but where it is given it must agree: a document that two readers could
    take for two things is refused (image-spec, security advisory GHSA-77vh-xpmg-72qh).
    """
    document = Document.parse(content, name)
    stated = document.text("mediaType", media_type)
    if stated != media_type:
        document.fail("mediaType", f"{stated!r}, but the descriptor says {media_type!r}")
    if document.has("manifests") and (document.has("layers") or document.has("config")):
        document.fail("manifests", "a document cannot be both index and manifest")
    if media_type in MANIFEST_TYPES:
        return Manifest.from_json(document)
    if media_type in INDEX_TYPES:
        return Index.from_json(document)
    raise UnsupportedMedia(f"{name}: media type {media_type!r} is neither an image manifest nor an index")


def _check_schema(document: Document) -> None:
    version = document.number("schemaVersion")
    if version != 2:
        document.fail("schemaVersion", f"expected 2, not {version}")

"""What a stage begins with: an image of the store as JSON, found without loading the store, or pulled.

A build that finds everything in its cache needs three files of the store, and loading `runtime.image` would take most
of its time. What is not as simple as that is left to the store.
"""

from __future__ import annotations

import hashlib

from runtime import jsontext
from runtime.build.errors import BuildError
from runtime.build.state import State

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from runtime.image.store import Image, ImageStore

_NAME = "org.opencontainers.image.ref.name"
_MANIFESTS = frozenset({
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
})  # fmt: skip


class Base:
    """An image to begin with; ``digest`` is its manifest's."""

    def __init__(self, digest: str, state: State) -> None:
        self.digest = digest
        self.state = state


class Bases:
    """The images of one store."""

    def __init__(self, root: str) -> None:
        self._root = root
        self._store: ImageStore | None = None

    @property
    def store(self) -> ImageStore:
        """Loaded by the first who asks."""
        if self._store is None:
            from pathlib import Path

            from runtime.image.store import ImageStore

            self._store = ImageStore(Path(self._root))
        return self._store

    def find(self, reference: str, *, pull: bool = False) -> Base:
        """The image, pulled if it is missing, or if told to; raises `BuildError`."""
        if pull:
            return self._read(self._pull(reference))
        digest = self.listed(reference)
        base = digest and self._quickly(digest)
        return base or self._read(self._resolve(reference))

    def listed(self, reference: str) -> str | None:
        """The digest of the manifest that the list has by this very name; None if it takes more to find out."""
        tagged = reference if ":" in reference.rpartition("/")[2] else f"{reference}:latest"
        for entry in self._index():
            if entry["annotations"].get(_NAME) == tagged and entry["mediaType"] in _MANIFESTS and "@" not in reference:
                return str(entry["digest"])
        return None

    def is_listed(self, digest: str) -> bool:
        """Whether the list has it by any name, or by none."""
        return any(entry["digest"] == digest for entry in self._index())

    def _index(self) -> list[dict[str, Any]]:
        try:
            with open(f"{self._root}/images/index.json", encoding="utf-8") as file:
                entries = jsontext.loads(file.read())["manifests"]
            return [
                {"annotations": {}, "mediaType": ""} | {key: value for key, value in entry.items() if value is not None}
                for entry in entries
            ]
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return []  # what is wrong with it the store will say

    def _quickly(self, digest: str) -> Base | None:
        try:
            manifest = jsontext.loads(self._blob(digest))
            config = jsontext.loads(self._blob(manifest["config"]["digest"]))
            layers = tuple(manifest["layers"])
            if len(config["rootfs"]["diff_ids"]) != len(layers):
                return None
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return Base(digest, State(config, layers))

    def _blob(self, digest: str) -> str:
        algorithm, _, encoded = digest.partition(":")
        if algorithm != "sha256" or not encoded.isalnum():
            raise ValueError(digest)
        with open(f"{self._root}/images/blobs/sha256/{encoded}", "rb") as file:
            content = file.read()
        if hashlib.sha256(content).hexdigest() != encoded:
            raise ValueError(digest)
        return content.decode()

    def _resolve(self, reference: str) -> Image:
        from runtime.image.errors import AmbiguousReference, ImageError, ImageNotFound

        try:
            return self.store.resolve(reference)
        except AmbiguousReference as error:
            raise BuildError(str(error)) from error
        except ImageNotFound:
            return self._pull(reference)
        except ImageError as error:
            raise BuildError(str(error)) from error

    def _pull(self, reference: str) -> Image:
        from runtime.image.errors import ImageError
        from runtime.image.registry.client import RegistryClient
        from runtime.image.registry.pull import pull

        try:
            with RegistryClient() as client:
                return pull(self.store, client, reference)
        except ImageError as error:
            raise BuildError(f"pull {reference}: {error}") from error

    def _read(self, image: Image) -> Base:
        """By the store, which tells what is wrong."""
        from runtime.image.errors import ImageError

        try:
            config = self.store.layout.blobs.read(image.manifest.config)
        except ImageError as error:
            raise BuildError(str(error)) from error
        layers = tuple(layer.to_json() for layer in image.manifest.layers)
        return Base(image.digest, State(jsontext.loads(config.decode()), layers))


def short(digest: str) -> str:
    """As ids are shown."""
    return digest.partition(":")[2][:12]

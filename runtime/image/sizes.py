"""What images take: each alone, and what they share (``images``, ``system df``)."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from runtime.image.manifest import DOCKER_LAYER_GZIP, LAYER_GZIP
from runtime.image.unpack import chain_ids

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from runtime.image.descriptor import Descriptor
    from runtime.image.digest import Digest
    from runtime.image.store import Image, ImageStore

_GZIP_TRAILER_BYTES = 4


@dataclass(frozen=True, slots=True)
class ImageSize:
    """What an image's layers hold; ``unique_bytes`` would go with the image."""

    size_bytes: int
    shared_bytes: int

    @property
    def unique_bytes(self) -> int:
        """What no other image has."""
        return self.size_bytes - self.shared_bytes


def layer_sizes(store: ImageStore, image: Image) -> tuple[int, ...]:
    """What each layer holds, uncompressed, bottom first: exact once it is extracted, near to it before."""
    chain = chain_ids(image.config.diff_ids)
    return tuple(_size(store, chain_id, layer) for chain_id, layer in zip(chain, image.manifest.layers, strict=True))


def image_size(store: ImageStore, image: Image) -> int:
    """What all the layers hold together."""
    return sum(layer_sizes(store, image))


def sizes(store: ImageStore, images: Iterable[Image]) -> Mapping[str, ImageSize]:
    """By digest, what each of the images takes, and how much of that with others of them."""
    different = {image.digest: image for image in images}
    chains = {digest: chain_ids(image.config.diff_ids) for digest, image in different.items()}
    users = Counter(chain_id for chain in chains.values() for chain_id in set(chain))
    result = {}
    for digest, image in different.items():
        layers = layer_sizes(store, image)
        shared = (size for chain_id, size in zip(chains[digest], layers, strict=True) if users[chain_id] > 1)
        result[digest] = ImageSize(sum(layers), sum(shared))
    return result


def layers_size(store: ImageStore, images: Iterable[Image]) -> int:
    """What the images' layers hold, those that are shared counted once."""
    found: dict[Digest, int] = {}
    for image in images:
        found |= dict(zip(chain_ids(image.config.diff_ids), layer_sizes(store, image), strict=True))
    return sum(found.values())


def _size(store: ImageStore, chain_id: Digest, layer: Descriptor) -> int:
    known = store.layers.size_bytes(chain_id)
    if known is not None:
        return known
    if layer.media_type in {LAYER_GZIP, DOCKER_LAYER_GZIP}:
        return _gzip_size(store, layer)
    # An archive is little more than its content; zstd need not say how much that is.
    return layer.size_bytes


def _gzip_size(store: ImageStore, layer: Descriptor) -> int:
    """The size modulo 4 GiB, which a gzip member ends with (RFC 1952, section 2.3.1)."""
    with store.layout.blobs.open_at(layer, max(layer.size_bytes - _GZIP_TRAILER_BYTES, 1)) as blob:
        return max(int.from_bytes(blob.read(_GZIP_TRAILER_BYTES), "little"), layer.size_bytes)

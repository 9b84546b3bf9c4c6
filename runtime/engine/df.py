"""What everything takes on the disk, in files as they are counted by du(1) with --apparent-size.

An image's size is that of its layers, of which it says what others have, too; the store's is that of its files, the
compressed blobs beside the extracted layers. Reclaimable is what a prune of everything unused would give back.
"""

from __future__ import annotations

import os
import stat
from collections import Counter

from runtime.engine.descent import walk
from runtime.engine.sizes import tree_bytes
from runtime.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from runtime.engine.container import Container
    from runtime.engine.engine import Engine
    from runtime.engine.home import Home
    from runtime.engine.volumes import Volume
    from runtime.image.store import Image


class ImageUsage(Value):
    """An image; ``size_bytes`` is ``shared_bytes`` and what it alone has."""

    image_id: str
    references: tuple[str, ...]
    created: str
    size_bytes: int
    shared_bytes: int
    containers: int

    @property
    def unique_bytes(self) -> int:
        """What would be given back if it went."""
        return self.size_bytes - self.shared_bytes


class ContainerUsage(Value):
    """A container; ``size_bytes`` is what it has changed of its image."""

    container: Container
    size_bytes: int


class VolumeUsage(Value):
    """A volume, and how many containers have it."""

    volume: Volume
    size_bytes: int
    users: int


class Total(Value):
    """One line of the table."""

    kind: str
    count: int
    active: int
    size_bytes: int
    reclaimable_bytes: int


class Usage(Value):
    """All of it; ``store_bytes`` is what the image store takes, and ``idle_bytes`` what no container needs of it."""

    images: tuple[ImageUsage, ...]
    containers: tuple[ContainerUsage, ...]
    volumes: tuple[VolumeUsage, ...]
    store_bytes: int
    idle_bytes: int
    cache_bytes: int
    cache_entries: int

    @property
    def totals(self) -> tuple[Total, ...]:
        """The lines of `docker system df`."""
        stopped = [one for one in self.containers if not one.container.state.is_active]
        unused = [one for one in self.volumes if not one.users]
        return (
            Total("Images", len(self.images), sum(bool(one.containers) for one in self.images), self.store_bytes,
                  self.idle_bytes),
            Total("Containers", len(self.containers), len(self.containers) - len(stopped), _sum(self.containers),
                  _sum(stopped)),
            Total("Local Volumes", len(self.volumes), len(self.volumes) - len(unused), _sum(self.volumes),
                  _sum(unused)),
            Total("Build Cache", self.cache_entries, 0, self.cache_bytes, self.cache_bytes),
        )  # fmt: skip


def usage(engine: Engine) -> Usage:
    """Count it all; a running container may change what is being counted."""
    containers = engine.containers.list()
    used = Counter(one.image_digest for one in containers)
    images = {image.digest: image for image in engine.images.images()}
    store_bytes = sum(tree_bytes(directory) for directory in _store(engine.home))
    return Usage(
        _images(engine, images.values(), used),
        tuple(ContainerUsage(one, tree_bytes(one.upper)) for one in containers),
        tuple(_volume(engine, volume) for volume in engine.volumes.list()),
        store_bytes,
        store_bytes - _needed(engine, [images[digest] for digest in used if digest in images], containers),
        tree_bytes(engine.home.build),
        sum(stat.S_ISREG(status.st_mode) for _, _, status in _cached(engine.home.build)),
    )


def _cached(directory: str) -> Iterable[tuple[int, str, os.stat_result]]:
    """All that the builder remembers: a file for each."""
    return walk(directory) if os.path.isdir(directory) else ()


def container_size(container: Container) -> tuple[int, int]:
    """What it has changed of its image, and that together with the image (`ps --size`)."""
    changed = tree_bytes(container.upper)
    return changed, changed + sum(tree_bytes(layer) for layer in container.layers)


def _sum(parts: Iterable[ContainerUsage | VolumeUsage]) -> int:
    return sum(part.size_bytes for part in parts)


def _store(home: Home) -> tuple[str, ...]:
    """Without the list of images itself, which is there with none, too."""
    return f"{home.images}/blobs", home.layers, f"{home.root}/downloads", f"{home.root}/compressed"


def _images(engine: Engine, images: Iterable[Image], used: Mapping[str, int]) -> tuple[ImageUsage, ...]:
    from runtime.image.sizes import sizes

    found = tuple(images)
    known = sizes(engine.images, found)
    return tuple(
        ImageUsage(
            image.digest, engine.images.names(image), image.config.created,
            known[image.digest].size_bytes, known[image.digest].shared_bytes, used.get(image.digest, 0),
        )
        for image in found
    )  # fmt: skip


def _needed(engine: Engine, images: Iterable[Image], containers: Iterable[Container]) -> int:
    """Blobs and layers of the images that containers have, and layers of those whose image is gone."""
    from runtime.image.digest import Digest
    from runtime.image.unpack import chain_ids

    layers = {os.path.dirname(layer) for one in containers for layer in one.layers}
    blobs: set[Digest] = set()
    for image in images:
        blobs |= {Digest.parse(image.digest), image.manifest.config.digest}
        blobs |= {layer.digest for layer in image.manifest.layers}
        chain = chain_ids(image.config.diff_ids)
        layers |= {f"{engine.home.layers}/{one.algorithm}-{one.encoded}" for one in chain}
    paths = (engine.images.layout.blobs.path(digest) for digest in blobs)
    return sum(map(tree_bytes, layers)) + sum(path.stat().st_size for path in paths if path.exists())


def _volume(engine: Engine, volume: Volume) -> VolumeUsage:
    """Of one that is something else of the host nothing is counted."""
    size = 0 if volume.options else tree_bytes(volume.mountpoint)
    return VolumeUsage(volume, size, len(engine.volumes.users(volume.name)))

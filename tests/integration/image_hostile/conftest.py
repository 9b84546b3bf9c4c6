"""A store with an image, and everything that can be brought into it."""

from __future__ import annotations

import io
import os
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from runtime.image.builder import Directory, File, LayerRecipe, build_image, layer_tar
from runtime.image.collect import collect
from runtime.image.commit import Author, CommitOptions, commit
from runtime.image.compression import Compression
from runtime.image.config import ImageConfig
from runtime.image.importer import load_stream
from runtime.image.manifest import LAYER
from runtime.image.removal import remove_image
from runtime.image.saving import save
from runtime.image.store import ImageStore
from runtime.image.tarball import ImportOptions, import_tarball

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

BULK = os.urandom(24 << 10)


@dataclass(frozen=True)
class Operation:
    """Something that changes a store, and whether it has been done."""

    run: Callable[[ImageStore], object]
    done: Callable[[ImageStore], bool]


@dataclass(frozen=True)
class Material:
    """A store to be copied, and what is brought into its copies."""

    store: Path
    operations: Mapping[str, Operation]

    def copy(self, root: Path) -> ImageStore:
        shutil.copytree(self.store, root, symlinks=True)
        return ImageStore(root)


def has(reference: str) -> Callable[[ImageStore], bool]:
    return lambda store: reference in {image.reference for image in store.images()}


def collected(store: ImageStore) -> bool:
    return not any(b"garbage" in path.read_bytes() for path, _ in store.layout.blobs.all())


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> Material:
    ground = tmp_path_factory.mktemp("material")
    store = ImageStore(ground / "store")
    layers = (
        LayerRecipe((Directory("etc"), File("etc/base", BULK)), "one"),
        LayerRecipe((File("two", BULK[::-1]),), "two"),
    )
    build_image(store, "base:1", layers, ImageConfig(cmd=("x",)))
    build_image(store, "other:1", (*layers, LayerRecipe((File("three", BULK),), "three")), ImageConfig())
    store.put_blob(io.BytesIO(b"garbage" + BULK), LAYER)
    for path, _ in store.layout.blobs.all():
        os.utime(path, (0, 0))
    archive = _archive(ground)
    tarball = layer_tar((Directory("d"), File("d/f", BULK)))
    upper = ground / "upper"
    (upper / "etc").mkdir(parents=True)
    (upper / "etc/new").write_bytes(BULK)
    os.mknod(upper / "two", 0o020000, 0)
    saved = ground / "out.tar"

    def committed(target: ImageStore) -> None:
        image = target.resolve("base:1")
        commit(target, image, upper, target.unpack(image), CommitOptions("new:1", Author(created_ns=0)))

    def saving(target: ImageStore) -> None:
        with saved.open("wb") as file:
            save(target, ["base:1"], file)

    operations = {
        "load": Operation(lambda target: load_stream(target, io.BytesIO(archive)), has("loaded:1")),
        "save": Operation(saving, lambda _: saved.stat().st_size > 2 * len(BULK)),
        "unpack": Operation(lambda target: target.unpack(target.resolve("base:1")), lambda _: True),
        "collect": Operation(lambda target: collect(target, grace_s=60), collected),
        "commit": Operation(committed, has("new:1")),
        "import": Operation(
            lambda target: import_tarball(target, io.BytesIO(tarball), ImportOptions("imported:1")), has("imported:1")
        ),
        "remove": Operation(_removed, lambda target: not has("other:1")(target)),
    }
    return Material(ground / "store", operations)


def _removed(store: ImageStore) -> None:
    """Again until it is gone: a killed removal may have got as far as the name."""
    if has("other:1")(store):
        remove_image(store, "other:1")


def _archive(ground: Path) -> bytes:
    """Compressed layers: these take most steps to load."""
    source = ImageStore(ground / "source")
    image = build_image(source, "plain:1", (LayerRecipe((File("loaded", BULK),), "l"),), ImageConfig())
    packed = source.compressed.manifest(image.manifest, Compression.GZIP, lambda *_: None)
    from runtime.image.commit import write_image

    write_image(source, image.config, packed.layers, "loaded:1")
    out = io.BytesIO()
    save(source, ["loaded:1"], out)
    return out.getvalue()

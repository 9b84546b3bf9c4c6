"""New images: written, imported, told apart by size, and what their history says."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import zstandard

from runtime.image.archive import LayerLimits
from runtime.image.builder import Directory, File, LayerRecipe, build_image, layer_tar
from runtime.image.check import check
from runtime.image.commit import Author, append_empty, rfc3339, write_image
from runtime.image.compression import Compression
from runtime.image.config import ImageConfig
from runtime.image.errors import LayerError, LayerTooLarge, UnsafeEntry
from runtime.image.history import MISSING, history
from runtime.image.importer import load_archive, load_stream
from runtime.image.manifest import DOCKER_CONFIG, DOCKER_MANIFEST
from runtime.image.saving import save
from runtime.image.sizes import image_size, layers_size, sizes
from runtime.image.store import ImageStore
from runtime.image.tarball import ImportOptions, import_tarball

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

BASE = LayerRecipe((Directory("d"), File("d/base", b"b" * 100_000)), "base")
TOP = LayerRecipe((File("top", b"t" * 50_000),), "top")
ROOTFS = layer_tar((Directory("etc"), File("etc/f", b"content")))


@pytest.fixture
def store(tmp_path: Path) -> ImageStore:
    return ImageStore(tmp_path / "store")


@pytest.fixture
def other(tmp_path: Path) -> ImageStore:
    return ImageStore(tmp_path / "other")


@pytest.mark.parametrize("pack", [bytes, gzip.compress, bz2.compress, lzma.compress, zstandard.compress])
def test_a_root_filesystem_becomes_an_image(store: ImageStore, pack: Callable[[bytes], bytes]) -> None:
    options = ImportOptions(
        "rootfs:1", Author(comment="Imported from -", created_ns=0), lambda config: replace(config, cmd=("sh",))
    )
    image = import_tarball(store, io.BytesIO(pack(ROOTFS)), options)
    assert image.config.cmd == ("sh",)
    assert image.config.created == "1970-01-01T00:00:00.000000000Z"
    assert image.manifest.layers[0].digest == image.config.diff_ids[0]
    assert [(step.comment, step.image) for step in history(store, image)] == [("Imported from -", image.digest)]
    assert check(store).is_sound


def traversal(name: str) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        tar.addfile(tarfile.TarInfo(name))
    return out.getvalue()


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (b"", LayerError),
        (b"no archive" * 200, LayerError),
        (gzip.compress(ROOTFS)[:-20], LayerError),
        (lzma.compress(ROOTFS)[:-20], LayerError),
        (bz2.compress(ROOTFS)[:-20], LayerError),
        (lzma.compress(ROOTFS)[:40] + b"garbage" * 9, LayerError),
        (traversal("../../etc/passwd"), UnsafeEntry),
        (gzip.compress(bytes(8 << 20)), LayerTooLarge),
    ],
)
def test_what_is_no_root_filesystem_is_refused(tmp_path: Path, content: bytes, error: type[Exception]) -> None:
    store = ImageStore(tmp_path / "store", LayerLimits(max_bytes=1 << 20))
    with pytest.raises(error, match=r"^import "):
        import_tarball(store, io.BytesIO(content), ImportOptions("bad:1"))
    assert store.images() == ()
    assert check(store).is_sound


def test_what_images_share_is_counted_once(store: ImageStore) -> None:
    one = build_image(store, "one:1", (BASE,), ImageConfig())
    two = build_image(store, "two:1", (BASE, TOP), ImageConfig())
    found = sizes(store, store.images())
    assert found[one.digest].shared_bytes == found[one.digest].size_bytes == image_size(store, one) >= 100_000
    assert 50_000 <= found[two.digest].unique_bytes <= 61_440
    assert layers_size(store, (one, two, two)) == image_size(store, two)


@pytest.mark.root
def test_an_extracted_layer_knows_its_size_exactly(store: ImageStore) -> None:
    image = build_image(store, "one:1", (BASE, TOP), ImageConfig())
    packed = store.compressed.manifest(image.manifest, Compression.ZSTD, lambda *_: None)
    smaller = write_image(store, image.config, packed.layers)
    assert image_size(store, smaller) < 10_000
    store.unpack(image)
    assert image_size(store, smaller) == image_size(store, image) == 150_000


def test_the_size_of_a_gzipped_layer_is_what_is_in_it(store: ImageStore) -> None:
    image = build_image(store, "one:1", (BASE,), ImageConfig())
    packed = store.compressed.manifest(image.manifest, Compression.GZIP, lambda *_: None)
    assert image_size(store, write_image(store, image.config, packed.layers)) == image_size(store, image)


def test_the_history_has_every_step_and_layer(store: ImageStore) -> None:
    image = build_image(store, "one:1", (BASE, TOP), ImageConfig())
    config = append_empty(image.config, Author("CMD", "me", "why", 5))
    image = write_image(store, config, image.manifest.layers, "two:1")
    steps = history(store, image)
    assert [(step.created_by, step.size_bytes > 0) for step in steps] == [("CMD", False), ("top", True), ("base", True)]
    assert [step.image for step in steps] == [image.digest, MISSING, MISSING]
    silent = write_image(store, replace(config, history=()), image.manifest.layers)
    assert [step.size_bytes > 0 for step in history(store, silent)] == [True, True]
    assert history(store, write_image(store, ImageConfig(), ())) == ()


def test_a_docker_image_keeps_docker_s_types(store: ImageStore) -> None:
    image = build_image(store, "one:1", (BASE,), ImageConfig())
    docker = write_image(store, image.config, image.manifest.layers, "docker:1", DOCKER_MANIFEST)
    assert docker.manifest.config.media_type == DOCKER_CONFIG
    assert store.resolve("docker:1") == docker
    assert check(store).is_sound


def test_times_are_those_of_the_specification() -> None:
    assert rfc3339(1_500_000_000_000_000_001) == "2017-07-14T02:40:00.000000001Z"


@pytest.mark.parametrize("compression", [None, *Compression])
@pytest.mark.parametrize("pack", [bytes, gzip.compress, lzma.compress])
def test_what_is_saved_is_loaded_with_its_digest(
    store: ImageStore, other: ImageStore, compression: Compression | None, pack: Callable[[bytes], bytes]
) -> None:
    image = build_image(store, "one:1", (BASE, TOP), ImageConfig(cmd=("x",)))
    if compression is not None:
        packed = store.compressed.manifest(image.manifest, compression, lambda *_: None)
        image = write_image(store, image.config, packed.layers, "one:1")
    store.tag("reg.example:5000/a/one:2", image)
    nameless = write_image(store, ImageConfig(cmd=("y",)), ())
    out = io.BytesIO()
    save(store, ["one:1", "reg.example:5000/a/one:2", nameless.digest], out)
    loaded = load_stream(other, io.BytesIO(pack(out.getvalue())))
    assert [(found.reference, found.digest) for found in loaded] == [
        ("one:1", image.digest),
        ("reg.example:5000/a/one:2", image.digest),
        (nameless.digest, nameless.digest),
    ]
    assert check(other).is_sound


def test_a_name_without_a_tag_stands_for_all_of_them(store: ImageStore, other: ImageStore) -> None:
    image = build_image(store, "one:1", (BASE,), ImageConfig())
    store.tag("one:2", image)
    store.tag("two:1", image)
    out = io.BytesIO()
    save(store, ["one"], out)
    assert [found.reference for found in load_stream(other, io.BytesIO(out.getvalue()))] == ["one:1", "one:2"]


def test_a_pipe_is_as_good_as_a_file(tmp_path: Path, store: ImageStore, other: ImageStore) -> None:
    build_image(store, "one:1", (BASE,), ImageConfig())
    with (tmp_path / "a.tar").open("wb") as file:
        save(store, ["one:1"], file)

    class Pipe(io.BytesIO):
        def seekable(self) -> bool:
            return False

    (image,) = load_stream(other, Pipe((tmp_path / "a.tar").read_bytes()))
    assert load_archive(other, tmp_path / "a.tar") == (image,)

"""Collecting and checking: what is referred to stays, what is young stays, all damage is named at once."""

from __future__ import annotations

import io
import os
from typing import TYPE_CHECKING

import pytest

from runtime.image.builder import File, LayerRecipe, build_image
from runtime.image.check import check, remove_damaged
from runtime.image.collect import collect
from runtime.image.compression import Compression
from runtime.image.config import ImageConfig
from runtime.image.descriptor import Descriptor
from runtime.image.digest import Digest
from runtime.image.errors import BlobNotFound, CorruptBlob
from runtime.image.manifest import INDEX, LAYER, LAYER_GZIP, Index
from runtime.image.store import ImageStore

if TYPE_CHECKING:
    from pathlib import Path

    from runtime.image.store import Image


@pytest.fixture
def store(tmp_path: Path) -> ImageStore:
    return ImageStore(tmp_path / "store")


def build(store: ImageStore, name: str, *contents: bytes) -> Image:
    layers = [LayerRecipe((File(f"f{n}", content),), "f") for n, content in enumerate(contents)]
    return build_image(store, name, layers, ImageConfig())


def blobs(store: ImageStore) -> set[str]:
    return {path.name for path, _ in store.layout.blobs.all()}


def put(store: ImageStore, content: bytes) -> Descriptor:
    return store.put_blob(io.BytesIO(content), LAYER)


def test_an_empty_store_has_no_garbage(store: ImageStore) -> None:
    assert collect(store).freed_bytes == 0
    assert check(store).is_sound
    assert not store.root.exists()


def test_what_an_image_refers_to_stays(store: ImageStore) -> None:
    build(store, "a:1", b"shared", b"a")
    build(store, "b:1", b"shared", b"b")
    kept = blobs(store)
    garbage = put(store, b"garbage")
    assert collect(store, grace_s=3600).blobs == ()
    found = collect(store, grace_s=0)
    assert (found.blobs, found.freed_bytes) == ((store.layout.blobs.path(garbage.digest),), 7)
    assert blobs(store) == kept
    store.untag("b:1")
    assert len(collect(store, grace_s=0).blobs) == 3  # its manifest, its config, its own layer
    assert check(store).is_sound
    store.untag("a:1")
    collect(store, grace_s=0)
    assert blobs(store) == set()


def test_an_image_without_a_name_is_kept(store: ImageStore) -> None:
    first = build(store, "a:1", b"first")
    build(store, "a:1", b"second")
    collect(store, grace_s=0)
    assert store.resolve(first.digest).digest == first.digest
    store.verify(first)


def test_of_an_index_all_that_is_there_stays(store: ImageStore) -> None:
    mine = store.descriptor(build(store, "mine:1", b"mine"))
    other = store.descriptor(build(store, "other:1", b"other"))
    absent = Descriptor(mine.media_type, Digest.of(b"absent"), 10)
    index = Index((mine, other, absent)).encode()
    store.tag("multi:1", store.put_blob(io.BytesIO(index), INDEX))
    for name in ("mine:1", "other:1"):
        store.untag(name)
    assert collect(store, grace_s=0).blobs == ()
    assert check(store).is_sound


def test_a_compressed_form_goes_with_its_layer(store: ImageStore) -> None:
    image = build(store, "a:1", b"content" * 1000)
    made = store.compressed.manifest(image.manifest, Compression.GZIP, lambda *_: None)
    assert [layer.media_type for layer in made.layers] == [LAYER_GZIP]
    assert collect(store, grace_s=0).blobs == ()
    assert store.compressed.manifest(image.manifest, Compression.GZIP, lambda *_: pytest.fail("again")) == made
    store.untag("a:1")
    collect(store, grace_s=0)
    assert blobs(store) == set()
    assert list(store.compressed.root.iterdir()) == []


@pytest.mark.root
def test_extracted_layers_go_with_their_images(store: ImageStore) -> None:
    a, b = build(store, "a:1", b"shared", b"a"), build(store, "b:1", b"shared", b"b")
    shared, top_a = store.unpack(a)
    assert store.unpack(b)[0] == shared
    store.untag("a:1")
    assert collect(store, grace_s=3600).layers == ()
    assert collect(store, in_use=[top_a], grace_s=0).layers == ()
    assert collect(store, grace_s=0).layers == (top_a.parent,)
    assert shared.is_dir()
    assert [path.name for path in store.unpack(b)[1].iterdir()] == ["f1"]


def test_what_is_being_downloaded_stays(store: ImageStore) -> None:
    build(store, "a:1", b"a")
    partial = store.downloads.root / f"sha256-{'0' * 64}"
    partial.parent.mkdir()
    partial.write_bytes(b"half")
    assert collect(store).downloads == ()
    os.utime(partial, (0, 0))
    assert collect(store).downloads == (partial,)


def test_a_tag_does_not_get_past_a_collector(store: ImageStore) -> None:
    """Between the last blob and the name, everything is taken away."""
    image = build(store, "a:1", b"content")
    descriptor = store.descriptor(image)
    store.untag("a:1")
    store.layout.blobs.path(image.manifest.layers[0].digest).unlink()
    with pytest.raises(BlobNotFound, match="a layer of a:1"):
        store.tag("a:1", descriptor)
    assert store.images() == ()


def test_all_damage_is_named_at_once_and_can_be_taken_away(store: ImageStore) -> None:
    image = build(store, "a:1", b"one", b"two")
    build(store, "b:1", b"three")
    garbage = put(store, b"garbage")
    damaged = [image.manifest.layers[0].digest, garbage.digest]
    for digest in damaged:
        path = store.layout.blobs.path(digest)
        path.write_bytes(path.read_bytes()[::-1])
    store.layout.blobs.path(image.manifest.layers[1].digest).unlink()
    report = check(store)
    assert set(report.damaged) == set(damaged)
    assert len(report.problems) == 3
    assert (report.blobs, report.unreferenced) == (7, 1)
    assert any("image a:1" in problem and "is missing" in problem for problem in report.problems)
    remove_damaged(store, report)
    assert len(check(store).problems) == 2
    with pytest.raises(BlobNotFound):
        store.verify(image)
    build(store, "a:1", b"one", b"two")
    assert check(store).is_sound


def test_a_damaged_manifest_stops_the_collector(store: ImageStore) -> None:
    image = build(store, "a:1", b"one")
    path = store.layout.blobs.path(Digest.parse(image.digest))
    content = path.read_bytes()
    path.write_bytes(content[::-1])
    before = blobs(store)
    with pytest.raises(CorruptBlob):
        collect(store, grace_s=0)
    assert blobs(store) == before
    assert not check(store).is_sound

"""The store: names and digests, damage found and named, crashes survived."""

from __future__ import annotations

import hashlib
import io
import json
import os
import stat
from typing import TYPE_CHECKING

import pytest

from runtime.image.builder import Directory, File, LayerRecipe, build_image
from runtime.image.config import ImageConfig
from runtime.image.descriptor import Descriptor, Platform
from runtime.image.digest import Digest
from runtime.image.errors import (
    AmbiguousReference,
    BlobNotFound,
    CorruptBlob,
    CorruptStore,
    ImageError,
    ImageNotFound,
    InvalidDocument,
    InvalidReference,
    StoreError,
    UnsupportedMedia,
)
from runtime.image.manifest import CONFIG, INDEX, LAYER, MANIFEST, Index, Manifest
from runtime.image.store import Image, ImageStore

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def store(tmp_path: Path) -> ImageStore:
    return ImageStore(tmp_path / "data")


def build(store: ImageStore, reference: str = "site:1", content: bytes = b"hello") -> Image:
    base = LayerRecipe((Directory("bin"), File("bin/sh", b"shell")), "base")
    site = LayerRecipe((File("index.html", content),), "site")
    return build_image(store, reference, (base, site), ImageConfig(cmd=("sh",)))


def put(store: ImageStore, content: bytes, media_type: str = LAYER) -> Descriptor:
    return store.put_blob(io.BytesIO(content), media_type)


def test_an_absent_store_is_empty_and_stays_absent(store: ImageStore) -> None:
    assert store.images() == ()
    for call in (store.resolve, store.untag):
        with pytest.raises(ImageNotFound, match=r"image 'site:1' not found in .*/images; images there: none"):
            call("site:1")
    assert not store.root.exists()


def test_what_is_on_the_disk_is_an_image_layout(store: ImageStore) -> None:
    image = build(store)
    images = store.root / "images"
    assert json.loads((images / "oci-layout").read_text()) == {"imageLayoutVersion": "1.0.0"}
    index = json.loads((images / "index.json").read_text())
    (entry,) = index["manifests"]
    assert (entry["mediaType"], entry["digest"]) == (MANIFEST, image.digest)
    assert entry["annotations"] == {"org.opencontainers.image.ref.name": "site:1"}
    blobs = list((images / "blobs/sha256").iterdir())
    assert len(blobs) == 4
    for blob in blobs:
        assert Digest.of(blob.read_bytes()).encoded == blob.name
    assert {path.name for path in images.rglob("*")} >= {"oci-layout", "index.json", "blobs", "sha256"}
    assert [path for path in images.rglob("*") if "partial" in path.name] == []


def test_resolve_by_name_digest_and_prefix(store: ImageStore) -> None:
    image = build(store)
    digest = image.digest
    names = (
        "site:1",
        digest,
        digest[:12],
        digest.removeprefix("sha256:")[:6],
        f"site:1@{digest}",
        f"any@{digest}",
    )
    for name in names:
        assert store.resolve(name) == image
    assert (image.reference, image.config.argv) == ("site:1", ("sh",))
    with pytest.raises(ImageNotFound, match="images there: site:1"):
        store.resolve("site:2")
    with pytest.raises(ImageNotFound):
        store.resolve(f"site@{Digest.of(b'other')}")
    with pytest.raises(InvalidReference):
        store.resolve("Site:1")


def numbered_config(number: int) -> ImageConfig:
    return ImageConfig(labels={"number": str(number)})


def numbered_digest(number: int) -> str:
    return str(Digest.of(Manifest(Descriptor.of(CONFIG, numbered_config(number).encode()), ()).encode()))


def test_an_ambiguous_prefix_lists_the_digests(store: ImageStore) -> None:
    seen: dict[str, int] = {}
    number = 0
    while (prefix := numbered_digest(number)[:11]) not in seen:
        seen[prefix] = number
        number += 1
    one, two = (build_image(store, f"number:{n}", (), numbered_config(n)).digest for n in (seen[prefix], number))
    for text in (prefix, prefix.removeprefix("sha256:")):
        with pytest.raises(AmbiguousReference, match=", ".join(sorted((one, two)))):
            store.resolve(text)
    assert store.resolve(one).digest == one


def test_a_name_of_hexadecimal_letters_is_a_name_first(store: ImageStore) -> None:
    image = build(store, "cafe")
    assert store.resolve("cafe") == image
    assert image.reference == "cafe:latest"
    with pytest.raises(ImageNotFound):
        store.resolve("beef")


def test_a_new_tag_and_a_moved_tag(store: ImageStore) -> None:
    first = build(store, "site:1", b"first")
    assert store.tag("copy", first).reference == "copy:latest"
    second = build(store, "site:1", b"second")
    assert store.resolve("site:1").digest == second.digest
    assert store.resolve("copy").digest == first.digest
    store.tag("copy", second)
    # Now nothing is called so, and it is still there under its digest.
    assert store.resolve(first.digest).reference == first.digest
    assert [image.reference for image in store.images()] == [first.digest, "copy:latest", "site:1"]
    store.tag("site:0", first)
    assert [image.reference for image in store.images()] == ["copy:latest", "site:0", "site:1"]


def test_untag_forgets_only_the_name(store: ImageStore) -> None:
    image = build(store)
    store.tag("copy:1", image)
    store.untag("site:1")
    assert [entry.reference for entry in store.images()] == ["copy:1"]
    store.untag("copy:1")
    assert store.images() == ()
    with pytest.raises(ImageNotFound):
        store.untag("copy:1")
    with pytest.raises(InvalidReference):
        store.tag(f"site@{image.digest}", image)


def test_a_tag_needs_a_whole_image(store: ImageStore) -> None:
    missing = Descriptor.of(MANIFEST, b"{}")
    with pytest.raises(BlobNotFound):
        store.tag("site:1", missing)
    config = put(store, ImageConfig(diff_ids=(Digest.of(b""),)).encode(), CONFIG)
    manifest = put(store, Manifest(config, ()).encode(), MANIFEST)
    with pytest.raises(InvalidDocument, match=r"rootfs.diff_ids: 1 diff_ids for 0 layers"):
        store.tag("site:1", manifest)
    assert store.images() == ()


def test_an_index_stands_for_the_manifest_of_this_host(store: ImageStore) -> None:
    image = build(store)
    mine = store.descriptor(image)
    other = Descriptor(MANIFEST, Digest.of(b"elsewhere"), 9, platform=Platform("plan9", "pdp11"))
    index = Index((other, Descriptor(MANIFEST, mine.digest, mine.size_bytes, platform=Platform.host())))
    store.tag("multi:1", put(store, index.encode(), INDEX))
    store.untag("site:1")
    assert store.resolve("multi:1").digest == image.digest
    assert store.resolve(image.digest).reference == "multi:1"


def test_put_blob_keeps_nothing_that_is_not_as_promised(store: ImageStore) -> None:
    promised = Descriptor.of(LAYER, b"promised")
    for content in (b"promise", b"promises", b"PROMISED"):
        with pytest.raises(CorruptBlob):
            store.put_blob(io.BytesIO(content), LAYER, promised)
    assert list((store.root / "images/blobs").rglob("*")) == [store.root / "images/blobs/sha256"]
    assert store.put_blob(io.BytesIO(b"promised"), LAYER, promised) == promised
    with store.open_blob(promised) as reader:
        assert reader.read() == b"promised"


def test_sha512_blobs_have_their_own_directory(store: ImageStore) -> None:
    expected = Descriptor(LAYER, Digest("sha512", hashlib.sha512(b"x").hexdigest()), 1)
    store.put_blob(io.BytesIO(b"x"), LAYER, expected)
    assert (store.root / "images/blobs/sha512" / expected.digest.encoded).read_bytes() == b"x"


@pytest.mark.parametrize("damage", ["flip", "truncate", "append", "remove", "replace by fifo", "replace by directory"])
def test_damage_to_any_blob_is_found_and_named(store: ImageStore, damage: str) -> None:
    image = build(store)
    blobs = sorted((store.root / "images/blobs/sha256").iterdir())
    for blob in blobs:
        content = blob.read_bytes()
        _damage(blob, damage)
        with pytest.raises(StoreError, match=blob.name) as caught:
            store.verify(image)
        assert isinstance(caught.value, BlobNotFound if damage == "remove" else CorruptBlob)
        if blob.name in {image.digest.partition(":")[2], image.manifest.config.digest.encoded}:
            with pytest.raises(StoreError, match=blob.name):
                store.resolve("site:1")
        _repair(blob, content)
    store.verify(image)
    assert store.resolve("site:1") == image


def _damage(blob: Path, damage: str) -> None:
    content = blob.read_bytes()
    blob.unlink()
    if damage == "flip":
        blob.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    elif damage == "truncate":
        blob.write_bytes(content[:-1])
    elif damage == "append":
        blob.write_bytes(content + b"\0")
    elif damage == "replace by fifo":
        os.mkfifo(blob)
    elif damage == "replace by directory":
        blob.mkdir()


def _repair(blob: Path, content: bytes) -> None:
    if blob.is_dir():
        blob.rmdir()
    blob.unlink(missing_ok=True)
    blob.write_bytes(content)


def test_building_again_repairs(store: ImageStore) -> None:
    image = build(store)
    for blob in sorted((store.root / "images/blobs/sha256").iterdir()):
        _damage(blob, "flip")
    with pytest.raises(CorruptBlob):
        store.resolve("site:1")
    assert build(store) == image
    store.verify(image)


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("index.json", b"", "not JSON"),
        ("index.json", b'{"schemaVersion": 2, "manifests": [{}]}', r"manifests\[0\].digest: missing"),
        ("index.json", None, "missing, so .* is no OCI image layout"),
        ("oci-layout", b"{}", "imageLayoutVersion: missing"),
        ("oci-layout", b'{"imageLayoutVersion": "2.0.0"}', "imageLayoutVersion: expected 1.0.0, not '2.0.0'"),
    ],
)
def test_a_damaged_layout_is_named(store: ImageStore, name: str, content: bytes | None, problem: str) -> None:
    build(store)
    path = store.root / "images" / name
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(CorruptStore, match=f"{path}: {problem}"):
        store.images()


def test_other_tools_entries_survive_a_tag(store: ImageStore) -> None:
    build(store)
    path = store.root / "images/index.json"
    index = json.loads(path.read_text())
    index["manifests"].append(index["manifests"][0] | {"annotations": {"org.opencontainers.image.ref.name": "bare"}})
    path.write_text(json.dumps(index))
    build(store, "other:1", b"other")
    assert {image.reference for image in store.images()} == {"bare", "other:1", "site:1"}
    assert store.resolve("bare").reference == "bare"


def test_a_document_too_large_to_be_one(store: ImageStore) -> None:
    large = put(store, bytes(5 << 20), MANIFEST)
    with pytest.raises(UnsupportedMedia, match="5242880 bytes, documents have at most"):
        store.tag("site:1", large)


def test_indexes_within_each_other_end(store: ImageStore) -> None:
    inner = put(store, Index(()).encode(), INDEX)
    for _ in range(10):
        inner = put(store, Index((inner,)).encode(), INDEX)
    with pytest.raises(ImageError, match="nested deeper than 4"):
        store.tag("site:1", inner)


def test_left_by_a_killed_writer(store: ImageStore) -> None:
    build(store)
    litter = store.root / "images/blobs/.partial-0123"
    litter.write_bytes(b"half")
    (store.root / "images/.index.json.partial").write_bytes(b"{")
    image = build(store, "other:1", b"other")
    assert not litter.exists()
    assert not (store.root / "images/.index.json.partial").exists()
    assert store.resolve("other:1") == image


def test_a_reader_that_fails_leaves_nothing(store: ImageStore) -> None:
    class Broken:
        def read(self, _size: int = -1) -> bytes:
            raise ConnectionResetError(104, "connection reset by peer")

    with pytest.raises(StoreError, match="connection reset by peer"):
        store.put_blob(Broken(), LAYER)
    assert list((store.root / "images/blobs").iterdir()) == [store.root / "images/blobs/sha256"]


def test_an_unusable_directory_is_named(tmp_path: Path) -> None:
    (tmp_path / "data").write_bytes(b"a file")
    with pytest.raises(StoreError, match=f"create image layout {tmp_path}/data/images: "):
        put(ImageStore(tmp_path / "data"), b"x")


@pytest.mark.root
def test_layers_are_root_s_alone(store: ImageStore) -> None:
    store.unpack(build(store))
    assert stat.S_IMODE((store.root / "layers").stat().st_mode) == 0o700

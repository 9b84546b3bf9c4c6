"""Images made to do harm: each succeeds against a store that makes the classic mistakes, and none against ours."""

from __future__ import annotations

import gzip
import io
import json
import os
import tracemalloc
from typing import IO, TYPE_CHECKING, Any, cast

import pytest

from runtime.image.archive import LayerLimits
from runtime.image.builder import File, LayerRecipe, build_image
from runtime.image.check import check
from runtime.image.commit import write_image
from runtime.image.config import ImageConfig
from runtime.image.digest import Digest
from runtime.image.errors import CorruptBlob, ImageError, LayerTooLarge
from runtime.image.importer import import_layout, load_archive
from runtime.image.manifest import INDEX, LAYER, LAYER_GZIP, MANIFEST
from runtime.image.store import ImageStore
from runtime.image.tarwriter import Header, Kind, Member, archive, encode_header
from runtime.image.view import View
from tests.support import naive_images

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from runtime.image.descriptor import Descriptor
    from runtime.image.layout import ImageLayout

pytestmark = pytest.mark.root

MIB = 1 << 20


class Ground:
    """A place for a root filesystem, and beside it one that no image may touch."""

    def __init__(self, directory: Path) -> None:
        self.root, self.outside = directory / "root", directory / "outside"
        self.root.mkdir()
        self.outside.mkdir()
        (self.outside / "secret").write_bytes(b"kept")
        self.store = ImageStore(directory / "store")

    def untouched(self) -> bool:
        names = os.listdir(self.outside)
        return names == ["secret"] and (self.outside / "secret").read_bytes() == b"kept" and self._links() == 1

    def _links(self) -> int:
        return (self.outside / "secret").stat().st_nlink

    def image(self, *layers: bytes) -> None:
        blobs = tuple(self.store.put_blob(io.BytesIO(layer), LAYER) for layer in layers)
        config = ImageConfig(diff_ids=tuple(blob.digest for blob in blobs))
        write_image(self.store, config, blobs, "hostile:1")


@pytest.fixture
def ground(tmp_path: Path) -> Ground:
    return Ground(tmp_path)


def layer(*headers: Header) -> bytes:
    return b"".join(archive(Member(header, lambda: [b"evil"]) for header in headers))


def file(name: bytes) -> Header:
    return Header(name, size_bytes=4)


def link(name: bytes, target: bytes) -> Header:
    return Header(name, Kind.SYMLINK, link=target)


OUT = b"../outside"
ATTACKS: Mapping[str, Callable[[bytes], tuple[bytes, ...]]] = {
    "a name that leads up": lambda _: (layer(file(OUT + b"/new")),),
    "an absolute name": lambda outside: (layer(file(outside + b"/new")),),
    "a symbolic link": lambda _: (layer(link(b"l", OUT), file(b"l/new")),),
    "an absolute symbolic link": lambda outside: (layer(link(b"l", outside), file(b"l/new")),),
    "a symbolic link to a file": lambda outside: (layer(link(b"l", outside + b"/secret"), file(b"l")),),
    "a hard link": lambda _: (layer(Header(b"h", Kind.LINK, link=OUT + b"/secret")),),
    "a hard link through a symbolic one": lambda outside: (
        layer(link(b"l", outside), Header(b"h", Kind.LINK, link=b"l/secret")),
    ),
    "a link instead of a directory of the layer below": lambda outside: (
        layer(Header(b"d", Kind.DIRECTORY, 0o755)),
        layer(link(b"d", outside)),
        layer(file(b"d/new")),
    ),
    "a whiteout behind a link": lambda outside: (layer(link(b"l", outside)), layer(Header(b"l/.wh.secret"))),
    "a whiteout that leads up": lambda _: (layer(Header(OUT + b"/.wh.secret")),),
    "a whiteout of the directory above": lambda _: (layer(Header(b"d", Kind.DIRECTORY), Header(b"d/e/.wh...")),),
    "an opaque link": lambda outside: (layer(link(b"l", outside)), layer(Header(b"l/.wh..wh..opq"))),
}
HARMLESS_ALONE = {"a whiteout of the directory above"}


@pytest.mark.parametrize("name", ATTACKS)
def test_nothing_reaches_outside(ground: Ground, name: str) -> None:
    ground.image(*ATTACKS[name](bytes(ground.outside)))
    try:
        layers = ground.store.unpack(ground.store.resolve("hostile:1"))
    except ImageError as error:
        assert str(error).startswith("layer sha256:")  # noqa: PT017 - some are refused, others stay inside
    else:
        with View.of(layers) as view:
            assert all(b"kept" not in read(view, node) for node in view.walk(view.root))
    assert ground.untouched()
    assert check(ground.store).is_sound


def read(view: View, node: Any) -> bytes:
    if node.is_directory or node.is_link:
        return b""
    with view.open(node) as fd:
        return os.read(fd, 100)


@pytest.mark.parametrize("name", sorted(ATTACKS.keys() - HARMLESS_ALONE))
def test_the_naive_store_is_reached(ground: Ground, name: str) -> None:
    naive_images.extract(map(io.BytesIO, ATTACKS[name](bytes(ground.outside))), ground.root)
    assert not ground.untouched()


def test_a_bomb_is_stopped_at_the_limit_that_was_set(tmp_path: Path) -> None:
    bomb = gzip.compress(
        b"".join(archive([Member(Header(b"big", size_bytes=64 * MIB), lambda: (bytes(MIB) for _ in range(64)))]))
    )
    assert len(bomb) < MIB // 8
    naive_images.extract([cast("IO[bytes]", gzip.GzipFile(fileobj=io.BytesIO(bomb)))], tmp_path / "naive")
    assert (tmp_path / "naive/big").stat().st_size == 64 * MIB
    store = ImageStore(tmp_path / "store", LayerLimits(max_bytes=MIB))
    blob = store.put_blob(io.BytesIO(bomb), LAYER_GZIP)
    image = write_image(store, ImageConfig(diff_ids=(Digest.of(b""),)), (blob,), "bomb:1")
    with pytest.raises(LayerTooLarge, match=r"67108864 bytes, a layer may have 1048576"):
        store.unpack(image)
    assert list((tmp_path / "store/layers").iterdir()) == []


def make_layout(directory: Path) -> tuple[ImageLayout, Descriptor]:
    """A layout with one good image of one layer."""
    store = ImageStore(directory / "made")
    image = build_image(store, "good:1", (LayerRecipe((File("f", b"f" * 9000),), "f"),), ImageConfig())
    return store.layout, image.manifest.layers[0]


def index_of(directory: Path, entry: dict[str, Any]) -> None:
    index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [entry]}
    (directory / "index.json").write_text(json.dumps(index))


@pytest.mark.parametrize("change", [b"", b"more", b"f"])
def test_a_layer_that_is_not_what_was_promised(tmp_path: Path, change: bytes) -> None:
    layout, blob = make_layout(tmp_path)
    path = layout.blobs.path(blob.digest)
    content = path.read_bytes()
    changed = {b"": content[:-512], b"more": content + b"more", b"f": content.replace(b"ff", b"fg", 1)}[change]
    path.write_bytes(changed)
    store = ImageStore(tmp_path / "store")
    with pytest.raises(CorruptBlob, match=str(blob.digest)[:19].replace("sha256:", "")):
        import_layout(store, f"oci:{layout.root}:good:1")
    assert store.images() == ()
    assert check(store).is_sound


def test_an_index_that_points_to_itself(tmp_path: Path) -> None:
    layout, _ = make_layout(tmp_path)
    digest = "sha256:" + "ab" * 32
    loop = {"mediaType": INDEX, "digest": digest, "size": 0}
    content = b""
    for _ in range(3):  # until its size is the one that it states
        loop["size"] = len(content)
        content = json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": [loop]}).encode()
    (layout.blobs.root / "sha256" / ("ab" * 32)).write_bytes(content)
    index_of(layout.root, loop)
    with pytest.raises(RecursionError):
        naive_images.manifest(layout.root, loop)
    with pytest.raises(CorruptBlob, match="content has digest"):
        import_layout(ImageStore(tmp_path / "store"), f"oci:{layout.root}")


def test_a_manifest_of_a_hundred_megabytes_is_not_read(tmp_path: Path) -> None:
    layout, _ = make_layout(tmp_path)
    digest = "sha256:" + "cd" * 32
    with (layout.blobs.root / "sha256" / ("cd" * 32)).open("wb") as blob:
        blob.truncate(100 * MIB)
    index_of(layout.root, {"mediaType": MANIFEST, "digest": digest, "size": 100 * MIB})
    docker = tmp_path / "docker.tar"
    with docker.open("wb") as tar:
        tar.write(encode_header(Header(b"manifest.json", size_bytes=100 * MIB)))
        tar.truncate(101 * MIB)
    store = ImageStore(tmp_path / "store")
    tracemalloc.start()
    try:
        with pytest.raises(ImageError, match="documents have at most"):
            import_layout(store, f"oci:{layout.root}")
        with pytest.raises(ImageError, match="documents have at most"):
            load_archive(store, docker)
        assert tracemalloc.get_traced_memory()[1] < 8 * MIB
    finally:
        tracemalloc.stop()


def test_a_configuration_with_other_diff_ids(tmp_path: Path) -> None:
    store = ImageStore(tmp_path / "store")
    content = layer(file(b"f"))
    blob = store.put_blob(io.BytesIO(content), LAYER)
    other = write_image(store, ImageConfig(diff_ids=(Digest.of(b"other"),)), (blob,), "other:1")
    with pytest.raises(CorruptBlob, match="has digest"):
        store.unpack(other)
    with pytest.raises(ImageError, match="2 diff_ids for 1 layers"):
        write_image(store, ImageConfig(diff_ids=(blob.digest, blob.digest)), (blob,), "more:1")
    assert {image.reference for image in store.images()} == {"other:1"}


NAMES = (b"new\nline", b"\xff\xfe", b"a\\b", "ü".encode(), b" ", b"-rf", b"x" * 255, b"tab\t\x01")


def test_names_that_are_no_text(ground: Ground) -> None:
    ground.image(layer(*(file(name) for name in NAMES)))
    layers = ground.store.unpack(ground.store.resolve("hostile:1"))
    assert set(os.listdir(bytes(layers[0]))) == set(NAMES)


def test_devices_and_setuid_are_kept_as_docker_keeps_them(ground: Ground) -> None:
    """What they may do is the container's to say: its root is mounted nodev, its processes gain nothing they lack."""
    ground.image(
        layer(
            Header(b"disk", Kind.BLOCK, 0o660, device=(8, 0)),
            Header(b"null", Kind.CHARACTER, 0o666, device=(1, 3)),
            Header(b"su", mode=0o6755, uid=0, size_bytes=4),
        )
    )
    (root,) = ground.store.unpack(ground.store.resolve("hostile:1"))
    assert (root / "disk").stat().st_rdev == os.makedev(8, 0)
    assert (root / "null").is_char_device()
    assert (root / "su").stat().st_mode & 0o7777 == 0o6755


def test_the_last_of_two_entries_counts(ground: Ground) -> None:
    ground.image(layer(link(b"x", bytes(ground.outside) + b"/secret"), Header(b"x", mode=0o600, size_bytes=4)))
    (root,) = ground.store.unpack(ground.store.resolve("hostile:1"))
    assert (root / "x").read_bytes() == b"evil"
    assert ground.untouched()

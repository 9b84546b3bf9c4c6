"""Layers become directories once per chain id, whole or not at all."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest

from runtime.image.archive import LayerLimits
from runtime.image.builder import Directory, File, LayerRecipe, Symlink, build_image
from runtime.image.config import ImageConfig
from runtime.image.digest import Digest
from runtime.image.errors import CorruptBlob, LayerTooLarge, StoreError
from runtime.image.store import ImageStore
from runtime.image.unpack import chain_ids

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.root

BASE = LayerRecipe((Directory("bin"), File("bin/sh", b"shell", mode=0o755), Symlink("sh", "bin/sh")), "base")
SITE = LayerRecipe((Directory("srv", uid=3, gid=4), File("srv/index.html", b"hello")), "site")


@pytest.fixture
def store(tmp_path: Path) -> ImageStore:
    return ImageStore(tmp_path / "data")


def test_chain_ids_are_those_of_the_specification() -> None:
    one, two, three = (Digest.of(text) for text in (b"1", b"2", b"3"))
    first = str(one)
    second = "sha256:" + hashlib.sha256(f"{first} {two}".encode()).hexdigest()
    third = "sha256:" + hashlib.sha256(f"{second} {three}".encode()).hexdigest()
    assert list(map(str, chain_ids((one, two, three)))) == [first, second, third]
    assert chain_ids(()) == ()


def test_built_stored_and_unpacked(store: ImageStore) -> None:
    image = build_image(store, "site:1", (BASE, SITE), ImageConfig())
    base, site = store.unpack(image)
    chain = chain_ids(image.config.diff_ids)
    assert [path.parent.name for path in (base, site)] == [f"sha256-{chain_id.encoded}" for chain_id in chain]
    assert (base / "bin/sh").read_bytes() == b"shell"
    assert (base / "bin/sh").stat().st_mode & 0o7777 == 0o755
    assert (base / "sh").readlink().name == "sh"
    assert (site / "srv/index.html").read_bytes() == b"hello"
    assert ((site / "srv").stat().st_uid, (site / "srv").stat().st_gid) == (3, 4)
    assert [path.name for path in (store.root / "layers").iterdir() if "partial" in path.name] == []


def test_a_layer_is_extracted_once(store: ImageStore) -> None:
    image = build_image(store, "site:1", (BASE, SITE), ImageConfig())
    inodes = [path.stat().st_ino for path in store.unpack(image)]
    assert [path.stat().st_ino for path in store.unpack(image)] == inodes
    other = build_image(store, "other:1", (BASE,), ImageConfig(cmd=("sh",)))
    assert [path.stat().st_ino for path in store.unpack(other)] == inodes[:1]


def test_the_same_layer_on_another_one_is_another_directory(store: ImageStore) -> None:
    _, on_base = store.unpack(build_image(store, "a:1", (BASE, SITE), ImageConfig()))
    (alone,) = store.unpack(build_image(store, "b:1", (SITE,), ImageConfig()))
    assert on_base != alone


def test_no_layers_no_directories(store: ImageStore) -> None:
    assert store.unpack(build_image(store, "empty:1", (), ImageConfig())) == ()


def test_a_damaged_layer_leaves_no_directory(store: ImageStore) -> None:
    image = build_image(store, "site:1", (BASE, SITE), ImageConfig())
    blob = store.layout.blobs.path(image.manifest.layers[1].digest)
    content = blob.read_bytes()
    blob.write_bytes(content.replace(b"hello", b"HELLO"))
    with pytest.raises(CorruptBlob, match=blob.name):
        store.unpack(image)
    assert len(list((store.root / "layers").iterdir())) == 1
    blob.write_bytes(content)
    assert (store.unpack(image)[1] / "srv/index.html").read_bytes() == b"hello"


def test_a_bomb_leaves_no_directory(tmp_path: Path) -> None:
    store = ImageStore(tmp_path / "data", LayerLimits(max_bytes=100_000))
    image = build_image(store, "bomb:1", (LayerRecipe((File("zeros", bytes(200_000)),), "zeros"),), ImageConfig())
    with pytest.raises(LayerTooLarge, match="100000 bytes"):
        store.unpack(image)
    assert list((tmp_path / "data/layers").iterdir()) == []


def test_an_unusable_directory_is_named(store: ImageStore) -> None:
    image = build_image(store, "site:1", (BASE,), ImageConfig())
    (store.root / "layers").write_bytes(b"a file")
    with pytest.raises(StoreError, match=f"{store.root}/layers: "):
        store.unpack(image)

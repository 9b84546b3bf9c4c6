"""Images from layouts elsewhere: verified, named, one manifest of an index."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from runtime.image.builder import File, LayerRecipe, build_image
from runtime.image.config import ImageConfig
from runtime.image.errors import CorruptStore, ImageNotFound, InvalidReference, StoreError
from runtime.image.importer import import_layout
from runtime.image.store import ImageStore

if TYPE_CHECKING:
    from pathlib import Path

    from runtime.image.store import Image


@pytest.fixture
def store(tmp_path: Path) -> ImageStore:
    return ImageStore(tmp_path / "mine")


@pytest.fixture
def theirs(tmp_path: Path) -> ImageStore:
    return ImageStore(tmp_path / "theirs")


def build(store: ImageStore, reference: str, content: bytes = b"x") -> Image:
    return build_image(store, reference, (LayerRecipe((File("f", content),), "f"),), ImageConfig(cmd=("f",)))


def test_an_image_keeps_digest_and_name(store: ImageStore, theirs: ImageStore) -> None:
    original = build(theirs, "site:1")
    for source in (f"oci:{theirs.layout.root}", f"oci:{theirs.layout.root}:site:1"):
        image = import_layout(store, source)
        assert image == original
        store.verify(image)
    assert import_layout(store, f"oci:{theirs.layout.root}", "mine:2").reference == "mine:2"
    assert [image.reference for image in store.images()] == ["mine:2", "site:1"]


def test_a_bare_tag_follows_the_directory(store: ImageStore, theirs: ImageStore, tmp_path: Path) -> None:
    build(theirs, "site:1")
    layout = tmp_path / "Busy:box"
    theirs.layout.root.rename(layout)
    index = layout / "index.json"
    index.write_text(index.read_text().replace("site:1", "v1"))
    with pytest.raises(InvalidReference):
        import_layout(store, f"oci:{layout}")
    layout = layout.rename(tmp_path / "busybox")
    assert import_layout(store, f"oci:{layout}").reference == "busybox:v1"
    assert import_layout(store, f"oci:{layout}:v1").reference == "busybox:v1"


def test_the_layout_says_what_it_has(store: ImageStore, theirs: ImageStore) -> None:
    build(theirs, "site:1")
    build(theirs, "site:2", b"2")
    with pytest.raises(ImageNotFound, match="2 images match, expected one; images there: site:1, site:2"):
        import_layout(store, f"oci:{theirs.layout.root}")
    with pytest.raises(ImageNotFound, match="no image 'site:3'"):
        import_layout(store, f"oci:{theirs.layout.root}:site:3")
    assert import_layout(store, f"oci:{theirs.layout.root}:site:2").reference == "site:2"


def test_what_is_no_layout(store: ImageStore, tmp_path: Path) -> None:
    with pytest.raises(CorruptStore, match="is no OCI image layout"):
        import_layout(store, f"oci:{tmp_path}")
    with pytest.raises(CorruptStore, match="nowhere/oci-layout: missing"):
        import_layout(store, f"oci:{tmp_path}/nowhere:1")
    with pytest.raises(InvalidReference, match="expected oci:DIR"):
        import_layout(store, "docker:busybox")


def test_no_damaged_blob_gets_in(store: ImageStore, theirs: ImageStore) -> None:
    build(theirs, "site:1")
    for blob in sorted((theirs.layout.root / "blobs/sha256").iterdir()):
        content = blob.read_bytes()
        blob.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        with pytest.raises(StoreError, match=blob.name):
            import_layout(store, f"oci:{theirs.layout.root}")
        assert not store.layout.blobs.root.joinpath("sha256", blob.name).exists()
        assert store.images() == ()
        blob.write_bytes(content)
    import_layout(store, f"oci:{theirs.layout.root}")

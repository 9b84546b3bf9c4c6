"""The kernel agrees: unpacked layers, mounted on each other, show the image without what was deleted."""

from __future__ import annotations

import io
import subprocess
import tarfile
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from runtime.image.builder import Directory, File, LayerRecipe, build_image
from runtime.image.config import ImageConfig
from runtime.image.manifest import CONFIG, LAYER, MANIFEST
from runtime.image.store import ImageStore

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

pytestmark = pytest.mark.root


@contextmanager
def mounted(layers: Sequence[Path], target: Path) -> Iterator[Path]:
    target.mkdir()
    empty = target.with_name("empty")  # a mount without an upper directory wants two lower ones
    empty.mkdir()
    lowers = ":".join(str(layer) for layer in (*reversed(layers), empty))
    subprocess.run(("mount", "-t", "overlay", "overlay", "-o", f"lowerdir={lowers}", target), check=True)
    try:
        yield target
    finally:
        subprocess.run(("umount", target), check=True)


def test_whiteouts_hide_what_is_below(tmp_path: Path) -> None:
    store = ImageStore(tmp_path / "data")
    base = (
        Directory("etc"),
        File("etc/kept", b"kept"),
        File("etc/deleted", b"deleted"),
        Directory("var"),
        File("var/old", b"old"),
        Directory("gone"),
        File("gone/file", b"x"),
        Directory("replaced"),
        File("replaced/old", b"old"),
    )
    change = (
        Directory("etc"),
        File("etc/.wh.deleted", b""),
        File("etc/new", b"new"),
        Directory("var"),
        File("var/.wh..wh..opq", b""),
        File("var/new", b"new"),
        File(".wh.gone", b""),
        File(".wh.replaced", b""),
        Directory("replaced"),
        File("replaced/new", b"new"),
    )
    layers = (LayerRecipe(base, "base"), LayerRecipe(change, "change"))
    directories = store.unpack(build_image(store, "test:1", layers, ImageConfig()))
    with mounted(directories, tmp_path / "merged") as merged:
        found = {str(path.relative_to(merged)) for path in merged.rglob("*")}
    assert found == {"etc", "etc/kept", "etc/new", "var", "var/new", "replaced", "replaced/new"}


def test_the_root_s_own_attributes_come_from_the_top_layer(tmp_path: Path) -> None:
    store = ImageStore(tmp_path / "data")
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        root = tarfile.TarInfo("./")
        root.type, root.mode, root.uid = tarfile.DIRTYPE, 0o710, 7
        tar.addfile(root)
    descriptor = store.put_blob(io.BytesIO(archive.getvalue()), LAYER)
    base = build_image(store, "base:1", (LayerRecipe((File("f", b"f"),), "f"),), ImageConfig())
    config = replace(base.config, diff_ids=(*base.config.diff_ids, descriptor.digest))
    stored = store.put_blob(io.BytesIO(config.encode()), CONFIG)
    manifest = replace(base.manifest, config=stored, layers=(*base.manifest.layers, descriptor))
    image = store.tag("top:1", store.put_blob(io.BytesIO(manifest.encode()), MANIFEST))
    with mounted(store.unpack(image), tmp_path / "merged") as merged:
        assert (merged.stat().st_mode & 0o7777, merged.stat().st_uid) == (0o710, 7)
        assert (merged / "f").read_bytes() == b"f"


def test_an_opaque_root_hides_all_that_is_below(tmp_path: Path) -> None:
    store = ImageStore(tmp_path / "data")
    layers = (
        LayerRecipe((File("old", b"old"),), "old"),
        LayerRecipe((File(".wh..wh..opq", b""), File("new", b"new")), "new"),
    )
    directories = store.unpack(build_image(store, "test:1", layers, ImageConfig()))
    with mounted(directories, tmp_path / "merged") as merged:
        assert [path.name for path in merged.iterdir()] == ["new"]

"""The same entries give the same digest; entries that are no tree are refused."""

from __future__ import annotations

import io
import tarfile
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.image.builder import Directory, File, LayerRecipe, Symlink, build_image, extend_image, layer_tar
from runtime.image.config import ImageConfig
from runtime.image.descriptor import Platform
from runtime.image.digest import Digest
from runtime.image.errors import LayerError, UnsafeEntry
from runtime.image.store import ImageStore

if TYPE_CHECKING:
    import random
    from pathlib import Path

    from runtime.image.builder import Entry

ENTRIES: tuple[Entry, ...] = (
    Directory("bin"),
    Directory("bin-other"),
    File("bin/tool", b"tool", mode=0o4755, uid=1, gid=2),
    Symlink("bin/link", "tool", uid=3, gid=4),
    Directory("tmp", mode=0o1777),
    File("ä", "größer".encode()),
)


@given(st.randoms(use_true_random=False))
def test_the_order_of_the_entries_does_not_matter(shuffle: random.Random) -> None:
    entries = list(ENTRIES)
    shuffle.shuffle(entries)
    assert layer_tar(entries) == layer_tar(ENTRIES)


def test_the_archive_is_always_the_same() -> None:
    # The bytes are a promise: an image built elsewhere, or by a later version, has the same digest.
    digest = "sha256:fadfda760ceda0828c931e751801735418613126b774ef42d0c19caab8ea5483"
    assert str(Digest.of(layer_tar(ENTRIES))) == digest


def test_what_is_in_the_archive() -> None:
    with tarfile.open(fileobj=io.BytesIO(layer_tar(ENTRIES))) as tar:
        facts = {m.name: (m.type, m.mode, m.uid, m.gid, m.mtime, m.uname, m.size, m.linkname) for m in tar}
        content = tar.extractfile("bin/tool")
        assert content is not None
        assert content.read() == b"tool"
    assert list(facts) == ["bin", "bin/link", "bin/tool", "bin-other", "tmp", "ä"]
    assert facts["bin/tool"] == (tarfile.REGTYPE, 0o4755, 1, 2, 0, "", 4, "")
    assert facts["bin/link"] == (tarfile.SYMTYPE, 0o777, 3, 4, 0, "", 0, "tool")
    assert facts["tmp"] == (tarfile.DIRTYPE, 0o1777, 0, 0, 0, "", 0, "")


@pytest.mark.parametrize(
    ("entries", "problem"),
    [
        ((File("a", b""), File("./a", b"")), "entry './a': twice"),
        ((File("a/b", b""),), "entry 'a/b': its directory is no entry of the layer"),
        ((File("a", b""), File("a/b", b"")), "entry 'a/b': its directory is no entry of the layer"),
        ((Directory("."),), "the path is empty"),
        ((File("../a", b""),), "'..' would lead out"),
    ],
)
def test_entries_that_are_no_tree(entries: tuple[Entry, ...], problem: str) -> None:
    with pytest.raises(LayerError, match=problem):
        layer_tar(entries)
    assert issubclass(UnsafeEntry, LayerError)


def test_an_image_is_a_function_of_its_recipe(tmp_path: Path) -> None:
    config = ImageConfig(cmd=("tool",), platform=Platform("linux", "amd64"))
    layers = (LayerRecipe(ENTRIES, "tools"), LayerRecipe((File("b", b"b"),), "b"))
    one = build_image(ImageStore(tmp_path / "1"), "one:1", layers, config)
    two = build_image(ImageStore(tmp_path / "2"), "two:1", layers, config)
    assert one.digest == two.digest
    assert [item.created_by for item in one.config.history] == ["tools", "b"]
    assert one.config.diff_ids == tuple(layer.digest for layer in one.manifest.layers)
    changed = build_image(ImageStore(tmp_path / "1"), "one:2", layers[:1], config)
    assert changed.digest != one.digest


def test_building_again_writes_nothing(tmp_path: Path) -> None:
    store = ImageStore(tmp_path)

    def snapshot() -> list[tuple[str, int, int]]:
        return sorted((str(p), p.stat().st_ino, p.stat().st_mtime_ns) for p in tmp_path.rglob("*"))

    build_image(store, "one:1", (LayerRecipe(ENTRIES, "tools"),), ImageConfig())
    before = snapshot()
    build_image(store, "one:1", (LayerRecipe(ENTRIES, "tools"),), ImageConfig())
    assert snapshot() == before


def test_an_image_is_extended_and_its_base_stays(tmp_path: Path) -> None:
    store = ImageStore(tmp_path)
    base = build_image(store, "base:1", (LayerRecipe(ENTRIES, "tools"),), ImageConfig(cmd=("tool",), user="1"))
    image = extend_image(store, base, "more:1", (LayerRecipe((File("b", b"b"),), "b"),), cmd=("b",))
    assert image.manifest.layers[:1] == base.manifest.layers
    assert (image.config.cmd, image.config.user) == (("b",), "1")
    assert [item.created_by for item in image.config.history] == ["tools", "b"]
    assert image.config.diff_ids == tuple(layer.digest for layer in image.manifest.layers)
    assert store.resolve("base:1") == base

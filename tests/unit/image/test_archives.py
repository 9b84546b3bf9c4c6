"""Archives of images: hostile ones are refused by name, and what is saved is what is loaded."""

from __future__ import annotations

import io
import json
import tarfile
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runtime.image.archive import LayerLimits
from runtime.image.builder import File, LayerRecipe, build_image, layer_tar
from runtime.image.check import check
from runtime.image.config import ImageConfig
from runtime.image.digest import Digest
from runtime.image.errors import ArchiveError, CorruptBlob, ImageError, LayerTooLarge
from runtime.image.exporter import export_layout, save_docker, save_oci
from runtime.image.importer import import_layout, load_archive
from runtime.image.store import ImageStore

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

LAYER = layer_tar((File("f", b"content"),))


@pytest.fixture
def store(tmp_path: Path) -> ImageStore:
    return ImageStore(tmp_path / "store")


@pytest.fixture
def other(tmp_path: Path) -> ImageStore:
    return ImageStore(tmp_path / "other")


def config(*layers: bytes) -> bytes:
    return ImageConfig(cmd=("x",), diff_ids=tuple(map(Digest.of, layers))).encode()


def member(
    name: str, content: bytes = b"", kind: bytes = tarfile.REGTYPE, link: str = ""
) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.size, info.type, info.linkname = len(content), kind, link
    return info, content


def sparse_member() -> tuple[tarfile.TarInfo, bytes]:
    info, content = member("manifest.json", b"1000000000\n" + b"0\n" * 1000)
    info.pax_headers = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0"}
    return info, content


def archive(path: Path, *members: tuple[tarfile.TarInfo, bytes]) -> Path:
    with tarfile.open(path, "w") as tar:
        for info, content in members:
            tar.addfile(info, io.BytesIO(content) if content else None)
    return path


def listed(**changes: Any) -> bytes:
    item = {"Config": "c.json", "RepoTags": ["a:1", "b:2"], "Layers": ["l/layer.tar"]}
    return json.dumps([item | changes]).encode()


def test_docker_s_old_form_with_links(tmp_path: Path, store: ImageStore) -> None:
    path = archive(
        tmp_path / "a.tar",
        member("manifest.json", listed(Layers=["one/layer.tar", "two/layer.tar", "./three/layer.tar"])),
        member("./c.json", config(LAYER, LAYER, LAYER)),
        member("one/layer.tar", LAYER),
        member("two/layer.tar", kind=tarfile.SYMTYPE, link="../one/layer.tar"),
        member("three/layer.tar", kind=tarfile.LNKTYPE, link="one/layer.tar"),
    )
    images = load_archive(store, path)
    assert [image.reference for image in images] == ["a:1", "b:2"]
    assert {layer.digest for layer in images[0].manifest.layers} == {Digest.of(LAYER)}
    assert check(store).is_sound


def test_images_without_names_are_kept(tmp_path: Path, store: ImageStore) -> None:
    path = archive(
        tmp_path / "a.tar", member("manifest.json", listed(RepoTags=None)), member("c.json", config(LAYER)),
        member("l/layer.tar", LAYER),
    )  # fmt: skip
    (image,) = load_archive(store, path)
    assert image.reference == image.digest
    assert store.resolve(image.digest) == image


@pytest.mark.parametrize(
    ("members", "error", "problem"),
    [
        ([], ArchiveError, "neither manifest.json nor oci-layout"),
        ([member("manifest.json", b"{")], ArchiveError, "not JSON"),
        ([member("manifest.json", b"{}")], ArchiveError, "items: expected an array"),
        ([member("manifest.json", b"[" * 100_000)], ArchiveError, "not JSON"),
        ([member("manifest.json", listed())], ArchiveError, "'c.json' is no file of the archive"),
        ([member("manifest.json", listed(Config="/etc/passwd"))], ArchiveError, "no file of the archive"),
        ([member("manifest.json", listed(Config="../../etc/passwd"))], ArchiveError, "no file of the archive"),
        ([member("manifest.json", kind=tarfile.SYMTYPE, link="/etc/passwd")], ArchiveError, "no file of the archive"),
        ([member("manifest.json", kind=tarfile.SYMTYPE, link="manifest.json")], ArchiveError, "no file of the archive"),
        ([member("manifest.json", kind=tarfile.FIFOTYPE)], ArchiveError, "no file of the archive"),
        ([member("manifest.json", bytes(5 << 20))], ArchiveError, "documents have at most"),
        ([member("manifest.json", listed()), member("c.json", config())], ArchiveError, "0 diff_ids for 1 layers"),
        (
            [member("manifest.json", listed()), member("c.json", config(b"other")), member("l/layer.tar", LAYER)],
            CorruptBlob,
            "digest",
        ),
        ([sparse_member()], ArchiveError, "a sparse file"),
        ([member("oci-layout", b"{}")], ImageError, "index.json|imageLayoutVersion"),
    ],
)
def test_what_is_refused(
    tmp_path: Path,
    store: ImageStore,
    members: list[tuple[tarfile.TarInfo, bytes]],
    error: type[ImageError],
    problem: str,
) -> None:
    path = archive(tmp_path / "bad.tar", *members)
    with pytest.raises(error, match=problem):
        load_archive(store, path)
    assert store.images() == ()
    assert check(store).is_sound


def test_a_compressed_archive_is_bounded(tmp_path: Path) -> None:
    import gzip

    path = tmp_path / "bomb.tar.gz"
    path.write_bytes(gzip.compress(bytes(20 << 20)))
    store = ImageStore(tmp_path / "store", LayerLimits(max_bytes=1 << 20))
    with pytest.raises(LayerTooLarge, match="more than 1048576 bytes"):
        load_archive(store, path)
    with pytest.raises(ArchiveError, match="no-such-file"):
        load_archive(store, tmp_path / "no-such-file")


@pytest.mark.parametrize("save", [save_docker, save_oci])
def test_what_is_saved_is_what_is_loaded(
    tmp_path: Path, store: ImageStore, other: ImageStore, save: Callable[[ImageStore, list[str], Path], None]
) -> None:
    one = build_image(store, "a:1", [LayerRecipe((File("f", b"a"),), "f")], ImageConfig(cmd=("a",)))
    two = build_image(
        store, "b:1", [LayerRecipe((File("f", b"a"),), "f"), LayerRecipe((File("g", b"b"),), "g")], ImageConfig()
    )
    path = tmp_path / "saved.tar"
    save(store, ["a:1", "b:1"], path)
    first = path.read_bytes()
    images = load_archive(other, path)
    assert {image.reference: image.config for image in images} == {"a:1": one.config, "b:1": two.config}
    assert check(other).is_sound
    save(store, ["a:1", "b:1"], path)
    assert path.read_bytes() == first
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["other", "saved.tar", "store"]


def test_a_save_that_fails_leaves_nothing(tmp_path: Path, store: ImageStore) -> None:
    image = build_image(store, "a:1", [LayerRecipe((File("f", b"a"),), "f")], ImageConfig())
    blob = store.layout.blobs.path(image.manifest.layers[0].digest)
    blob.write_bytes(blob.read_bytes()[::-1])
    for save in (save_docker, save_oci):
        with pytest.raises(CorruptBlob):
            save(store, ["a:1"], tmp_path / "saved.tar")
    with pytest.raises(CorruptBlob):
        export_layout(store, ["a:1"], tmp_path / "layout")
    assert [entry.name for entry in tmp_path.iterdir() if entry.name not in {"store", "layout"}] == []
    assert ImageStore(tmp_path / "layout").images() == ()


def test_a_layout_gets_several_images(tmp_path: Path, store: ImageStore, other: ImageStore) -> None:
    made = {name: build_image(store, name, (), ImageConfig(cmd=(name,))) for name in ("a:1", "b:1")}
    export_layout(store, ["a:1"], tmp_path / "layout")
    export_layout(store, ["a:1", "b:1"], tmp_path / "layout")
    for name, image in made.items():
        assert import_layout(other, f"oci:{tmp_path}/layout:{name}").digest == image.digest


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_a_garbled_archive_is_refused_or_right(tmp_path: Path, store: ImageStore, data: st.DataObject) -> None:
    """Bytes changed, cut and doubled anywhere: an image that is loaded is sound all the same."""
    build_image(store, "a:1", [LayerRecipe((File("f", b"a"),), "f")], ImageConfig())
    path = tmp_path / "fuzz.tar"
    data.draw(st.sampled_from([save_docker, save_oci]))(store, ["a:1"], path)
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(content) - 1))
        content[place : place + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    path.write_bytes(content)
    target = ImageStore(tmp_path / "fuzzed")
    try:
        load_archive(target, path)
    except ImageError as error:
        assert str(error)  # noqa: PT017 - most are refused, some changes do not matter
    assert check(target).is_sound

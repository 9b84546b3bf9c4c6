"""skopeo as a peer: it reads our layout, we read its; both agree on every digest."""

from __future__ import annotations

import json
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from runtime.image.builder import Directory, File, LayerRecipe, Symlink, build_image
from runtime.image.config import ImageConfig
from runtime.image.importer import import_layout
from runtime.image.manifest import LAYER_GZIP
from runtime.image.store import Image, ImageStore

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(shutil.which("skopeo") is None, reason="needs skopeo")

LAYERS = (
    LayerRecipe((Directory("bin"), File("bin/tool", b"tool" * 10_000, mode=0o4755), Symlink("t", "bin/tool")), "base"),
    LayerRecipe((Directory("srv", uid=7, gid=8), File("srv/ä.html", b"hello"), File(".wh.t", b"")), "site"),
)
CONFIG = ImageConfig(
    entrypoint=("/bin/tool",),
    env=("PATH=/bin",),
    user="7:8",
    working_dir="/srv",
    exposed_ports=("8080/tcp",),
    labels={"key": "value"},
)


@pytest.fixture
def store(tmp_path: Path) -> ImageStore:
    return ImageStore(tmp_path / "data")


@pytest.fixture
def image(store: ImageStore) -> Image:
    return build_image(store, "site:1", LAYERS, CONFIG)


def skopeo(*arguments: str) -> str:
    command = ("skopeo", "--insecure-policy", *arguments)
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def inspect(*arguments: str) -> dict[str, Any]:
    facts: dict[str, Any] = json.loads(skopeo("inspect", *arguments))
    return facts


def test_skopeo_sees_the_same_image(store: ImageStore, image: Image) -> None:
    source = f"oci:{store.layout.root}:site:1"
    facts = inspect(source)
    assert facts["Digest"] == image.digest
    assert facts["Layers"] == [str(layer.digest) for layer in image.manifest.layers]
    assert (facts["Env"], facts["Labels"]) == (["PATH=/bin"], {"key": "value"})
    assert facts["Architecture"] == image.config.platform.architecture
    config = inspect("--config", source)
    assert config["rootfs"]["diff_ids"] == [str(diff_id) for diff_id in image.config.diff_ids]
    assert config["config"]["Entrypoint"] == ["/bin/tool"]
    assert config["config"]["ExposedPorts"] == {"8080/tcp": {}}


def test_there_and_back_with_the_same_digest(store: ImageStore, image: Image, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    skopeo("copy", "--preserve-digests", f"oci:{store.layout.root}:site:1", f"oci:{copy}:v1")
    other = ImageStore(tmp_path / "other")
    back = import_layout(other, f"oci:{copy}:v1")
    assert back.reference == "copy:v1"
    assert (back.digest, back.config, back.manifest) == (image.digest, image.config, image.manifest)
    other.verify(back)


@pytest.mark.root
def test_its_compressed_copy_unpacks_to_the_same(store: ImageStore, image: Image, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    skopeo("copy", f"oci:{store.layout.root}:site:1", f"oci:{copy}:v1")
    other = ImageStore(tmp_path / "other")
    back = import_layout(other, f"oci:{copy}:v1")
    assert {layer.media_type for layer in back.manifest.layers} == {LAYER_GZIP}
    assert back.config.diff_ids == image.config.diff_ids
    ours, theirs = store.unpack(image), other.unpack(back)
    assert [path.parent.name for path in ours] == [path.parent.name for path in theirs]
    for one, two in zip(ours, theirs, strict=True):
        assert _facts(one) == _facts(two)


def _facts(layer: Path) -> list[tuple[str, int, int, int, int]]:
    paths = (layer, *sorted(layer.rglob("*")))
    stats = [(str(path.relative_to(layer)), path.lstat()) for path in paths]
    return [(name, s.st_mode, s.st_uid, s.st_gid, s.st_mtime_ns) for name, s in stats]


def test_it_may_write_into_our_store(store: ImageStore, image: Image, tmp_path: Path) -> None:
    source = ImageStore(tmp_path / "source")
    theirs = build_image(source, "other:1", LAYERS[:1], CONFIG)
    skopeo("copy", "--preserve-digests", f"oci:{source.layout.root}:other:1", f"oci:{store.layout.root}:other:1")
    assert store.resolve("other:1").digest == theirs.digest
    assert store.resolve("site:1") == image


@pytest.mark.parametrize("blob", [0, 1])
def test_skopeo_too_sees_damage(store: ImageStore, image: Image, tmp_path: Path, blob: int) -> None:
    path = store.layout.blobs.path(image.manifest.layers[blob].digest)
    content = path.read_bytes()
    path.write_bytes(content[:-1] + b"\1")
    with pytest.raises(subprocess.CalledProcessError) as caught:
        skopeo("copy", f"oci:{store.layout.root}:site:1", f"oci:{tmp_path}/copy:v1")
    assert "digest" in caught.value.stderr.lower()

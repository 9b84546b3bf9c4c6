"""skopeo, umoci, podman and buildah share a registry with `tare`, both ways: digests, configurations, every file."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.integration.registry.test_registry_peers import (
    facts,
    our_tree,
    rich_image,
    run,
    skopeo,
    stated,
    without_links,
)
from tests.unit.image.conftest import Member, make_tar

if TYPE_CHECKING:
    from runtime.image.store import Image
    from tests.support.registry import Registry
    from tests.support.tarecli import Tare

pytestmark = [pytest.mark.root, pytest.mark.engines]

INSECURE = "--tls-verify=false"
Tree = dict[str, tuple[object, ...]]


def pushed(tare: Tare, name: str, *flags: str) -> None:
    tare("tag", "rich:1", name)
    tare("push", *flags, name)


def tree_of(tare: Tare, name: str, target: Path) -> Tree:
    """What `tare` has extracted, all layers in one, where no file has two names any more."""
    image = tare.store.resolve(name)
    assert tare.is_sound
    return our_tree(tare.store, image, target)


def test_skopeo(registry: Registry, tare: Tare, other: Tare, rich: Image, tmp_path: Path) -> None:
    name = f"{registry.host}/skopeo/rich"
    pushed(tare, f"{name}:1")
    source, target = f"docker://{name}:1", f"docker://{name}:2"
    assert json.loads(skopeo("inspect", INSECURE, source))["Digest"] == rich.digest
    skopeo("copy", "--src-tls-verify=false", "--preserve-digests", source, f"oci:{tmp_path}/layout:1")
    skopeo("copy", "--dest-tls-verify=false", "--preserve-digests", f"oci:{tmp_path}/layout:1", target)
    other("pull", f"{name}:2")
    assert other.state == {f"{name}:2": rich.digest}
    assert tree_of(other, f"{name}:2", tmp_path / "theirs") == tree_of(tare, "rich:1", tmp_path / "ours")


@pytest.mark.parametrize("compression", ["gzip", "zstd"])
def test_skopeo_compresses(registry: Registry, tare: Tare, other: Tare, tmp_path: Path, *, compression: str) -> None:
    """What it makes of our layers has other digests, and the same files.

    The layers are this test's own: of others it remembers that the registry has them as they are, and takes those.
    """
    archives = [make_tar(Member(f"{place}-{compression}", content=b"x" * 5000, mtime=9)) for place in ("one", "two")]
    image = rich_image(tare.store, *archives)
    name = f"{registry.host}/skopeo/{compression}:1"
    flags = ("--dest-tls-verify=false", f"--dest-compress-format={compression}")
    skopeo("copy", *flags, f"oci:{tare.store.layout.root}:rich:1", f"docker://{name}")
    other("pull", name)
    back = other.store.resolve(name)
    assert {layer.media_type.partition("+")[2] for layer in back.manifest.layers} == {compression}
    assert back.config.diff_ids == image.config.diff_ids
    assert tree_of(other, name, tmp_path / "theirs") == tree_of(tare, "rich:1", tmp_path / "ours")


def test_umoci(registry: Registry, tare: Tare, other: Tare, rich: Image, tmp_path: Path) -> None:
    """It unpacks what we push, changes it, and we pull what it has made of it."""
    assert rich.reference == "rich:1"
    name = f"{registry.host}/umoci/rich"
    pushed(tare, f"{name}:1", "--compression-format", "gzip")
    layout, bundle = tmp_path / "layout", tmp_path / "bundle"
    skopeo("copy", "--src-tls-verify=false", f"docker://{name}:1", f"oci:{layout}:1")
    run("umoci", "unpack", "--image", f"{layout}:1", bundle)
    rootfs = bundle / "rootfs"
    assert without_links(facts(rootfs)) == tree_of(tare, "rich:1", tmp_path / "ours")
    (rootfs / "etc/new").unlink()
    (rootfs / "srv").mkdir(mode=0o750)
    (rootfs / "srv/page").write_bytes(b"page")
    os.chown(rootfs / "srv/page", 12, 34)
    for path in (rootfs / "srv/page", rootfs / "srv", rootfs / "etc"):  # its archives hold whole seconds
        os.utime(path, (1_500_000_000, 1_500_000_000))
    run("umoci", "repack", "--image", f"{layout}:2", bundle)
    skopeo("copy", "--dest-tls-verify=false", f"oci:{layout}:2", f"docker://{name}:2")
    other("pull", f"{name}:2")
    back = tree_of(other, f"{name}:2", tmp_path / "back")
    assert back == without_links(facts(rootfs))
    assert ("etc/new" in back, back["srv/page"][1:3]) == (False, (12, 34))


@pytest.mark.parametrize("compression", ["gzip", "zstd"])
def test_podman(
    registry: Registry,
    tare: Tare,
    other: Tare,
    rich: Image,
    tmp_path: Path,
    *,
    storage: tuple[str, ...],
    compression: str,
) -> None:
    podman = ("podman", *storage)
    name = f"{registry.host}/podman/{compression}"
    pushed(tare, f"{name}:1", "--compression-format", compression)
    run(*podman, "pull", "--quiet", INSECURE, f"{name}:1")
    (known,) = json.loads(run(*podman, "image", "inspect", f"{name}:1"))
    assert stated(known["Config"]) == stated(rich.config.to_json()["config"])
    mounted = Path(run(*podman, "image", "mount", f"{name}:1").strip())
    ours = tree_of(tare, "rich:1", tmp_path / "ours")
    assert without_links(facts(mounted)) == ours
    run(*podman, "push", "--quiet", INSECURE, "--compression-format", compression, f"{name}:1", f"{name}:2")
    other("pull", f"{name}:2")
    back = other.store.resolve(f"{name}:2")
    assert stated(back.config.to_json()["config"]) == stated(rich.config.to_json()["config"])
    assert back.config.diff_ids == rich.config.diff_ids
    assert tree_of(other, f"{name}:2", tmp_path / "theirs") == ours


@pytest.mark.parametrize("form", ["oci", "docker"])
def test_buildah(
    registry: Registry,
    tare: Tare,
    other: Tare,
    rich: Image,
    tmp_path: Path,
    *,
    storage: tuple[str, ...],
    form: str,
) -> None:
    """It builds on what we push, and we pull what it has built."""
    assert rich.reference == "rich:1"
    buildah = ("buildah", *storage)
    name = f"{registry.host}/buildah/{form}"
    pushed(tare, f"{name}:1")
    container = run(*buildah, "from", "--quiet", INSECURE, f"docker://{name}:1").strip()
    rootfs = Path(run(*buildah, "mount", container).strip())
    (rootfs / "var/old/young").unlink()
    tool = rootfs / "opt/tool"
    tool.parent.mkdir()
    tool.write_bytes(b"tool")
    os.chown(tool, 12, 34)
    tool.chmod(0o4755)
    os.setxattr(tool, "user.mark", b"value")
    for path in (tool, tool.parent, rootfs / "var/old", rootfs):
        os.utime(path, (1_500_000_000, 1_500_000_000))
    run(*buildah, "config", "--env", "MORE=x y", "--label", "made=there", container)
    run(*buildah, "commit", "--quiet", "--format", form, container, "made")
    run(*buildah, "push", "--quiet", INSECURE, "--format", form, "made", f"docker://{name}:2")
    other("pull", f"{name}:2")
    back = other.store.resolve(f"{name}:2")
    assert ("MORE=x y" in back.config.env, back.config.labels["made"]) == (True, "there")
    tree = tree_of(other, f"{name}:2", tmp_path / "back")
    assert tree == without_links(facts(rootfs))
    assert stat.S_IMODE(int(str(tree["opt/tool"][0]), 8)) == 0o4755
    assert "var/old/young" not in tree

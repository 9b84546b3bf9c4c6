"""What a container did, committed, is what umoci, podman, skopeo, tar and docker see of the image."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from runtime.image.builder import Directory, File, LayerRecipe, Symlink, build_image
from runtime.image.check import check
from runtime.image.commit import Author, CommitOptions, commit, write_image
from runtime.image.compression import Compression
from runtime.image.config import ImageConfig
from runtime.image.exporter import export_layout
from runtime.image.importer import load_archive
from runtime.image.members import tree_members
from runtime.image.saving import save
from runtime.image.store import ImageStore
from runtime.image.tarball import ImportOptions, import_tarball
from runtime.image.tarwriter import archive
from runtime.image.view import View
from tests.support import engines
from tests.support.sandbox import sandbox
from tests.support.trees import Facts, overlay, read_tree

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from runtime.image.store import Image

pytestmark = [pytest.mark.root, pytest.mark.engines]

NAME = "example.org/committed:1"
BASE = LayerRecipe(
    (
        Directory("etc"), File("etc/kept", b"kept"), File("etc/gone", b"gone"),
        Directory("hidden"), File("hidden/old", b"old"), Directory("moved"), File("moved/x", b"x"),
        Symlink("link", "etc/kept"),
    ),
    "base",
)  # fmt: skip


def work(root: Path) -> None:
    """What a process may do in a container."""
    (root / "etc/gone").unlink()
    shutil.rmtree(root / "hidden")
    (root / "hidden").mkdir(mode=0o711)
    (root / "hidden/young").write_bytes(b"young")
    (root / "etc/kept").write_bytes(b"changed")
    os.chown(root / "etc/kept", 70_000, 3_000_000)
    (root / "bin").mkdir()
    (root / "bin/tool").write_bytes(b"tool" * 1000)
    (root / "bin/tool").chmod(0o4711)
    os.link(root / "bin/tool", root / "bin/again")
    os.setxattr(root / "bin/tool", "user.mark", b"\0binary\xff=\n")
    (root / "long").symlink_to("x" * 200)
    (root / ("n" * 180)).write_bytes(b"")
    (root / "new\nline").write_bytes(b"")
    os.mkfifo(root / "fifo")
    os.mknod(root / "null", 0o020666, os.makedev(1, 3))
    with (root / "sparse").open("wb") as file:
        file.truncate(3 << 20)
        file.seek(1 << 20)
        file.write(b"data")
    for name in ("bin/tool", "bin", "etc", "hidden"):
        os.utime(root / name, ns=(0, 1_500_000_000_123_456_789))


class Committed:
    """An image made by a container, and the tree that the container had."""

    def __init__(self, ground: Path) -> None:
        self.store = ImageStore(ground / "store")
        base = build_image(self.store, "base:1", (BASE,), ImageConfig(cmd=("x",)))
        lowers = self.store.unpack(base)
        with overlay(lowers, ground / "container") as (merged, upper):
            work(merged)
            self.tree = dict(read_tree(merged))
            with View.of((merged,)) as view:
                self.exported = b"".join(archive(tree_members(view, view.root)))
        self.image = commit(self.store, base, upper, lowers, CommitOptions(NAME, Author("work")))

    def compressed(self, compression: Compression | None) -> Image:
        if compression is None:
            return self.store.tag(NAME, self.image)
        packed = self.store.compressed.manifest(self.image.manifest, compression, lambda *_: None)
        return write_image(self.store, self.image.config, packed.layers, NAME)

    def save(self, path: Path, compression: Compression | None) -> Path:
        self.compressed(compression)
        with path.open("wb") as file:
            save(self.store, [NAME], file)
        return path


@pytest.fixture(scope="module")
def committed(tmp_path_factory: pytest.TempPathFactory) -> Committed:
    return Committed(tmp_path_factory.mktemp("committed"))


def run(*argv: str | Path) -> str:
    done = subprocess.run(tuple(map(str, argv)), capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, f"{argv}: {done.stderr}"
    return done.stdout


def plain(tree: Mapping[bytes, Facts]) -> dict[bytes, Facts]:
    """Without hard links: a storage that copies layers has none."""
    return {name: replace(facts, names=frozenset()) for name, facts in tree.items()}


def test_umoci_unpacks_the_container_s_tree(committed: Committed, tmp_path: Path) -> None:
    committed.compressed(None)
    export_layout(committed.store, [NAME], tmp_path / "layout")
    source = f"oci:{tmp_path}/layout:{NAME}"
    run("skopeo", "--insecure-policy", "copy", "--quiet", source, f"oci:{tmp_path}/umoci:1")
    run("umoci", "unpack", "--image", f"{tmp_path}/umoci:1", tmp_path / "bundle")
    assert read_tree(tmp_path / "bundle/rootfs") == committed.tree


def test_tar_extracts_what_is_exported(committed: Committed, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    command = ("tar", "--xattrs", "--xattrs-include=*", "--numeric-owner", "-xpf", "-", "-C", tmp_path / "out")
    subprocess.run(tuple(map(str, command)), input=committed.exported, check=True)
    assert read_tree(tmp_path / "out") == committed.tree


def test_what_is_exported_is_imported(committed: Committed, tmp_path: Path) -> None:
    store = ImageStore(tmp_path / "store")
    image = import_tarball(store, io.BytesIO(committed.exported), ImportOptions("imported:1"))
    (root,) = store.unpack(image)
    assert read_tree(root) == committed.tree


@pytest.mark.parametrize("kind", ["docker-archive", "oci-archive"])
def test_skopeo_reads_either_half_of_what_is_saved(committed: Committed, tmp_path: Path, kind: str) -> None:
    path = committed.save(tmp_path / "saved.tar", Compression.GZIP)
    name = {"docker-archive": f":{NAME}", "oci-archive": ":1"}[kind]
    known = json.loads(run("skopeo", "inspect", "--config", f"{kind}:{path}{name}"))
    assert known["rootfs"]["diff_ids"] == [str(diff_id) for diff_id in committed.image.config.diff_ids]
    assert known["history"][-1]["created_by"] == "work"


@pytest.fixture
def podman(tmp_path: Path) -> Iterator[tuple[str, ...]]:
    """podman with a storage of its own."""
    runroot = tempfile.mkdtemp(prefix="tare-test-", dir="/run")  # podman wants it short
    command = ("podman", "--root", f"{tmp_path}/storage", "--runroot", runroot, "--storage-driver", "vfs")
    yield command
    subprocess.run((*command, "image", "umount", "--all"), capture_output=True, check=False)
    shutil.rmtree(runroot)


@pytest.mark.parametrize("compression", [None, Compression.ZSTD])
def test_podman_loads_what_is_saved(
    committed: Committed, tmp_path: Path, podman: tuple[str, ...], compression: Compression | None
) -> None:
    path = committed.save(tmp_path / "saved.tar", compression)
    assert NAME in run(*podman, "load", "--quiet", "--input", path)
    mounted = Path(run(*podman, "image", "mount", NAME).strip())
    assert plain(read_tree(mounted)) == plain(committed.tree)
    run(*podman, "save", "--quiet", "--format", "oci-archive", "--output", tmp_path / "back.tar", NAME)
    other = ImageStore(tmp_path / "other")
    (back,) = load_archive(other, tmp_path / "back.tar")
    assert (back.reference, back.config.diff_ids) == (NAME, committed.image.config.diff_ids)
    assert check(other).is_sound


@pytest.mark.slow
def test_docker_loads_what_is_saved_and_saves_what_is_loaded(committed: Committed, tmp_path: Path) -> None:
    with sandbox() as made:
        host = engines.make_host(made, tmp_path)
        driver = engines.storage_driver(made, tmp_path / "probe")
        with engines.containerd(host), engines.docker(host, driver) as docker:
            for compression in (None, Compression.GZIP, Compression.ZSTD):
                path = committed.save(tmp_path / "saved.tar", compression)
                assert NAME in docker("load", "--input", str(path)).stdout
                (known,) = json.loads(docker("image", "inspect", NAME).stdout)
                assert known["RootFS"]["Layers"] == [str(diff_id) for diff_id in committed.image.config.diff_ids]
                docker("save", "--output", str(tmp_path / "theirs.tar"), NAME)
                docker("rmi", NAME)
    other = ImageStore(tmp_path / "other")
    (back,) = load_archive(other, tmp_path / "theirs.tar")
    assert (back.reference, back.config.diff_ids) == (NAME, committed.image.config.diff_ids)
    with overlay(other.unpack(back), tmp_path / "again") as (merged, _):
        assert read_tree(merged) == committed.tree

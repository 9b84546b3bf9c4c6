"""Real peers with the same registry and the same files: what they make and what we make is the same, file by file."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import stat
import subprocess
import tarfile
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from runtime.image.check import check
from runtime.image.compression import Compression
from runtime.image.config import ImageConfig
from runtime.image.descriptor import Descriptor
from runtime.image.digest import Digest
from runtime.image.exporter import export_layout, save_docker, save_oci
from runtime.image.flatten import flatten
from runtime.image.importer import import_layout, load_archive
from runtime.image.manifest import CONFIG, LAYER, MANIFEST, Manifest
from runtime.image.registry.pull import PullOptions, pull
from runtime.image.registry.push import PushOptions, push
from tests.unit.image.conftest import Member, make_tar

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runtime.image.registry.client import RegistryClient
    from runtime.image.store import Image, ImageStore
    from tests.support.registry import Registry

pytestmark = [pytest.mark.root, pytest.mark.engines]

DIRECTORY, SYMLINK, HARD_LINK, FIFO = tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE
BASE = make_tar(
    Member("bin/", DIRECTORY, mode=0o755, mtime=1_600_000_000),
    Member("bin/tool", content=b"tool" * 50_000, mode=0o4755, mtime=1_500_000_000.25),
    # As writers of archives do, with what its file has: podman would apply anything else to that.
    Member("bin/again", HARD_LINK, link="bin/tool", mode=0o4755, mtime=1_500_000_000.25),
    Member("bin/link", SYMLINK, link="tool", owner=(3, 4), mtime=1_400_000_000),
    Member("etc/", DIRECTORY, mode=0o711, owner=(1, 2), mtime=1_300_000_000),
    Member("etc/ä b", content=b"odd", mode=0o600, owner=(1000, 1001), mtime=1),
    Member("etc/marked", content=b"x", pax={"SCHILY.xattr.user.mark": "value"}, mtime=2),
    Member("etc/gone", content=b"x", mtime=3),
    Member("var/", DIRECTORY, mode=0o1777, mtime=4),
    Member("var/pipe", FIFO, mode=0o620, mtime=5),
    Member("var/old/", DIRECTORY, mtime=6),
    Member("var/old/file", content=b"old", mtime=7),
)
TOP = make_tar(
    Member("etc/", DIRECTORY, mode=0o755, owner=(5, 6), mtime=1_300_000_001),
    Member("etc/.wh.gone"),
    Member("etc/new", content=b"new", mtime=8),
    Member("var/old/", DIRECTORY, mode=0o700, mtime=9),
    Member("var/old/.wh..wh..opq"),
    Member("var/old/young", content=b"young", mtime=10),
)
EXECUTION = ImageConfig(
    entrypoint=("/bin/tool",), cmd=("a",), env=("PATH=/bin", "A=b c"), user="7:8", working_dir="/etc",
    exposed_ports=("80/tcp",), volumes=("/data",), labels={"k": "v"}, stop_signal="SIGUSR1",
)  # fmt: skip


def run(*argv: str | Path, timeout_s: float = 120) -> str:
    command = tuple(map(str, argv))
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout_s, check=False)
    assert done.returncode == 0, f"{command}: {done.stderr}"
    return done.stdout


def skopeo(*argv: str | Path) -> str:
    return run("skopeo", "--insecure-policy", *argv)


def facts(root: Path) -> dict[str, tuple[object, ...]]:
    """All that can be told of each file; those of one inode name the first of its names."""
    first: dict[int, str] = {}
    found: dict[str, tuple[object, ...]] = {}
    for path in sorted(root.rglob("*")):
        name, status = str(path.relative_to(root)), path.lstat()
        group = first.setdefault(status.st_ino, name) if not stat.S_ISDIR(status.st_mode) else ""
        found[name] = (
            oct(status.st_mode), status.st_uid, status.st_gid, status.st_mtime_ns, group, content_of(path, status),
            tuple((key, os.getxattr(path, key, follow_symlinks=False)) for key in sorted(attributes(path))),
        )  # fmt: skip
    return found


def attributes(path: Path) -> list[str]:
    return [key for key in os.listxattr(path, follow_symlinks=False) if not key.startswith("trusted.overlay.")]


def content_of(path: Path, status: os.stat_result) -> str:
    if stat.S_ISLNK(status.st_mode):
        return str(path.readlink())
    if stat.S_ISREG(status.st_mode):
        return hashlib.sha256(path.read_bytes()).hexdigest()
    return str(status.st_rdev)


def without_links(tree: dict[str, tuple[object, ...]]) -> dict[str, tuple[object, ...]]:
    """A copy of all layers in one has no hard links."""
    return {name: (*known[:4], *known[5:]) for name, known in tree.items()}


def rich_image(store: ImageStore, *archives: bytes) -> Image:
    """Of these layers, with everything that a configuration can say."""
    config = replace(EXECUTION, diff_ids=tuple(map(Digest.of, archives)))
    layers = tuple(store.put_blob(io.BytesIO(archive), LAYER) for archive in archives)
    encoded = config.encode()
    manifest = Manifest(store.put_blob(io.BytesIO(encoded), CONFIG), layers).encode()
    return store.tag("rich:1", store.put_blob(io.BytesIO(manifest), MANIFEST, Descriptor.of(MANIFEST, manifest)))


def our_tree(store: ImageStore, image: Image, target: Path) -> dict[str, tuple[object, ...]]:
    layers = store.unpack(image)
    if len(layers) == 1:
        return facts(layers[0])
    flatten(layers, target)
    return without_links(facts(target))


def umoci_tree(layout: Path, tag: str, bundle: Path) -> dict[str, tuple[object, ...]]:
    run("umoci", "unpack", "--image", f"{layout}:{tag}", bundle)
    return facts(bundle / "rootfs")


@pytest.mark.parametrize("archives", [(BASE,), (BASE, TOP)])
@pytest.mark.parametrize("compression", [None, Compression.GZIP])
def test_umoci_unpacks_what_we_push(
    registry: Registry,
    client: RegistryClient,
    store: ImageStore,
    tmp_path: Path,
    *,
    archives: tuple[bytes, ...],
    compression: Compression | None,
) -> None:
    image = rich_image(store, *archives)
    name = f"{registry.host}/peers/umoci{len(archives)}{'z' if compression else ''}:1"
    push(store, client, "rich:1", PushOptions(name, compression))
    skopeo("copy", "--src-tls-verify=false", f"docker://{name}", f"oci:{tmp_path}/layout:1")
    theirs = umoci_tree(tmp_path / "layout", "1", tmp_path / "bundle")
    ours = our_tree(store, image, tmp_path / "flat")
    assert ours == (theirs if len(archives) == 1 else without_links(theirs))
    assert "bin/tool" in ours
    assert ("etc/gone" in ours, "var/old/file" in ours) == ((len(archives) == 1,) * 2)


@pytest.fixture
def containers(tmp_path: Path) -> Iterator[tuple[str, ...]]:
    """Options that give podman and buildah a storage of their own."""
    # podman wants a path of no more than 50 characters here.
    runroot = tempfile.mkdtemp(prefix="tare-test-", dir="/run")
    options = ("--root", f"{tmp_path}/storage", "--runroot", runroot, "--storage-driver", "vfs")
    yield options
    for command in (("buildah", *options, "umount", "--all"), ("podman", *options, "image", "umount", "--all")):
        subprocess.run(command, capture_output=True, check=False)
    shutil.rmtree(runroot)


def stated(config: dict[str, Any]) -> dict[str, Any]:
    """The part of a configuration that says what is run."""
    names = ("Entrypoint", "Cmd", "Env", "User", "WorkingDir", "ExposedPorts", "Volumes", "Labels", "StopSignal")
    return {name: config[name] for name in names if config.get(name)}


def test_podman_pulls_what_we_push(
    registry: Registry, client: RegistryClient, store: ImageStore, tmp_path: Path, containers: tuple[str, ...]
) -> None:
    image = rich_image(store, BASE, TOP)
    name = f"{registry.host}/peers/podman:1"
    push(store, client, "rich:1", PushOptions(name))
    podman = ("podman", *containers)
    run(*podman, "pull", "--quiet", "--tls-verify=false", name)
    (known,) = json.loads(run(*podman, "image", "inspect", name))
    assert stated(known["Config"]) == stated(image.config.to_json()["config"])
    mounted = Path(run(*podman, "image", "mount", name).strip())
    assert without_links(facts(mounted)) == our_tree(store, image, tmp_path / "flat")
    # And back, as podman compresses it.
    run(*podman, "push", "--quiet", "--tls-verify=false", name, f"{registry.host}/peers/podman:2")
    back = pull(store, client, f"{registry.host}/peers/podman:2", PullOptions(unpack=True))
    assert back.config.diff_ids == image.config.diff_ids
    assert check(store).is_sound


@pytest.mark.parametrize("form", ["oci", "docker"])
def test_we_pull_what_buildah_makes(
    registry: Registry,
    client: RegistryClient,
    store: ImageStore,
    tmp_path: Path,
    *,
    containers: tuple[str, ...],
    form: str,
) -> None:
    buildah = ("buildah", *containers)
    source = tmp_path / "source"
    source.mkdir()
    (source / "tool").write_bytes(b"tool" * 1000)
    (source / "tool").chmod(0o4755)
    os.chown(source / "tool", 12, 34)
    (source / "tool").chmod(0o4755)
    (source / "link").symlink_to("tool")
    os.link(source / "tool", source / "again")
    os.setxattr(source / "tool", "user.mark", b"value")
    for path in (*source.iterdir(), source):  # buildah's archives hold whole seconds
        os.utime(path, (1_500_000_000, 1_500_000_000), follow_symlinks=False)
    container = run(*buildah, "from", "scratch").strip()
    mounted = Path(run(*buildah, "mount", container).strip())
    run("cp", "-a", source, mounted / "opt")
    run(*buildah, "config", "--entrypoint", '["/opt/tool"]', "--env", "A=b c", "--user", "1:2", "--label", "k=v",
        "--workingdir", "/opt", "--port", "80/tcp", container)  # fmt: skip
    tree = facts(mounted)
    name = f"{registry.host}/peers/buildah-{form}:1"
    run(*buildah, "commit", "--quiet", "--format", form, container, "made")
    run(*buildah, "push", "--quiet", "--tls-verify=false", "--format", form, "made", f"docker://{name}")
    image = pull(store, client, name, PullOptions(unpack=True))
    assert our_tree(store, image, tmp_path / "flat") == tree
    assert tree["opt/tool"][1:3] == (12, 34)
    assert (image.config.entrypoint, image.config.user, image.config.working_dir) == (("/opt/tool",), "1:2", "/opt")
    assert ("A=b c" in image.config.env, image.config.labels["k"], image.config.exposed_ports) == (
        True,
        "v",
        ("80/tcp",),
    )
    assert image.digest == skopeo_digest(name)


def skopeo_digest(name: str) -> str:
    digest: str = json.loads(skopeo("inspect", "--tls-verify=false", f"docker://{name}"))["Digest"]
    return digest


def test_skopeo_copies_there_and_back(
    registry: Registry, client: RegistryClient, store: ImageStore, other: ImageStore, tmp_path: Path
) -> None:
    image = rich_image(store, BASE, TOP)
    export_layout(store, ["rich:1"], tmp_path / "layout")
    name = f"{registry.host}/peers/skopeo:1"
    skopeo("copy", "--dest-tls-verify=false", "--preserve-digests", f"oci:{tmp_path}/layout:rich:1", f"docker://{name}")
    back = pull(other, client, name)
    assert (back.digest, back.config) == (image.digest, image.config)
    assert skopeo_digest(name) == image.digest


@pytest.mark.parametrize("kind", ["docker-archive", "oci-archive"])
@pytest.mark.parametrize("compression", [None, Compression.GZIP, Compression.ZSTD])
def test_podman_reads_what_we_save(
    registry: Registry,
    client: RegistryClient,
    store: ImageStore,
    tmp_path: Path,
    *,
    containers: tuple[str, ...],
    kind: str,
    compression: Compression | None,
) -> None:
    image = rich_image(store, BASE, TOP)
    name = "example.org/rich:1"
    if compression:
        compressed = f"{registry.host}/peers/saved-{compression.value}:1"
        push(store, client, "rich:1", PushOptions(compressed, compression))
        image = pull(store, client, compressed, PullOptions(name=name))
    store.tag(name, image)
    path = tmp_path / "saved.tar"
    (save_docker if kind == "docker-archive" else save_oci)(store, [name], path)
    loaded = run("podman", *containers, "load", "--quiet", "--input", path)
    assert name in loaded
    (known,) = json.loads(run("podman", *containers, "image", "inspect", name))
    mounted = Path(run("podman", *containers, "image", "mount", name).strip())
    assert without_links(facts(mounted)) == our_tree(store, image, tmp_path / "flat")
    assert known["RootFS"]["Layers"] == [str(diff_id) for diff_id in image.config.diff_ids]


@pytest.mark.parametrize("kind", ["docker-archive", "oci-archive"])
def test_we_load_what_podman_saves(
    store: ImageStore, other: ImageStore, tmp_path: Path, containers: tuple[str, ...], kind: str
) -> None:
    image = rich_image(store, BASE, TOP)
    store.tag("example.org/rich:1", image)
    save_oci(store, ["example.org/rich:1"], tmp_path / "ours.tar")
    run("podman", *containers, "load", "--quiet", "--input", tmp_path / "ours.tar")
    path = tmp_path / "theirs.tar"
    run("podman", *containers, "save", "--quiet", "--format", kind, "--output", path, "example.org/rich:1")
    (back,) = load_archive(other, path)
    assert back.reference == "example.org/rich:1"
    assert back.config.diff_ids == image.config.diff_ids
    assert our_tree(other, back, tmp_path / "theirs") == our_tree(store, image, tmp_path / "ours")
    assert check(other).is_sound


def test_we_read_what_skopeo_writes(store: ImageStore, other: ImageStore, tmp_path: Path) -> None:
    image = rich_image(store, BASE, TOP)
    source = f"oci:{store.layout.root}:rich:1"
    skopeo("copy", "--preserve-digests", source, f"oci:{tmp_path}/layout:v1")
    skopeo("copy", "--preserve-digests", source, f"oci-archive:{tmp_path}/archive.tar:v1")
    skopeo("copy", source, f"docker-archive:{tmp_path}/docker.tar:example.org/a/b:v1")
    assert import_layout(other, f"oci:{tmp_path}/layout:v1", "one:1").digest == image.digest
    assert import_layout(other, f"oci-archive:{tmp_path}/archive.tar:v1", "two:1").digest == image.digest
    run("gzip", "--keep", f"{tmp_path}/docker.tar")
    for path in (tmp_path / "docker.tar", tmp_path / "docker.tar.gz"):
        (loaded,) = load_archive(other, path)
        assert loaded.reference == "example.org/a/b:v1"
        assert loaded.config == image.config
    assert check(other).is_sound

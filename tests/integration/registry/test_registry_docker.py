"""docker as a peer: load and save, push and pull, in a sandbox where its daemon and a registry are alone."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from runtime.image.check import check
from runtime.image.compression import Compression
from runtime.image.exporter import save_docker
from runtime.image.importer import load_archive
from tests.integration.registry.test_registry_peers import BASE, TOP, facts, our_tree, rich_image, stated, without_links
from tests.support import engines
from tests.support.sandbox import sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runtime.image.store import ImageStore
    from tests.support.engine import Engine

pytestmark = [pytest.mark.root, pytest.mark.engines]

ROOT = Path(__file__).parents[3]
REGISTRY = "127.0.0.1:5000"
TRANSFER = """
import sys
from pathlib import Path
from runtime.image.compression import Compression
from runtime.image.registry.client import RegistryClient
from runtime.image.registry.pull import PullOptions, pull
from runtime.image.registry.push import PushOptions, push
from runtime.image.store import ImageStore
from tests.support.registry import QUICK
store = ImageStore(Path(sys.argv[2]))
with RegistryClient(QUICK) as client:
    if sys.argv[1] == "push":
        push(store, client, sys.argv[3], PushOptions(sys.argv[4], Compression.GZIP))
    else:
        pull(store, client, sys.argv[3], PullOptions(name=sys.argv[4]))
"""


@pytest.fixture(scope="module")
def docker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    directory = tmp_path_factory.mktemp("docker")
    config = directory / "registry.yml"
    storage = {"filesystem": {"rootdirectory": str(directory / "registry")}}
    config.write_text(json.dumps({"version": "0.1", "storage": storage, "http": {"addr": REGISTRY}}))
    with sandbox() as made:
        host = engines.make_host(made, directory)
        driver = engines.storage_driver(made, directory / "probe")
        ready = (sys.executable, "-c", "import socket; socket.create_connection(('127.0.0.1', 5000)).close()")
        with (
            engines.containerd(host),
            engines.docker(host, driver) as engine,
            host.daemon("docker-registry", "serve", str(config), ready=ready),
        ):
            yield engine


def transfer(docker: Engine, verb: str, store: ImageStore, source: str, target: str) -> None:
    """Ours, in the sandbox: that is where the registry is."""
    path = f"PYTHONPATH={ROOT}"
    docker.host.call("env", path, sys.executable, "-c", TRANSFER, verb, str(store.root), source, target)


def test_docker_loads_what_we_save(docker: Engine, store: ImageStore, tmp_path: Path) -> None:
    image = rich_image(store, BASE, TOP)
    store.tag("example.org/saved:1", image)
    save_docker(store, ["example.org/saved:1"], tmp_path / "saved.tar")
    assert "example.org/saved:1" in docker("load", "--input", str(tmp_path / "saved.tar")).stdout
    (known,) = json.loads(docker("image", "inspect", "example.org/saved:1").stdout)
    assert known["RootFS"]["Layers"] == [str(diff_id) for diff_id in image.config.diff_ids]
    assert stated(known["Config"]) == stated(image.config.to_json()["config"])
    assert known["Id"] == str(image.manifest.config.digest)


def test_we_load_what_docker_saves(docker: Engine, store: ImageStore, other: ImageStore, tmp_path: Path) -> None:
    image = rich_image(store, BASE, TOP)
    names = ["example.org/both:1", "example.org/both:2"]
    for name in names:
        store.tag(name, image)
    save_docker(store, names, tmp_path / "ours.tar")
    docker("load", "--input", str(tmp_path / "ours.tar"))
    docker("save", "--output", str(tmp_path / "theirs.tar"), *names)
    back = load_archive(other, tmp_path / "theirs.tar")
    assert sorted(image.reference for image in back) == names
    assert back[0].config == image.config
    assert our_tree(other, back[0], tmp_path / "theirs") == our_tree(store, image, tmp_path / "ours")
    assert check(other).is_sound


def test_docker_and_we_push_to_and_pull_from_one_registry(
    docker: Engine, store: ImageStore, other: ImageStore, tmp_path: Path
) -> None:
    image = rich_image(store, BASE, TOP)
    transfer(docker, "push", store, "rich:1", f"{REGISTRY}/peers/docker:1")
    docker("pull", "--quiet", f"{REGISTRY}/peers/docker:1")
    docker("tag", f"{REGISTRY}/peers/docker:1", f"{REGISTRY}/peers/again:1")
    docker("push", "--quiet", f"{REGISTRY}/peers/again:1")
    transfer(docker, "pull", other, f"{REGISTRY}/peers/again:1", "again:1")
    back = other.resolve("again:1")
    assert back.config.diff_ids == image.config.diff_ids
    assert {layer.media_type.rpartition(".")[2] for layer in back.manifest.layers} == {Compression.GZIP.value}
    assert our_tree(other, back, tmp_path / "theirs") == our_tree(store, image, tmp_path / "ours")
    docker("create", "--name", "made", f"{REGISTRY}/peers/docker:1")
    try:
        docker("export", "--output", str(tmp_path / "export.tar"), "made")
    finally:
        docker("rm", "made")
    unpacked = tmp_path / "unpacked"
    unpacked.mkdir()
    docker.host.call("tar", "--xattrs", "--xattrs-include=*", "-xpf", str(tmp_path / "export.tar"), "-C", str(unpacked))
    theirs = without_links(facts(unpacked))
    ours = without_links(facts(tmp_path / "ours"))
    # docker's exports hold whole seconds and no attributes. A directory that a layer only implies (var) gets mode 0755
    # from it, whatever the layers below say; podman, umoci and we look there.
    assert theirs["var"][0] == "0o40755"
    kept = [name for name in ours if name != "var"]
    assert {name: (*theirs[name][:3], theirs[name][4]) for name in kept} == {
        name: (*ours[name][:3], ours[name][4]) for name in kept
    }

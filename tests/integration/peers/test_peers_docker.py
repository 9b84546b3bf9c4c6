"""docker shares a registry with `tare`, both ways, in a sandbox where its daemon and the registry are alone."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import pytest

from tests.integration.registry.test_registry_peers import facts, our_tree, stated
from tests.support import engines
from tests.support.sandbox import sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from runtime.image.store import Image
    from tests.support.engine import Engine
    from tests.support.tarecli import Tare

pytestmark = [pytest.mark.root, pytest.mark.engines]

REGISTRY = "127.0.0.1:5000"


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


def within(docker: Engine, tare: Tare, *words: str) -> str:
    """`tare` in the sandbox: that is where the registry is."""
    environment = (f"{name}={text}" for name, text in tare.environment.items())
    return docker.host.call("env", *environment, *tare.argv(*words)).stdout


def test_push_and_pull(docker: Engine, tare: Tare, other: Tare, rich: Image, tmp_path: Path) -> None:
    name = f"{REGISTRY}/docker/rich"
    tare("tag", "rich:1", f"{name}:1")
    within(docker, tare, "push", "--compression-format", "gzip", f"{name}:1")
    assert f"Downloaded newer image for {name}:1" in docker("pull", f"{name}:1").stdout
    (known,) = json.loads(docker("image", "inspect", f"{name}:1").stdout)
    assert known["RootFS"]["Layers"] == [str(diff_id) for diff_id in rich.config.diff_ids]
    assert stated(known["Config"]) == stated(rich.config.to_json()["config"])
    docker("tag", f"{name}:1", f"{name}:2")
    said = docker("push", f"{name}:2").stdout
    assert said.count("Layer already exists") == len(rich.manifest.layers)
    assert f"Downloaded newer image for {name}:2" in within(docker, other, "pull", f"{name}:2")
    back = other.store.resolve(f"{name}:2")
    assert (back.config.diff_ids, other.is_sound) == (rich.config.diff_ids, True)
    assert our_tree(other.store, back, tmp_path / "theirs") == our_tree(tare.store, rich, tmp_path / "ours")


def test_save_and_load(docker: Engine, tare: Tare, other: Tare, rich: Image, tmp_path: Path) -> None:
    tare("tag", "rich:1", "example.org/rich:1")
    tare("save", "-o", tmp_path / "ours.tar", "example.org/rich:1")
    assert "Loaded image: example.org/rich:1" in docker("load", "--input", str(tmp_path / "ours.tar")).stdout
    docker("save", "--output", str(tmp_path / "theirs.tar"), "example.org/rich:1")
    assert other("load", "-i", tmp_path / "theirs.tar") == "Loaded image: example.org/rich:1\n"
    back = other.store.resolve("example.org/rich:1")
    assert (back.config, other.is_sound) == (rich.config, True)
    assert our_tree(other.store, back, tmp_path / "back") == our_tree(tare.store, rich, tmp_path / "flat")


def test_what_docker_commits(docker: Engine, tare: Tare, other: Tare, rich: Image, tmp_path: Path) -> None:
    """One layer more, made there: the others are shared by digest, and nothing but the new one is got."""
    name = f"{REGISTRY}/docker/committed"
    tare("tag", "rich:1", f"{name}:1")
    within(docker, tare, "push", "--compression-format", "gzip", f"{name}:1")
    within(docker, other, "pull", f"{name}:1")
    docker("pull", f"{name}:1")
    docker("create", "--name", "changed", f"{name}:1")
    try:
        (tmp_path / "page").write_bytes(b"page")
        docker("cp", str(tmp_path / "page"), "changed:/etc/page")
        docker("commit", "--change", "LABEL made=there", "changed", f"{name}:2")
    finally:
        docker("rm", "changed")
    docker("push", f"{name}:2")
    said = within(docker, other, "pull", f"{name}:2")
    assert (said.count("Already exists"), said.count("Download complete")) == (len(rich.manifest.layers), 1)
    back = other.store.resolve(f"{name}:2")
    assert back.config.labels["made"] == "there"
    before = our_tree(tare.store, rich, tmp_path / "before")
    after = our_tree(other.store, back, tmp_path / "after")
    # And the directory of the image's volume, which creating a container makes.
    assert set(after) - set(before) == {"etc/page", "data"}
    assert {path: after[path] for path in before if path != "etc"} == {p: before[p] for p in before if p != "etc"}
    assert facts(tmp_path / "after")["etc/page"][5] != ""

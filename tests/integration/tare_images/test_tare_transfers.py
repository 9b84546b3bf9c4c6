"""`tare pull`, `push` and what is around them, with a real registry: what is printed, and what is there afterwards."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
from typing import TYPE_CHECKING

import pytest

from runtime.image.builder import File, LayerRecipe, build_image, extend_image
from runtime.image.config import ImageConfig
from tests.integration.tare_images.conftest import CONFIG, LAYERS

if TYPE_CHECKING:
    from runtime.image.store import Image
    from tests.support.registry import Registry
    from tests.support.tarecli import Tare

pytestmark = pytest.mark.root


def shorts(image: Image) -> list[str]:
    return [layer.digest.encoded[:12] for layer in image.manifest.layers]


def test_push_and_pull_say_what_becomes_of_each_layer(registry: Registry, tare: Tare, other: Tare, site: Image) -> None:
    name = f"{registry.host}/said/site"
    tare("tag", "site:1", f"{name}:1")
    said = tare("push", f"{name}:1").splitlines()
    assert said[0] == f"The push refers to repository [{name}]"
    for layer in shorts(site):
        assert said.index(f"{layer}: Preparing") < said.index(f"{layer}: Pushed")
    assert re.fullmatch(rf"1: digest: {site.digest} size: \d+", said[-1])
    again = tare("push", f"{name}:1")
    assert [f"{layer}: Layer already exists" in again for layer in shorts(site)] == [True, True]

    said = other("pull", f"{name}:1").splitlines()
    assert said[0] == "1: Pulling from said/site"
    for layer in shorts(site):
        steps = [line.partition(": ")[2] for line in said if line.startswith(layer)]
        assert steps == ["Pulling fs layer", "Download complete", "Extracting", "Pull complete"]
    assert said[-3:] == [f"Digest: {site.digest}", f"Status: Downloaded newer image for {name}:1", f"{name}:1"]
    assert other.state == {f"{name}:1": site.digest}
    again = other("pull", f"{name}:1")
    assert f"Status: Image is up to date for {name}:1" in again
    assert f"{shorts(site)[0]}: Already exists" in again
    assert "Download" not in again
    assert other("pull", "-q", f"{name}:1") == f"{name}:1\n"


def test_only_the_new_layer_is_uploaded(registry: Registry, tare: Tare, site: Image) -> None:
    name = f"{registry.host}/new/site"
    tare("tag", "site:1", f"{name}:1")
    tare("push", f"{name}:1")
    more = extend_image(tare.store, site, f"{name}:2", (LayerRecipe((File("new", b"new"),), "new"),))
    said = tare("push", f"{name}:2")
    assert [f"{layer}: Layer already exists" in said for layer in shorts(more)] == [True, True, False]
    assert f"{shorts(more)[2]}: Pushed" in said
    tare("tag", f"{name}:2", f"{registry.host}/elsewhere/site")
    assert f"{shorts(more)[0]}: Mounted from new/site" in tare("push", f"{registry.host}/elsewhere/site")


def test_layers_are_extracted_when_they_are_needed_if_so_wanted(
    registry: Registry, tare: Tare, other: Tare, site: Image
) -> None:
    name = f"{registry.host}/later/site:1"
    tare("tag", "site:1", name)
    tare("push", "-q", name)
    assert "Pull complete" not in other("pull", "--unpack=false", name)
    assert not (other.root / "layers").exists()
    assert other.state == {name: site.digest}
    other("pull", name)
    assert len(list((other.root / "layers").iterdir())) == 2


def test_all_tags(registry: Registry, tare: Tare, other: Tare, site: Image) -> None:
    name = f"{registry.host}/tags/site"
    build_image(tare.store, f"{name}:b", LAYERS[:1], ImageConfig())
    for tag in ("a", "c"):
        tare("tag", site.digest, f"{name}:{tag}")
    assert tare("push", "-a", name).count("digest: sha256:") == 3
    assert other("pull", "--all-tags", name).count("Digest: ") == 3
    assert other.state == {tag: digest for tag, digest in tare.state.items() if tag != "site:1"}


def test_a_name_without_a_tag_is_latest(registry: Registry, tare: Tare, other: Tare, site: Image) -> None:
    name = f"{registry.host}/default/site"
    tare("tag", "site:1", name)
    assert "Using default tag: latest" in tare("push", name)
    assert other("pull", name).startswith("Using default tag: latest\nlatest: Pulling from default/site\n")
    assert other.state == {f"{name}:latest": site.digest}


def test_pull_by_digest_leaves_no_name(registry: Registry, tare: Tare, other: Tare, site: Image) -> None:
    name = f"{registry.host}/digest/site"
    tare("tag", "site:1", f"{name}:1")
    tare("push", "-q", f"{name}:1")
    assert f"Digest: {site.digest}\n" in other("pull", f"{name}@{site.digest}")
    assert other("images").splitlines()[1].split()[:3] == ["<none>", "<none>", site.digest[7:19]]


@pytest.mark.parametrize("compression", ["gzip", "zstd"])
def test_push_compresses_when_asked(registry: Registry, tare: Tare, other: Tare, site: Image, compression: str) -> None:
    name = f"{registry.host}/compressed/{compression}:1"
    tare("tag", "site:1", name)
    tare("push", "--compression-format", compression, name)
    other("pull", name)
    back = other.store.resolve(name)
    assert {layer.media_type.partition("+")[2] for layer in back.manifest.layers} == {compression}
    assert back.config == site.config


def test_what_is_not_there(registry: Registry, tare: Tare, site: Image) -> None:
    assert site.reference == "site:1"
    missing = f"{registry.host}/no/such"
    assert f"manifest for {missing}:1 not found: manifest unknown" in tare.failure("pull", f"{missing}:1")
    assert tare.failure("push", missing) == f"tare: An image does not exist locally with the tag: {missing}\n"
    assert tare.failure("tag", "nope", "a:1") == "tare: No such image: nope:latest\n"
    assert "repository name (Upper) must be lowercase" in tare.failure("pull", "Upper")
    assert "refused" in tare.failure("pull", "127.0.0.1:1/x").lower()
    assert tare.state == {"site:1": site.digest}


def test_short_names_are_the_hub_s(tare: Tare, site: Image) -> None:
    tare("tag", "site:1", "docker.io/library/site:2")
    tare("tag", "site:1", "index.docker.io/me/site")
    assert set(tare.state) == {"site:1", "site:2", "me/site:latest"}
    for name in ("site:2", "library/site:2", "docker.io/library/site:2", "docker.io/site:2"):
        if name != "library/site:2":  # as it is written: a namespace of the hub is not added behind one's back
            assert json.loads(tare("image", "inspect", name))[0]["Id"] == site.digest


def test_bars_on_a_terminal(registry: Registry, tare: Tare, other: Tare) -> None:
    """Lines are written over, and in the end each layer has one."""
    layers = [LayerRecipe((File("f", os.urandom(3_000_000)),), "f"), *LAYERS]
    image = build_image(tare.store, f"{registry.host}/bars/x:1", layers, CONFIG)
    tare("push", "-q", image.reference)
    master, slave = pty.openpty()
    process = subprocess.Popen(
        other.argv("pull", image.reference), env={**other.environment, "TERM": "xterm"}, stdout=slave, stderr=slave
    )
    os.close(slave)
    seen = b""
    try:
        while data := os.read(master, 1 << 16):
            seen += data
    except OSError:  # the other end has closed (EIO)
        pass
    os.close(master)
    assert process.wait(timeout=60) == 0
    text = seen.decode()
    assert f"\x1b[{len(layers)}A" in text
    assert re.search(r"Downloading \[=*>? *\]", text)
    final = text.rpartition(f"\x1b[{len(layers)}A")[2]
    assert [f"{layer}: Pull complete" in final for layer in shorts(image)] == [True] * 3

"""Manifests, indexes and configurations: what the image-spec allows is read, the rest named by place."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from typing import Any

import pytest

from runtime.image.config import History, ImageConfig
from runtime.image.descriptor import Descriptor, Platform
from runtime.image.digest import Digest
from runtime.image.document import Document
from runtime.image.errors import ImageError, ImageNotFound, InvalidDocument, UnsupportedMedia
from runtime.image.manifest import (
    CONFIG,
    DOCKER_CONFIG,
    DOCKER_INDEX,
    DOCKER_LAYER_GZIP,
    DOCKER_MANIFEST,
    INDEX,
    LAYER,
    MANIFEST,
    Index,
    Manifest,
    parse,
)

AMD64 = Platform("linux", "amd64")
ARM = Platform("linux", "arm", "v7")


def descriptor(media_type: str, content: bytes = b"", **fields: Any) -> Descriptor:
    return replace(Descriptor.of(media_type, content), **fields)


FULL_MANIFEST = Manifest(
    descriptor(CONFIG, b"config", annotations={"a": "b"}),
    (descriptor(LAYER, b"1"), descriptor(LAYER, b"2")),
    annotations={"c": "d"},
)
FULL_CONFIG = ImageConfig(
    entrypoint=("/bin/httpd",),
    cmd=("-f", "-p", "8080"),
    env=("PATH=/bin", "EMPTY="),
    user="65534:65534",
    working_dir="/srv/www",
    exposed_ports=("53/udp", "8080/tcp"),
    volumes=("/data",),
    labels={"key": "wert ä"},
    stop_signal="SIGTERM",
    diff_ids=(Digest.of(b"1"), Digest.of(b"2")),
    history=(History("cp", "2020-01-01T00:00:00Z", "me", "why"), History(empty_layer=True)),
    platform=ARM,
    created="2020-01-01T00:00:00Z",
    author="me",
    extensions={"Shell": ["/bin/bash", "-c"], "Healthcheck": {"Test": ["NONE"]}},
)


def as_json(value: Manifest | Index) -> dict[str, Any]:
    json_value: dict[str, Any] = json.loads(value.encode())
    return json_value


def parse_json(value: dict[str, Any], media_type: str = MANIFEST) -> Manifest | Index:
    return parse(json.dumps(value).encode(), media_type, "manifest x")


def test_manifest_and_index_are_read_as_written() -> None:
    index = Index((descriptor(MANIFEST, platform=ARM), descriptor(MANIFEST, b"2")), annotations={"a": "b"})
    assert parse(FULL_MANIFEST.encode(), MANIFEST, "x") == FULL_MANIFEST
    assert parse(index.encode(), INDEX, "x") == index


def test_every_field_of_the_configuration_is_read_as_written() -> None:
    unset = [field.name for field in fields(FULL_CONFIG) if not getattr(FULL_CONFIG, field.name)]
    assert unset == []
    assert ImageConfig.parse(FULL_CONFIG.encode(), "x") == FULL_CONFIG
    assert FULL_CONFIG.argv == ("/bin/httpd", "-f", "-p", "8080")


def test_configuration_with_nulls_as_docker_writes_it() -> None:
    content = b"""{"architecture": "amd64", "os": "linux", "created": null, "history": null,
        "config": {"Entrypoint": null, "Cmd": ["sh"], "Env": null, "ExposedPorts": null, "Labels": null},
        "rootfs": {"type": "layers", "diff_ids": null}, "unknown": {"is": "ignored"}}"""
    config = ImageConfig.parse(content, "x")
    assert (config.argv, config.env, config.exposed_ports, config.diff_ids) == (("sh",), (), (), ())


def test_media_type_member_is_optional() -> None:
    value = as_json(FULL_MANIFEST)
    del value["mediaType"]
    assert parse_json(value) == FULL_MANIFEST


def test_docker_media_types_are_accepted() -> None:
    manifest = Manifest(descriptor(DOCKER_CONFIG), (descriptor(DOCKER_LAYER_GZIP),), DOCKER_MANIFEST)
    index = Index((descriptor(DOCKER_MANIFEST, platform=AMD64),), DOCKER_INDEX)
    assert parse(manifest.encode(), DOCKER_MANIFEST, "x") == manifest
    assert parse(index.encode(), DOCKER_INDEX, "x") == index


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"schemaVersion": 1}, "manifest x: schemaVersion: expected 2, not 1"),
        ({"schemaVersion": True}, "schemaVersion: expected a whole number"),
        ({"mediaType": INDEX}, "mediaType: .* but the descriptor says"),
        ({"manifests": []}, "manifests: a document cannot be both"),
        ({"config": None}, "config: missing"),
        ({"config": []}, "config: expected an object, not an array"),
        ({"layers": {}}, "layers: expected an array, not an object"),
        ({"layers": [1]}, r"layers\[0\]: expected an object, not a number"),
        ({"layers": [{}]}, r"layers\[0\].digest: missing"),
        ({"layers": [{"digest": "sha256:12"}]}, r"layers\[0\].digest: digest sha256:12: expected 64"),
        ({"annotations": {"a": 1}}, "annotations.a: expected a string, not a number"),
    ],
)
def test_invalid_manifest_names_the_place(change: dict[str, Any], problem: str) -> None:
    with pytest.raises(InvalidDocument, match=problem):
        parse_json(as_json(FULL_MANIFEST) | change)


@pytest.mark.parametrize("size", [-1, 1 << 63, 1.5, True, "12", None])
def test_impossible_sizes_are_refused(size: object) -> None:
    value = as_json(FULL_MANIFEST)
    value["layers"][1]["size"] = size
    with pytest.raises(InvalidDocument, match=r"layers\[1\].size: "):
        parse_json(value)


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b"\xff", b'{"a": NaN}', b"null", b"[" * 100_000])
def test_not_a_json_object(content: bytes) -> None:
    with pytest.raises(InvalidDocument, match=r"^manifest x: "):
        Document.parse(content, "manifest x")


def test_artefact_is_no_image() -> None:
    artefact = replace(FULL_MANIFEST, config=descriptor("application/vnd.oci.empty.v1+json"))
    with pytest.raises(UnsupportedMedia, match="an artefact, not a container image"):
        parse(artefact.encode(), MANIFEST, "x")
    with pytest.raises(UnsupportedMedia, match="neither an image manifest nor an index"):
        parse(b'{"schemaVersion": 2}', "text/plain", "x")


def test_index_selects_by_platform() -> None:
    arm, amd64 = descriptor(MANIFEST, b"arm", platform=ARM), descriptor(MANIFEST, b"amd64", platform=AMD64)
    index = Index((arm, amd64))
    assert index.select(AMD64, "x") == amd64
    assert index.select(ARM, "x") == arm
    assert index.select(Platform("linux", "arm"), "x") == arm
    with pytest.raises(ImageNotFound, match=r"x: no image for linux/s390x, only for linux/arm/v7, linux/amd64"):
        index.select(Platform("linux", "s390x"), "x")
    with pytest.raises(ImageNotFound):
        index.select(Platform("linux", "arm", "v6"), "x")


@pytest.mark.parametrize(
    ("rootfs", "problem"),
    [
        ({"type": "tree"}, "rootfs.type: expected 'layers', not 'tree'"),
        ({"diff_ids": ["x"]}, r"rootfs.diff_ids\[0\]: digest 'x'"),
        ({"diff_ids": [1]}, r"rootfs.diff_ids\[0\]: expected a string"),
    ],
)
def test_invalid_configuration_names_the_place(rootfs: dict[str, Any], problem: str) -> None:
    content = json.dumps({"os": "linux", "architecture": "amd64", "rootfs": rootfs}).encode()
    with pytest.raises(InvalidDocument, match=f"config x: {problem}"):
        ImageConfig.parse(content, "config x")


def test_every_error_is_an_image_error() -> None:
    with pytest.raises(ImageError):
        ImageConfig.parse(b"{}", "x")


def test_the_same_value_has_the_same_bytes() -> None:
    one = ImageConfig(labels={"a": "1", "b": "2"})
    other = ImageConfig(labels={"b": "2", "a": "1"})
    assert one.encode() == other.encode()

"""Parsers of what strangers send: whatever the bytes, a value or an `ImageError`, and nothing outside is touched."""

from __future__ import annotations

import gzip
import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.image.archive import LayerLimits
from runtime.image.compression import Compression
from runtime.image.config import ImageConfig
from runtime.image.descriptor import Descriptor, Platform
from runtime.image.digest import Digest, VerifyingReader
from runtime.image.errors import ImageError
from runtime.image.layer import Layer, extract_layer
from runtime.image.manifest import CONFIG, INDEX, INDEX_TYPES, LAYER, LAYER_GZIP, LAYER_ZSTD, MANIFEST, Manifest, parse
from tests.unit.image.conftest import Ground, Member, make_tar

if TYPE_CHECKING:
    from collections.abc import Callable

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=20,
)
DIGEST = str(Digest.of(b"x"))
DESCRIPTOR = st.fixed_dictionaries(
    {},
    optional={
        "mediaType": st.sampled_from([CONFIG, LAYER, INDEX, MANIFEST, ""]) | JSON,
        "digest": st.sampled_from([DIGEST, "sha256:", "sha512:" + "a" * 128]) | JSON,
        "size": st.integers(-1, 1 << 70) | JSON,
        "annotations": st.dictionaries(st.text(max_size=5), JSON, max_size=2) | JSON,
        "platform": st.fixed_dictionaries({}, optional={"os": JSON, "architecture": JSON}) | JSON,
        "artifactType": JSON,
    },
)
DOCUMENT = st.fixed_dictionaries(
    {},
    optional={
        "schemaVersion": st.sampled_from([2, 1, True, 2.0]) | JSON,
        "mediaType": st.sampled_from([MANIFEST, INDEX]) | JSON,
        "config": DESCRIPTOR | JSON,
        "layers": st.lists(DESCRIPTOR | JSON, max_size=3) | JSON,
        "manifests": st.lists(DESCRIPTOR | JSON, max_size=3) | JSON,
        "annotations": JSON,
    },
)


@given(
    st.binary(max_size=200) | DOCUMENT.map(lambda value: json.dumps(value).encode()), st.sampled_from([MANIFEST, INDEX])
)
def test_any_manifest_is_one_or_refused(content: bytes, media_type: str) -> None:
    try:
        document = parse(content, media_type, "fuzz")
    except ImageError as error:
        assert str(error).startswith("fuzz")  # noqa: PT017 - most are refused
        return
    if isinstance(document, Manifest):
        assert document.config.size_bytes >= 0
    assert parse(document.encode(), document.media_type, "fuzz") == document
    if document.media_type in INDEX_TYPES and not isinstance(document, Manifest):
        try:
            document.select(Platform("linux", "amd64"), "fuzz")
        except ImageError:
            return


@given(
    st.binary(max_size=100)
    | st.fixed_dictionaries(
        {},
        optional={
            "os": JSON,
            "architecture": JSON,
            "config": st.dictionaries(st.sampled_from(["Env", "Cmd", "User", "ExposedPorts", "Labels"]), JSON) | JSON,
            "rootfs": st.fixed_dictionaries({}, optional={"type": JSON, "diff_ids": st.lists(JSON, max_size=3) | JSON}),
            "history": st.lists(JSON, max_size=3),
        },
    ).map(lambda value: json.dumps(value).encode())
)
def test_any_configuration_is_one_or_refused(content: bytes) -> None:
    try:
        config = ImageConfig.parse(content, "fuzz")
    except ImageError as error:
        assert str(error).startswith("fuzz")  # noqa: PT017 - most are refused
    else:
        assert ImageConfig.parse(config.encode(), "fuzz") == config


PARTS = st.sampled_from(["..", ".", "", "a", "b", ".wh.a", ".wh..wh..opq", ".wh.", "ä", "x" * 300])
NAMES = st.lists(PARTS, max_size=4).map("/".join)
KINDS = st.sampled_from([b"0", b"1", b"2", b"3", b"4", b"5", b"6", b"7", b"L", b"g", b"S", b"Z"])
MEMBERS = st.builds(
    Member,
    name=NAMES,
    kind=KINDS,
    content=st.binary(max_size=20),
    link=NAMES | st.just("/etc/passwd"),
    mode=st.integers(0, 0o7777),
    owner=st.tuples(st.integers(0, 1 << 21), st.integers(0, 1 << 21)),
    mtime=st.integers(0, 1 << 33),
    pax=st.dictionaries(
        st.sampled_from(
            ["size", "path", "linkpath", "mtime", "uid", "SCHILY.xattr.user.x", "SCHILY.xattr.trusted.overlay.opaque"]
        ),
        st.text(alphabet="0123456789-./ay", min_size=1, max_size=8),
        max_size=2,
    ),
)
FORMS: list[tuple[str, Callable[[bytes], bytes]]] = [
    (LAYER, bytes), (LAYER_GZIP, gzip.compress), (LAYER_ZSTD, zstandard.compress),
]  # fmt: skip


def safe_tar(members: list[Member]) -> bytes:
    try:
        return make_tar(*members)
    except (ValueError, UnicodeError, OverflowError):
        return b""


@pytest.mark.root
@settings(max_examples=150, deadline=None)
@given(st.lists(MEMBERS, max_size=6).map(safe_tar) | st.binary(max_size=2000), st.sampled_from(FORMS), st.data())
def test_any_layer_is_extracted_or_refused(
    archive: bytes, form: tuple[str, Callable[[bytes], bytes]], data: Any
) -> None:
    media_type, compress = form
    blob = bytearray(compress(archive))
    for _ in range(data.draw(st.integers(0, 2))):
        if blob:
            blob[data.draw(st.integers(0, len(blob) - 1))] = data.draw(st.integers(0, 255))
    content = bytes(blob)
    with tempfile.TemporaryDirectory() as directory:
        ground = Ground(Path(directory))
        descriptor = Descriptor.of(media_type, content)
        import io

        reader = VerifyingReader(io.BytesIO(content), descriptor.digest, descriptor.size_bytes, "fuzz")
        try:
            extract_layer(Layer(descriptor, Digest.of(archive)), reader, ground.layer, limits=LayerLimits(1 << 20, 100))
        except ImageError as error:
            assert str(error)  # noqa: PT017 - most are refused
        assert ground.untouched()


@pytest.mark.parametrize("compression", list(Compression))
def test_what_compresses_is_what_the_media_type_says(compression: Compression) -> None:
    assert compression.value in {LAYER_GZIP.rpartition("+")[2], LAYER_ZSTD.rpartition("+")[2]}

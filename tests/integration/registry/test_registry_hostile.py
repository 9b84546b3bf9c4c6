"""Registries that lie, trickle, redirect and never end: an error names it, nothing is kept, and a retry works."""

from __future__ import annotations

import gzip
import json
import os
import re
import socket
import threading
import time
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from runtime.image.archive import LayerLimits
from runtime.image.builder import File, LayerRecipe, build_image, layer_tar
from runtime.image.check import check
from runtime.image.config import ImageConfig
from runtime.image.descriptor import Descriptor, Platform
from runtime.image.digest import Digest
from runtime.image.errors import CorruptBlob, ImageError, InvalidDocument, LayerTooLarge, UnsupportedMedia
from runtime.image.manifest import CONFIG, INDEX, LAYER_GZIP, MANIFEST, Index, Manifest
from runtime.image.registry.client import RegistryClient
from runtime.image.registry.credentials import Credentials
from runtime.image.registry.endpoint import Repository
from runtime.image.registry.errors import (
    AuthenticationFailed,
    NotSecure,
    RegistryError,
    TooSlow,
    UnexpectedAnswer,
    Unreachable,
)
from runtime.image.registry.pull import PullOptions, pull
from runtime.image.registry.push import push
from runtime.image.store import ImageStore
from tests.support.fake_registry import Exchange, FakeRegistry, fake_registry
from tests.support.registry import IMPATIENT, QUICK

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from runtime.image.store import Image

SECRET = Credentials("me", "secret")


def layer_of(image: Image) -> str:
    return str(image.manifest.layers[0].digest)


def nothing_in(store: ImageStore) -> bool:
    """Whether no image is listed, and every blob that is there is right."""
    return store.images() == () and check(store).is_sound


def damage_cut(content: bytes) -> bytes:
    return content[: len(content) // 2]


def damage_flip(content: bytes) -> bytes:
    return content[:-1] + bytes([content[-1] ^ 1])


def damage_more(content: bytes) -> bytes:
    return content + b"more"


def damage_all(content: bytes) -> bytes:
    del content
    return b""


@pytest.mark.parametrize("damage", [damage_cut, damage_flip, damage_more, damage_all])
@pytest.mark.parametrize("which", ["layer", "config"])
def test_content_that_is_not_as_promised_is_named_and_not_kept(
    fake: FakeRegistry,
    client: RegistryClient,
    offered: Image,
    other: ImageStore,
    *,
    damage: Callable[[bytes], bytes],
    which: str,
) -> None:
    digest = layer_of(offered) if which == "layer" else str(offered.manifest.config.digest)
    good = fake.blobs[digest]
    fake.blobs[digest] = damage(good)
    with pytest.raises(CorruptBlob, match=f"get blob {digest}"):
        pull(other, client, f"{fake.host}/a/site:1")
    assert nothing_in(other)
    assert [path.name for path in other.downloads.root.iterdir() if path.name.endswith(digest[7:])] == []
    fake.blobs[digest] = good
    assert pull(other, client, f"{fake.host}/a/site:1").digest == offered.digest
    assert check(other).is_sound


def test_swapped_blobs(fake: FakeRegistry, client: RegistryClient, offered: Image, other: ImageStore) -> None:
    one, two = (str(layer.digest) for layer in offered.manifest.layers)
    fake.blobs[one], fake.blobs[two] = fake.blobs[two], fake.blobs[one]
    with pytest.raises(CorruptBlob, match="get blob sha256:"):
        pull(other, client, f"{fake.host}/a/site:1")
    assert nothing_in(other)


def test_a_manifest_of_another_digest(
    fake: FakeRegistry, client: RegistryClient, offered: Image, other: ImageStore
) -> None:
    media_type, content = fake.manifests["a/site", "1"]
    fake.manifests["a/site", offered.digest] = (media_type, content + b" ")
    with pytest.raises(CorruptBlob, match=f"{offered.digest}: content has digest"):
        pull(other, client, f"{fake.host}/a/site@{offered.digest}")
    assert nothing_in(other)


def test_a_manifest_of_100_mb(fake: FakeRegistry, client: RegistryClient, other: ImageStore) -> None:
    sent: list[int] = []

    def endless(exchange: Exchange) -> None:
        exchange.send_response(200)
        exchange.send_header("Content-Type", MANIFEST)
        exchange.send_header("Content-Length", str(100 << 20))
        exchange.end_headers()
        for _ in range(100):
            exchange.wfile.write(b" " * (1 << 20))
            sent.append(1)

    fake.rule("GET .*manifests", endless)
    with pytest.raises(UnexpectedAnswer, match="more than 4194304 bytes"):
        pull(other, client, f"{fake.host}/a:1")
    assert len(sent) < 50


def test_an_index_that_points_to_itself(fake: FakeRegistry, client: RegistryClient, other: ImageStore) -> None:
    """By the digest that it claims to have, which no content can."""
    claimed = Digest.of(b"claimed")
    index = Index((Descriptor(INDEX, claimed, 500, platform=Platform.host()),)).encode()
    fake.manifests["a", "1"] = fake.manifests["a", str(claimed)] = (INDEX, index)
    with pytest.raises(CorruptBlob, match=f"{claimed}: content has digest"):
        pull(other, client, f"{fake.host}/a:1")


def test_indexes_within_indexes_end(fake: FakeRegistry, client: RegistryClient, other: ImageStore) -> None:
    content = Index(()).encode()
    for _ in range(20):
        fake.add_manifest("a", "1", INDEX, content)
        content = Index((Descriptor(INDEX, Digest.of(content), len(content), platform=Platform.host()),)).encode()
    with pytest.raises(InvalidDocument, match="nested deeper than 4"):
        pull(other, client, f"{fake.host}/a:1")


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (b"", InvalidDocument),
        (b"[]", InvalidDocument),
        (b"{" * 100_000, InvalidDocument),
        (b'{"schemaVersion": 1}', InvalidDocument),
        (b'{"schemaVersion": 2, "config": {}, "layers": []}', InvalidDocument),
        (b'{"schemaVersion": 2, "config": {}, "manifests": []}', InvalidDocument),
    ],
)
def test_what_is_no_manifest(
    fake: FakeRegistry, client: RegistryClient, other: ImageStore, content: bytes, error: type[ImageError]
) -> None:
    fake.add_manifest("a", "1", MANIFEST, content)
    with pytest.raises(error, match=re.escape("/a:1")):
        pull(other, client, f"{fake.host}/a:1")
    fake.add_manifest("a", "1", "text/html", content)
    with pytest.raises(ImageError):
        pull(other, client, f"{fake.host}/a:1")


def offer(fake: FakeRegistry, archive: bytes, diff_ids: tuple[Digest, ...], size: int | None = None) -> Descriptor:
    """An image of one layer of these bytes, with these diff_ids."""
    layer = Descriptor.of(LAYER_GZIP, archive)
    layer = replace(layer, size_bytes=layer.size_bytes if size is None else size)
    config = ImageConfig(diff_ids=diff_ids).encode()
    manifest = Manifest(Descriptor.of(CONFIG, config), (layer,)).encode()
    fake.blobs |= {str(Digest.of(config)): config, str(layer.digest): archive}
    fake.add_manifest("a", "1", MANIFEST, manifest)
    return layer


@pytest.mark.root
def test_a_config_whose_diff_ids_do_not_match(fake: FakeRegistry, client: RegistryClient, other: ImageStore) -> None:
    archive = gzip.compress(layer_tar((File("f", b"x"),)))
    offer(fake, archive, (Digest.of(b"something else"),))
    with pytest.raises(CorruptBlob, match="has digest"):
        pull(other, client, f"{fake.host}/a:1", PullOptions(unpack=True))
    assert nothing_in(other)
    offer(fake, archive, ())
    with pytest.raises(InvalidDocument, match="0 diff_ids for 1 layers"):
        pull(other, client, f"{fake.host}/a:1")
    assert nothing_in(other)


@pytest.mark.root
def test_a_gzip_bomb_is_stopped_at_the_limit(fake: FakeRegistry, client: RegistryClient, tmp_path: Path) -> None:
    plain = layer_tar((File("zeros", bytes(64 << 20)),))
    offer(fake, gzip.compress(plain), (Digest.of(plain),))
    store = ImageStore(tmp_path / "small", LayerLimits(max_bytes=1 << 20))
    with pytest.raises(LayerTooLarge, match="a layer may have 1048576"):
        pull(store, client, f"{fake.host}/a:1", PullOptions(unpack=True))
    assert nothing_in(store)
    used = sum(path.stat().st_blocks * 512 for path in (store.root / "layers").rglob("*"))
    assert used < 4 << 20
    large = ImageStore(tmp_path / "large", LayerLimits(max_bytes=65 << 20))
    assert pull(large, client, f"{fake.host}/a:1", PullOptions(unpack=True)).reference.endswith("/a:1")


@pytest.mark.parametrize("size", [0, 10, 10**6, 10**15])
def test_a_layer_that_lies_about_its_size(
    fake: FakeRegistry, client: RegistryClient, other: ImageStore, size: int
) -> None:
    plain = layer_tar((File("f", b"x"),))
    layer = offer(fake, gzip.compress(plain), (Digest.of(plain),), size)
    with pytest.raises(CorruptBlob, match=f"get blob {layer.digest}: .* {'bytes' if size else ''}"):
        pull(other, client, f"{fake.host}/a:1")
    assert nothing_in(other)


def test_a_layer_without_end_is_read_no_further_than_promised(
    fake: FakeRegistry, client: RegistryClient, offered: Image, other: ImageStore
) -> None:
    def endless(exchange: Exchange) -> None:
        exchange.send_response(200)
        exchange.send_header("Transfer-Encoding", "chunked")
        exchange.end_headers()
        while True:
            exchange.wfile.write(b"10000\r\n" + bytes(0x10000) + b"\r\n")

    fake.rule(f"GET .*{layer_of(offered)}", endless)
    with pytest.raises(CorruptBlob, match=r"more than the promised \d+ bytes"):
        pull(other, client, f"{fake.host}/a/site:1")
    assert nothing_in(other)


def asks_for_password(exchange: Exchange) -> bool:
    if "Authorization" in exchange.headers:
        return False
    exchange.read_body()
    exchange.answer(401, WWW_Authenticate='Basic realm="x"')
    return True


def test_credentials_do_not_follow_a_redirect_to_another_host(
    fake: FakeRegistry, offered: Image, other: ImageStore
) -> None:
    with fake_registry() as elsewhere, RegistryClient(QUICK, lambda _: SECRET) as client:
        elsewhere.blobs |= fake.blobs
        fake.rule("GET .*(manifests|blobs)", asks_for_password)
        fake.rule(
            "GET .*blobs", lambda exchange: exchange.answer(307, Location=f"http://{elsewhere.host}{exchange.path}")
        )
        assert pull(other, client, f"{fake.host}/a/site:1").digest == offered.digest
        assert len(elsewhere.seen("blobs")) == 3
        assert [seen for seen in elsewhere.requests if "Authorization" in seen.headers] == []
        assert all("Authorization" in seen.headers for seen in fake.seen("blobs")[-1:])


@pytest.mark.parametrize("challenge", ['Basic realm="x"', 'Bearer realm="http://{host}/token",service="x"'])
def test_whom_we_are_redirected_to_cannot_ask_for_our_credentials(
    fake: FakeRegistry, offered: Image, other: ImageStore, challenge: str
) -> None:
    with fake_registry() as elsewhere, RegistryClient(QUICK, lambda _: SECRET) as client:
        fake.rule(
            "GET .*blobs", lambda exchange: exchange.answer(307, Location=f"http://{elsewhere.host}{exchange.path}")
        )
        asked = challenge.format(host=elsewhere.host)
        elsewhere.rule("GET .*blobs", lambda exchange: exchange.answer(401, WWW_Authenticate=asked))
        with pytest.raises(AuthenticationFailed):
            pull(other, client, f"{fake.host}/a/site:1")
        assert [seen for seen in elsewhere.requests if "Authorization" in seen.headers] == []
        assert elsewhere.seen("token") == []
    assert offered.reference == "site:1"


@pytest.mark.parametrize(
    ("location", "error", "problem"),
    [
        ("/v2/a/site/manifests/1", UnexpectedAnswer, "redirected more than 5 times"),
        ("http://registry.example.org/", NotSecure, "not spoken to without TLS"),
        ("file:///etc/passwd", UnexpectedAnswer, "no URL of http or https"),
        ("http://[", UnexpectedAnswer, "redirected"),
    ],
)
def test_where_a_redirect_may_not_lead(
    fake: FakeRegistry,
    client: RegistryClient,
    other: ImageStore,
    *,
    location: str,
    error: type[RegistryError],
    problem: str,
) -> None:
    fake.rule("GET .*manifests", lambda exchange: exchange.answer(302, Location=location))
    with pytest.raises(error, match=problem):
        pull(other, client, f"{fake.host}/a/site:1")


def test_a_token_service_elsewhere_is_not_given_passwords_in_the_clear(fake: FakeRegistry, other: ImageStore) -> None:
    fake.rule("GET .*manifests", lambda e: e.answer(401, WWW_Authenticate='Bearer realm="http://tokens.example.org/"'))
    with (
        RegistryClient(QUICK, lambda _: SECRET) as client,
        pytest.raises(NotSecure, match=r"tokens\.example\.org is not spoken to without TLS"),
    ):
        pull(other, client, f"{fake.host}/a/site:1")


def test_a_registry_that_never_answers(client: RegistryClient, other: ImageStore) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        host = f"127.0.0.1:{listener.getsockname()[1]}"
        with pytest.raises(TooSlow):
            pull(other, client, f"{host}/a:1")


def trickle(exchange: Exchange, head: bytes) -> None:
    """A byte now and then, and no end."""
    try:
        exchange.wfile.write(head)
        while True:
            exchange.wfile.write(b"x")
            exchange.wfile.flush()
            time.sleep(0.2)
    except OSError:
        exchange.close_connection = True


HEADS = [b"HTTP/1.1 200 OK\r\nX-Long: ", b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n", b"HTTP/1.1 2"]


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("what", ["manifests", "blobs"])
def test_a_registry_that_trickles(
    fake: FakeRegistry, offered: Image, other: ImageStore, head: bytes, what: str
) -> None:
    fake.rule(f"GET .*{what}", lambda exchange: trickle(exchange, head))
    patience = replace(IMPATIENT, answer_s=1, rate_window_s=1, attempts=2)
    with (
        RegistryClient(replace(QUICK, patience=patience)) as client,
        pytest.raises((TooSlow, Unreachable, CorruptBlob)),
    ):
        pull(other, client, f"{fake.host}/a/site:1")
    assert nothing_in(other)
    assert offered.reference == "site:1"


def test_a_tag_that_changes_during_a_pull(
    fake: FakeRegistry, client: RegistryClient, offered: Image, store: ImageStore, other: ImageStore
) -> None:
    """The pull goes on with what the tag stood for when it was asked."""
    newer = build_image(store, "newer:1", (LayerRecipe((File("new", b"new"),), "new"),), ImageConfig())

    def move(exchange: Exchange) -> bool:
        if ("moved", "") not in exchange.registry.manifests:
            exchange.registry.manifests["moved", ""] = ("", b"")
            exchange.registry.add(store, newer, "a/site", "1")
        return False

    fake.rule("GET .*blobs", move)
    assert pull(other, client, f"{fake.host}/a/site:1").digest == offered.digest
    assert pull(other, client, f"{fake.host}/a/site:1").digest == newer.digest
    assert check(other).is_sound


@pytest.mark.parametrize("status", [200, 206, 301, 400, 418, 500])
@pytest.mark.parametrize(
    "content", [b"", b"\xff\x00\x1b[2J", b'{"errors": {}}', b'{"errors": [1, {"code": []}]}', b"[" * 70_000]
)
def test_answers_of_nonsense(
    fake: FakeRegistry, client: RegistryClient, other: ImageStore, status: int, content: bytes
) -> None:
    fake.rule("GET .*(manifests|tags)", lambda exchange: exchange.answer(status, content))
    with pytest.raises(ImageError) as caught:
        pull(other, client, f"{fake.host}/a:1")
    assert str(caught.value).isprintable()
    with suppress(ImageError):
        assert client.tags(Repository(fake.host, "a")) == ()


def test_tags_without_end(fake: FakeRegistry, client: RegistryClient) -> None:
    content = json.dumps({"tags": ["a"]}).encode()
    fake.rule("tags/list", lambda exchange: exchange.answer(200, content, Link='</v2/a/tags/list?n=1>; rel="next"'))
    with pytest.raises(UnexpectedAnswer, match="more than 1000 pages"):
        client.tags(Repository(fake.host, "a"))


@pytest.mark.parametrize("location", ["", "ftp://x/", "http://registry.example.org/upload"])
def test_where_an_upload_may_not_go(
    fake: FakeRegistry, client: RegistryClient, store: ImageStore, location: str
) -> None:
    build_image(store, f"{fake.host}/a:1", (LayerRecipe((File("f", b"x"),), "f"),), ImageConfig())
    fake.rule("^POST", lambda exchange: exchange.answer(202, Location=location))
    with pytest.raises(RegistryError, match="push blob"):
        push(store, client, f"{fake.host}/a:1")
    assert fake.manifests == {}


def test_a_damaged_blob_of_ours_is_not_pushed(fake: FakeRegistry, store: ImageStore) -> None:
    name = f"{fake.host}/a:1"
    image = build_image(store, name, (LayerRecipe((File("f", os.urandom(100_000)),), "f"),), ImageConfig())
    path = store.layout.blobs.path(image.manifest.layers[0].digest)
    content = path.read_bytes()
    path.write_bytes(damage_flip(content))
    for chunk_bytes in (1 << 20, 30_000):
        with RegistryClient(replace(QUICK, chunk_bytes=chunk_bytes)) as client, pytest.raises(CorruptBlob):
            push(store, client, name)
    assert fake.manifests == {}


def test_the_first_failure_ends_the_other_transfers(
    fake: FakeRegistry, client: RegistryClient, store: ImageStore, other: ImageStore
) -> None:
    """One blob is missing; another would take for ever."""
    layers = [LayerRecipe((File(f"f{n}", os.urandom(500_000)),), "f") for n in range(3)]
    image = build_image(store, "big:1", layers, ImageConfig())
    fake.add(store, image, "big", "1")
    del fake.blobs[str(image.manifest.layers[0].digest)]
    going = threading.Event()

    def slowly(exchange: Exchange) -> None:
        going.set()
        content = exchange.registry.blobs[exchange.path.rsplit("/", 1)[1]]
        exchange.send_response(200)
        exchange.send_header("Content-Length", str(len(content)))
        exchange.end_headers()
        for start in range(0, len(content), 5000):
            exchange.wfile.write(content[start : start + 5000])
            time.sleep(0.05)

    fake.rule(f"GET .*{image.manifest.layers[1].digest}", slowly)
    with pytest.raises(RegistryError, match="status 404"):
        pull(other, client, f"{fake.host}/big:1")
    assert nothing_in(other)
    # What was got by then is not lost.
    assert not going.is_set() or list(other.downloads.root.iterdir())


def test_a_config_too_large_to_be_one(fake: FakeRegistry, client: RegistryClient, other: ImageStore) -> None:
    manifest = Manifest(Descriptor(CONFIG, Digest.of(b"x"), 1 << 40), ()).encode()
    fake.add_manifest("a", "1", MANIFEST, manifest)
    with pytest.raises(UnsupportedMedia, match="documents have at most"):
        pull(other, client, f"{fake.host}/a:1")
    assert not other.root.exists()

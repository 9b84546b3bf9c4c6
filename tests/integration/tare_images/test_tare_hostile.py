"""Registries that lie, through the command line: exit code 1, one line that names the blob, and nothing is changed."""

from __future__ import annotations

import base64
import gzip
import json
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from runtime.image.builder import File, LayerRecipe, build_image, layer_tar
from runtime.image.config import ImageConfig
from runtime.image.descriptor import Descriptor, Platform
from runtime.image.digest import Digest
from runtime.image.manifest import CONFIG, INDEX, LAYER_GZIP, MANIFEST, Index, Manifest
from tests.support.fake_registry import Exchange, FakeRegistry, fake_registry

if TYPE_CHECKING:
    from collections.abc import Callable

    from runtime.image.store import Image
    from tests.support.tarecli import Tare

    Attack = Callable[[FakeRegistry, Image], str]

pytestmark = pytest.mark.root


def layer_of(image: Image) -> str:
    return str(image.manifest.layers[1].digest)


def truncated(fake: FakeRegistry, image: Image) -> str:
    fake.rule(f"GET .*{layer_of(image)}", lambda exchange: exchange.answer(200, good(exchange)[:100]))
    return f"get blob {layer_of(image)}: 100 bytes instead of"


def corrupted(fake: FakeRegistry, image: Image) -> str:
    fake.rule(f"GET .*{layer_of(image)}", lambda exchange: exchange.answer(200, b"\xff" + good(exchange)[1:]))
    return f"get blob {layer_of(image)}: content has digest"


def longer(fake: FakeRegistry, image: Image) -> str:
    fake.rule(f"GET .*{layer_of(image)}", lambda exchange: exchange.answer(200, good(exchange) + b"more"))
    return f"get blob {layer_of(image)}: more than the promised"


def swapped(fake: FakeRegistry, image: Image) -> str:
    one, two = (str(layer.digest) for layer in image.manifest.layers)
    fake.rule(f"GET .*{one}", lambda exchange: exchange.answer(200, fake.blobs[two]))
    fake.rule(f"GET .*{two}", lambda exchange: exchange.answer(200, fake.blobs[one]))
    return "get blob sha256:"


def wrong_config(fake: FakeRegistry, image: Image) -> str:
    config = str(image.manifest.config.digest)
    fake.rule(f"GET .*{config}", lambda exchange: exchange.answer(200, b" " + good(exchange)[1:]))
    return f"get blob {config}: content has digest"


def endless(fake: FakeRegistry, image: Image) -> str:
    def answer(exchange: Exchange) -> None:
        exchange.send_response(200)
        exchange.send_header("Transfer-Encoding", "chunked")
        exchange.end_headers()
        while True:
            exchange.wfile.write(b"10000\r\n" + bytes(0x10000) + b"\r\n")

    fake.rule(f"GET .*{layer_of(image)}", answer)
    return f"get blob {layer_of(image)}: more than the promised"


def trickling(fake: FakeRegistry, image: Image) -> str:
    """A byte now and then."""

    def answer(exchange: Exchange) -> None:
        exchange.send_response(200)
        exchange.send_header("Content-Length", str(len(good(exchange))))
        exchange.end_headers()
        with suppress(OSError):
            for byte in good(exchange):
                exchange.wfile.write(bytes([byte]))
                time.sleep(0.2)

    fake.rule(f"GET .*{layer_of(image)}", answer)
    return layer_of(image)


def silent(fake: FakeRegistry, image: Image) -> str:
    def answer(exchange: Exchange) -> None:
        time.sleep(20)
        exchange.close_connection = True

    fake.rule(f"GET .*{layer_of(image)}", answer)
    return layer_of(image)


def vast_manifest(fake: FakeRegistry, image: Image) -> str:
    assert image.digest

    def answer(exchange: Exchange) -> None:
        exchange.send_response(200)
        exchange.send_header("Content-Type", MANIFEST)
        exchange.send_header("Content-Length", str(100 << 20))
        exchange.end_headers()
        for _ in range(100):
            exchange.wfile.write(b" " * (1 << 20))

    fake.rule("GET .*manifests", answer)
    return "/a/site:1: more than 4194304 bytes, no document is that large"


def index_of_itself(fake: FakeRegistry, image: Image) -> str:
    assert image.digest
    claimed = Digest.of(b"claimed")
    index = Index((Descriptor(INDEX, claimed, 500, platform=Platform.host()),)).encode()
    fake.rule("GET .*manifests", lambda exchange: exchange.answer(200, index, Content_Type=INDEX))
    return f"{claimed}: content has digest"


def wrong_diff_id(fake: FakeRegistry, image: Image) -> str:
    assert image.digest
    archive = gzip.compress(layer_tar((File("f", b"x"),)))
    layer = Descriptor.of(LAYER_GZIP, archive)
    config = ImageConfig(diff_ids=(Digest.of(b"something else"),)).encode()
    manifest = Manifest(Descriptor.of(CONFIG, config), (layer,)).encode()
    fake.blobs |= {str(Digest.of(config)): config, str(layer.digest): archive}
    fake.rule("GET .*manifests", lambda exchange: exchange.answer(200, manifest, Content_Type=MANIFEST))
    return str(Digest.of(b"something else"))


def elsewhere_in_the_clear(fake: FakeRegistry, image: Image) -> str:
    fake.rule("GET .*blobs", lambda exchange: exchange.answer(307, Location="http://registry.example.org/x"))
    return f"get blob {fake.host}/a/site@{image.manifest.config.digest}: registry.example.org is not spoken to"


def good(exchange: Exchange) -> bytes:
    return exchange.registry.blobs[exchange.path.rsplit("/", 1)[1]]


ATTACKS = (
    truncated, corrupted, longer, swapped, wrong_config, endless, trickling, silent, vast_manifest, index_of_itself,
    wrong_diff_id, elsewhere_in_the_clear,
)  # fmt: skip


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_lie_is_named_and_a_retry_completes(fake: FakeRegistry, offered: Image, other: Tare, attack: Attack) -> None:
    name = f"{fake.host}/a/site:1"
    build_image(other.store, "before:1", (LayerRecipe((File("f", b"x"),), "f"),), ImageConfig())
    before = other.state
    expected = attack(fake, offered)
    assert expected in other.failure("pull", name)
    assert other.state == before
    assert other.is_sound
    fake.rules.clear()
    other("pull", name)
    assert other.state == before | {name: offered.digest}
    assert other.is_sound
    assert not list((other.root / "downloads").iterdir())


def test_a_tag_that_changes_meanwhile(fake: FakeRegistry, offered: Image, other: Tare) -> None:
    """What was resolved is what is got: the tag is asked for once."""
    config = ImageConfig(cmd=("/other",)).encode()
    manifest = Manifest(Descriptor.of(CONFIG, config), ()).encode()

    def change(_exchange: Exchange) -> bool:
        fake.blobs[str(Digest.of(config))] = config
        fake.add_manifest("a/site", "1", MANIFEST, manifest)
        return False

    fake.rule("GET .*blobs", change)
    other("pull", f"{fake.host}/a/site:1")
    assert list(other.state.values()) == [offered.digest]
    assert len(fake.seen("GET .*manifests/1$")) == 1


def test_credentials_stay_with_their_registry(fake: FakeRegistry, offered: Image, other: Tare) -> None:
    def guard(exchange: Exchange) -> bool:
        if "Authorization" in exchange.headers:
            return False
        exchange.read_body()
        exchange.answer(401, WWW_Authenticate='Basic realm="x"')
        return True

    with fake_registry() as elsewhere:
        elsewhere.blobs |= fake.blobs
        fake.rule(".* /v2/", guard)
        assert other("login", "-u", "me", "--password-stdin", fake.host, stdin="secret\n").endswith("Login Succeeded\n")
        fake.rule("GET .*blobs", lambda one: one.answer(307, Location=f"http://{elsewhere.host}{one.path}"))
        other("pull", f"{fake.host}/a/site:1")
        assert elsewhere.seen("blobs")
        assert not [seen for seen in elsewhere.requests if "Authorization" in seen.headers]
    assert other.state == {f"{fake.host}/a/site:1": offered.digest}
    shown = base64.b64encode(b"me:secret").decode()
    assert [seen for seen in fake.requests if seen.headers.get("Authorization") == f"Basic {shown}"]


def test_a_registry_cannot_write_to_the_terminal(fake: FakeRegistry, other: Tare) -> None:
    words = json.dumps({"errors": [{"code": "DENIED", "message": "\x1b[2J\rtare: all is well\n"}]}).encode()
    fake.rule("GET .*manifests", lambda exchange: exchange.answer(403, words))
    said = other.failure("pull", f"{fake.host}/a/site:1")
    assert said.startswith("tare: pull access denied for ")
    assert said.removesuffix("\n").isprintable()

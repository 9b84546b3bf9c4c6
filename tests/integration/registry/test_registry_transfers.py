"""Pull, push, tags, referrers and deletion, with Debian's docker-registry and with one that has more."""

from __future__ import annotations

import json
import os
import threading
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from runtime.image.builder import File, LayerRecipe, build_image
from runtime.image.check import check
from runtime.image.compression import Compression
from runtime.image.config import ImageConfig
from runtime.image.descriptor import Descriptor, Platform
from runtime.image.digest import Digest
from runtime.image.errors import ImageNotFound
from runtime.image.manifest import INDEX, LAYER_GZIP, LAYER_ZSTD, Index
from runtime.image.reference import Reference
from runtime.image.registry.client import RegistryClient
from runtime.image.registry.endpoint import Repository
from runtime.image.registry.errors import NoConnection, NotInRegistry, NotSecure, RequestRefused
from runtime.image.registry.progress import Event, Status
from runtime.image.registry.pull import PullOptions, pull
from runtime.image.registry.push import PushOptions, push
from runtime.image.registry.referrers import put_referrer, referrers, referrers_tag
from runtime.image.store import ImageStore
from tests.integration.registry.conftest import CONFIG, make_image
from tests.support.fake_registry import Exchange, FakeRegistry, fake_registry
from tests.support.registry import QUICK, Registry

if TYPE_CHECKING:
    from collections.abc import Callable

    from runtime.image.store import Image

ARTIFACT = "application/vnd.example.signature"


def large_image(store: ImageStore, reference: str, size: int = 1_000_000) -> Image:
    layers = [LayerRecipe((File(f"f{n}", os.urandom(size)),), f"layer {n}") for n in range(3)]
    return build_image(store, reference, layers, CONFIG)


def statuses(events: list[Event]) -> list[Status]:
    return [event.status for event in events if event.status.is_final]


def test_there_and_back_with_the_same_digest(
    registry: Registry, client: RegistryClient, store: ImageStore, other: ImageStore
) -> None:
    image = make_image(store)
    name = f"{registry.host}/there/site:1"
    pushed = push(store, client, "site:1", PushOptions(name))
    assert str(pushed.descriptor.digest) == image.digest
    back = pull(other, client, name)
    assert (back.reference, back.digest, back.manifest, back.config) == (
        name,
        image.digest,
        image.manifest,
        image.config,
    )
    assert other.resolve(name) == back
    assert check(other).is_sound
    assert client.tags(pushed.repository) == ("1",)


def test_events_say_what_happens_to_each_blob(
    registry: Registry, client: RegistryClient, store: ImageStore, other: ImageStore
) -> None:
    name = f"{registry.host}/events/site:1"
    image = large_image(store, name)
    events: list[Event] = []
    push(store, client, name, progress=events.append)
    assert statuses(events) == [Status.PUSHED] * 4
    for layer in image.manifest.layers:
        done = [event.done_bytes for event in events if event.descriptor == layer]
        assert done == sorted(done)
        assert done[-1] == layer.size_bytes
    transfers: list[tuple[Callable[[], object], Status]] = [
        (lambda: push(store, client, name, progress=events.append), Status.EXISTS),
        (lambda: pull(other, client, name, progress=events.append), Status.DOWNLOADED),
        (lambda: pull(other, client, name, progress=events.append), Status.EXISTS),
    ]
    for transfer, expected in transfers:
        events.clear()
        transfer()
        assert statuses(events) == [expected] * 4


def test_a_blob_of_another_repository_is_mounted(registry: Registry, client: RegistryClient, store: ImageStore) -> None:
    first, second = f"{registry.host}/mount/first:1", f"{registry.host}/mount/second:1"
    large_image(store, first)
    push(store, client, first)
    events: list[Event] = []
    push(store, client, first, PushOptions(second), events.append)
    assert statuses(events) == [Status.MOUNTED] * 4
    assert {event.source for event in events if event.status is Status.MOUNTED} == {"mount/first"}


def test_a_registry_that_does_not_mount_gets_the_bytes(
    fake: FakeRegistry, client: RegistryClient, store: ImageStore
) -> None:
    fake.has_mounts = False
    first, second = f"{fake.host}/first:1", f"{fake.host}/second:1"
    image = large_image(store, first)
    push(store, client, first)
    fake.hidden |= {("second", blob) for blob in fake.blobs}
    push(store, client, first, PushOptions(second))
    assert fake.seen(r"POST .*mount=.*from=first")
    assert not {("second", str(layer.digest)) for layer in image.manifest.layers} & fake.hidden


@pytest.mark.parametrize("chunk_bytes", [300_000, 1_000_000, 10 << 20])
def test_chunks_of_any_size_make_the_same_blob(
    registry: Registry, store: ImageStore, other: ImageStore, chunk_bytes: int
) -> None:
    name = f"{registry.host}/chunks/of{chunk_bytes}:1"
    image = large_image(store, name)
    with RegistryClient(replace(QUICK, chunk_bytes=chunk_bytes)) as client:
        push(store, client, name)
        assert pull(other, client, name).digest == image.digest


def test_layers_are_compressed_once(
    registry: Registry, client: RegistryClient, store: ImageStore, other: ImageStore
) -> None:
    name = f"{registry.host}/compressed/site"
    image = make_image(store)
    for compression, media_type in ((Compression.GZIP, LAYER_GZIP), (Compression.ZSTD, LAYER_ZSTD)):
        events: list[Event] = []
        options = PushOptions(f"{name}:{compression.value}", compression)
        first = push(store, client, "site:1", options, events.append)
        assert Status.COMPRESSING in {event.status for event in events}
        events.clear()
        assert push(store, client, "site:1", options, events.append) == first
        assert {event.status for event in events} == {Status.PLANNED, Status.EXISTS}
        back = pull(other, client, f"{name}:{compression.value}")
        assert {layer.media_type for layer in back.manifest.layers} == {media_type}
        assert back.config == image.config


@pytest.mark.root
def test_an_image_is_unpacked_before_it_has_its_name(
    registry: Registry, client: RegistryClient, store: ImageStore, other: ImageStore
) -> None:
    name = f"{registry.host}/unpacked/site:1"
    make_image(store)
    push(store, client, "site:1", PushOptions(name, Compression.ZSTD))
    events: list[Event] = []
    image = pull(other, client, name, PullOptions(unpack=True, name="mine:1"), events.append)
    assert [event.status for event in events].count(Status.EXTRACTED) == 2
    assert len(list((other.root / "layers").iterdir())) == 2
    assert (other.unpack(image)[0] / "bin/tool").stat().st_mode & 0o7777 == 0o4755
    assert other.resolve("mine:1") == image


def test_of_an_index_the_platform_s_manifest_is_taken(
    fake: FakeRegistry, client: RegistryClient, store: ImageStore, other: ImageStore
) -> None:
    entries = []
    digests = {}
    platforms = (Platform("linux", "arm64", "v8"), Platform.host(), Platform("plan9", "pdp11"))
    for number, platform in enumerate(platforms):
        image = build_image(store, f"p:{number}", (), replace(CONFIG, platform=platform))
        fake.add(store, image, "multi", f"only-{number}")
        digests[platform] = image.digest
        entries.append(replace(store.descriptor(image), platform=platform))
    index = Index(tuple(entries)).encode()
    fake.add_manifest("multi", "1", INDEX, index)
    name = f"{fake.host}/multi:1"
    assert pull(other, client, name).digest == digests[Platform.host()]
    # The name stands for the index, which others may want by its digest.
    assert other.resolve(f"{fake.host}/multi@{Digest.of(index)}").digest == digests[Platform.host()]
    assert check(other).is_sound
    for platform in platforms:
        image = pull(other, client, name, PullOptions(platform=platform, name=f"{platform.architecture}:1"))
        assert (image.digest, image.config.platform) == (digests[platform], platform)
    with pytest.raises(ImageNotFound, match="no image for linux/riscv64, only for linux/arm64/v8"):
        pull(other, client, name, PullOptions(platform=Platform("linux", "riscv64")))


def test_by_digest_alone_an_image_has_no_name(
    fake: FakeRegistry, client: RegistryClient, offered: Image, other: ImageStore
) -> None:
    reference = f"{fake.host}/a/site@{offered.digest}"
    image = pull(other, client, reference)
    assert image.reference == image.digest == offered.digest
    assert other.resolve(reference) == image
    pull(other, client, f"{fake.host}/a/site:1@{offered.digest}")
    assert other.resolve(f"{fake.host}/a/site:1").digest == offered.digest
    assert len(other.images()) == 1


def test_a_broken_download_goes_on_where_it_stopped(
    fake: FakeRegistry, client: RegistryClient, store: ImageStore, other: ImageStore
) -> None:
    image = large_image(store, "big:1")
    fake.add(store, image, "big", "1")
    fake.rule(r"GET .*/blobs/", send_half)
    assert pull(other, client, f"{fake.host}/big:1").digest == image.digest
    ranges = [seen.headers["Range"] for seen in fake.seen("GET .*/blobs/") if "Range" in seen.headers]
    assert len(ranges) >= 3
    assert check(other).is_sound
    assert list((other.root / "downloads").iterdir()) == []


def send_half(exchange: Exchange) -> bool:
    """Of a whole large blob, only the first half, and then nothing."""
    content = exchange.registry.blobs[exchange.path.rsplit("/", 1)[1]]
    if "Range" in exchange.headers or len(content) < 100_000:
        return False
    exchange.send_response(200)
    exchange.send_header("Content-Length", str(len(content)))
    exchange.end_headers()
    exchange.wfile.write(content[: len(content) // 2])
    exchange.close_connection = True
    return True


def test_what_is_on_the_disk_already_is_not_fetched_again(
    registry: Registry, client: RegistryClient, store: ImageStore, other: ImageStore
) -> None:
    name = f"{registry.host}/resumed/big:1"
    image = large_image(store, name)
    push(store, client, name)
    layer = image.manifest.layers[0]
    content = store.layout.blobs.path(layer.digest).read_bytes()
    partial = other.root / "downloads" / f"sha256-{layer.digest.encoded}"
    partial.parent.mkdir(parents=True)
    partial.write_bytes(content[:700_000])
    events: list[Event] = []
    pull(other, client, name, progress=events.append)
    done = [event.done_bytes for event in events if event.descriptor == layer and event.status is Status.DOWNLOADING]
    assert done[0] > 700_000
    assert check(other).is_sound


@pytest.mark.parametrize("has_ranges", [True, False])
@pytest.mark.parametrize("left", [b"wrong" * 100_000, b"x" * 2_000_000, b""])
def test_what_is_left_of_another_blob_does_no_harm(
    fake: FakeRegistry, client: RegistryClient, store: ImageStore, other: ImageStore, left: bytes, *, has_ranges: bool
) -> None:
    fake.has_ranges = has_ranges
    image = large_image(store, "big:1")
    fake.add(store, image, "big", "1")
    for layer in image.manifest.layers:
        partial = other.root / "downloads" / f"sha256-{layer.digest.encoded}"
        partial.parent.mkdir(parents=True, exist_ok=True)
        partial.write_bytes(left)
    assert pull(other, client, f"{fake.host}/big:1").digest == image.digest
    assert check(other).is_sound


def test_a_broken_chunk_goes_on_where_the_registry_is(fake: FakeRegistry, store: ImageStore) -> None:
    """The registry keeps half of the second chunk, and breaks the connection."""
    name = f"{fake.host}/chunks:1"
    image = build_image(store, name, (LayerRecipe((File("f", os.urandom(1_000_000)),), "f"),), ImageConfig())
    broken: list[int] = []

    def keep_half(exchange: Exchange) -> bool:
        start = int(exchange.headers["Content-Range"].partition("-")[0])
        if start < 300_000 or broken:
            return False
        broken.append(start)
        content = exchange.read_body()
        exchange.registry.uploads[exchange.path.rsplit("/", 1)[1].partition("?")[0]] += content[: len(content) // 2]
        exchange.close_connection = True
        return True

    fake.rule("^PATCH", keep_half)
    with RegistryClient(replace(QUICK, chunk_bytes=300_000)) as client:
        push(store, client, name)
    assert broken == [300_000]
    assert [seen.headers["Content-Range"] for seen in fake.seen("^PATCH")][:3] == [
        "0-299999", "300000-599999", "450000-749999",
    ]  # fmt: skip
    assert Digest.of(fake.blobs[str(image.manifest.layers[0].digest)]) == image.manifest.layers[0].digest


def test_threads_and_stores_download_a_blob_once(fake: FakeRegistry, store: ImageStore, other: ImageStore) -> None:
    image = large_image(store, "big:1")
    fake.add(store, image, "big", "1")
    errors: list[BaseException] = []

    def pull_it() -> None:
        try:
            with RegistryClient(QUICK) as client:
                pull(ImageStore(other.root), client, f"{fake.host}/big:1")
        except BaseException as error:  # noqa: BLE001 - told by the main thread
            errors.append(error)

    threads = [threading.Thread(target=pull_it) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert len(fake.seen("GET .*/blobs/")) == 4
    assert check(other).is_sound


def test_a_mirror_comes_first_and_the_registry_fills_its_gaps(
    fake: FakeRegistry, store: ImageStore, other: ImageStore
) -> None:
    image = large_image(store, "big:1")
    with fake_registry() as mirror:
        fake.add(store, image, "a/big", "1")
        mirror.add(store, image, "cache/a/big", "1")
        missing = str(image.manifest.layers[0].digest)
        del mirror.blobs[missing]
        mirror.blobs[str(image.manifest.layers[1].digest)] = b"lies"
        settings = replace(QUICK, mirrors={fake.host: ("127.0.0.1:1", f"{mirror.host}/cache")})
        with RegistryClient(settings) as client:
            assert pull(other, client, f"{fake.host}/a/big:1").digest == image.digest
        assert fake.seen("manifests") == []
        assert len(fake.seen("GET .*/blobs/")) == 2
    assert check(other).is_sound


def test_tags_come_in_pages(fake: FakeRegistry, client: RegistryClient, store: ImageStore) -> None:
    image = make_image(store)
    tags = [f"v{number}" for number in range(7)]
    for tag in tags:
        fake.add(store, image, "a/site", tag)
    assert client.tags(Repository(fake.host, "a/site")) == tuple(tags)
    assert len(fake.seen("tags/list")) == 4


@pytest.mark.parametrize("has_referrers", [True, False])
def test_referrers_by_the_list_or_by_the_tag(
    fake: FakeRegistry, client: RegistryClient, offered: Image, store: ImageStore, *, has_referrers: bool
) -> None:
    fake.has_referrers = has_referrers
    repository = Repository(fake.host, "a/site")
    subject = store.descriptor(offered)
    assert referrers(client, repository, subject.digest) == ()
    put = [put_referrer(client, repository, artifact(subject, f"{ARTIFACT}.{n}"), ARTIFACT_MANIFEST) for n in range(3)]
    put_referrer(client, repository, artifact(subject, f"{ARTIFACT}.0"), ARTIFACT_MANIFEST)
    found = referrers(client, repository, subject.digest)
    assert {entry.digest for entry in found} == {descriptor.digest for descriptor in put}
    (one,) = referrers(client, repository, subject.digest, f"{ARTIFACT}.1")
    assert (one.digest, one.artifact_type) == (put[1].digest, f"{ARTIFACT}.1")
    assert (("a/site", referrers_tag(subject.digest)) in fake.manifests) is not has_referrers


ARTIFACT_MANIFEST = "application/vnd.oci.image.manifest.v1+json"


def artifact(subject: Descriptor, kind: str) -> bytes:
    empty = Descriptor.of("application/vnd.oci.empty.v1+json", b"{}")
    return json.dumps(
        {"schemaVersion": 2, "mediaType": ARTIFACT_MANIFEST, "artifactType": kind, "config": empty.to_json(),
         "layers": [empty.to_json()], "subject": subject.to_json()}
    ).encode()  # fmt: skip


def test_referrers_with_a_registry_of_the_first_version(
    registry: Registry, client: RegistryClient, store: ImageStore
) -> None:
    image = make_image(store)
    pushed = push(store, client, "site:1", PushOptions(f"{registry.host}/referred/site:1"))
    subject = store.descriptor(image)
    client.put_blob(pushed.repository, b"{}")
    put = put_referrer(client, pushed.repository, artifact(subject, ARTIFACT), ARTIFACT_MANIFEST)
    (found,) = referrers(client, pushed.repository, subject.digest)
    assert (found.digest, found.artifact_type) == (put.digest, ARTIFACT)


def test_a_manifest_is_deleted_where_that_is_allowed(
    registry: Registry, client: RegistryClient, store: ImageStore, fake: FakeRegistry
) -> None:
    image = make_image(store)
    pushed = push(store, client, "site:1", PushOptions(f"{registry.host}/deleted/site:1"))
    client.delete(pushed.repository, image.digest)
    assert client.find_manifest(pushed.repository, "1") is None
    fake.rule("^DELETE", lambda exchange: exchange.answer(405))
    with pytest.raises(RequestRefused, match="status 405"):
        client.delete(Repository(fake.host, "a/site"), "1")


@pytest.mark.parametrize("part", ["none/such:1", "none/such@sha256:" + "0" * 64])
def test_what_is_not_there_is_named(registry: Registry, client: RegistryClient, other: ImageStore, part: str) -> None:
    with pytest.raises(NotInRegistry, match=f"get manifest {registry.host}/{part}: MANIFEST_UNKNOWN") as caught:
        pull(other, client, f"{registry.host}/{part}")
    assert "check the name" in caught.value.hint
    assert other.images() == ()


def test_no_registry_at_all(client: RegistryClient, other: ImageStore) -> None:
    with pytest.raises(NoConnection, match=r"look for a registry at 127\.0\.0\.1:1: Connection refused"):
        pull(other, client, "127.0.0.1:1/a:1")


def test_a_registry_elsewhere_is_not_spoken_to_without_tls(client: RegistryClient) -> None:
    endpoint = client.endpoint("registry.example.org:5000")
    assert endpoint.scheme == "https"
    with pytest.raises(NotSecure, match="not spoken to without TLS"):
        client.transport.check_plain("http://registry.example.org:5000/v2/", "ask")


def test_retries_with_pauses_end_in_success(
    fake: FakeRegistry, client: RegistryClient, offered: Image, other: ImageStore
) -> None:
    failures: dict[str, list[int]] = {}

    def fail(exchange: Exchange) -> bool:
        left = failures.setdefault(exchange.path, [503, 429])
        if left:
            exchange.answer(left.pop(), Retry_After="0")
            return True
        return False

    fake.rule("GET .*(manifests|blobs)", fail)
    assert pull(other, client, f"{fake.host}/a/site:1").digest == offered.digest
    assert len(failures) == 4


def test_the_name_of_the_hub_s_images() -> None:
    names = {
        "alpine": "docker.io/library/alpine",
        "me/tool": "docker.io/me/tool",
        "docker.io/alpine": "docker.io/library/alpine",
        "localhost/x": "localhost/x",
        "quay.io/a/b/c": "quay.io/a/b/c",
        "[::1]:5000/a": "[::1]:5000/a",
    }
    assert {name: str(Repository.of(Reference.parse(name))) for name in names} == names

"""Killed at any moment, out of room, two at once: the store stays valid, and a retry completes."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from runtime.image.builder import File, LayerRecipe, build_image
from runtime.image.check import check
from runtime.image.collect import collect
from runtime.image.config import ImageConfig
from runtime.image.errors import ImageError, StoreError
from runtime.image.registry.pull import PullOptions, pull
from runtime.image.registry.push import PushOptions, push
from runtime.image.store import ImageStore

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runtime.image.registry.client import RegistryClient
    from runtime.image.store import Image
    from tests.support.fake_registry import Exchange, FakeRegistry
    from tests.support.registry import Registry

pytestmark = pytest.mark.root

ROOT = Path(__file__).parents[3]
PULL = """
import sys
from pathlib import Path
from runtime.image.registry.client import RegistryClient
from runtime.image.registry.pull import PullOptions, pull
from runtime.image.store import ImageStore
from tests.support.registry import QUICK
with RegistryClient(QUICK) as client:
    pull(ImageStore(Path(sys.argv[1])), client, sys.argv[2], PullOptions(unpack=True),
         lambda event: print(event.status.name, event.done_bytes, flush=True))
"""
LAYERS = 4
LAYER_BYTES = 2_000_000


def start(store: ImageStore, name: str) -> subprocess.Popen[str]:
    command = (sys.executable, "-c", PULL, str(store.root), name)
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)


@pytest.fixture
def image(store: ImageStore) -> Image:
    layers = [LayerRecipe((File(f"f{n}", os.urandom(LAYER_BYTES)),), "f") for n in range(LAYERS)]
    return build_image(store, "big:1", layers, ImageConfig())


def test_killed_at_any_moment(
    registry: Registry, client: RegistryClient, store: ImageStore, other: ImageStore, image: Image
) -> None:
    """After so many lines of progress; each attempt goes on with what the one before has left."""
    name = f"{registry.host}/killed:1"
    push(store, client, "big:1", PushOptions(name))
    chance = random.Random(1)  # noqa: S311 - no secret
    for attempt in range(12):
        process = start(other, name)
        assert process.stdout is not None
        for _ in range(chance.choice((0, 1, 3, 8, 20)) + attempt):
            process.stdout.readline()
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert check(other).is_sound
        assert [known.digest for known in other.images()] in ([], [image.digest])
    assert pull(other, client, name, PullOptions(unpack=True)).digest == image.digest
    assert check(other).is_sound
    assert list((other.root / "downloads").iterdir()) == []
    assert len(list((other.root / "layers").iterdir())) == LAYERS


def test_two_processes_download_a_layer_once(
    fake: FakeRegistry, store: ImageStore, other: ImageStore, image: Image
) -> None:
    fake.add(store, image, "big", "1")
    fake.rule("GET .*/blobs/", slowly)
    processes = [start(other, f"{fake.host}/big:1") for _ in range(3)]
    outputs = [process.communicate(timeout=60)[0] for process in processes]
    assert [process.returncode for process in processes] == [0] * 3
    assert len(fake.seen("GET .*/blobs/")) == LAYERS + 1
    assert any("WAITING" in output for output in outputs)
    assert check(other).is_sound


def slowly(exchange: Exchange, pause_s: float = 0.05) -> None:
    """Slow enough that the others come while it runs."""
    content = exchange.registry.blobs[exchange.path.rsplit("/", 1)[1]]
    exchange.send_response(200)
    exchange.send_header("Content-Length", str(len(content)))
    exchange.end_headers()
    for begin in range(0, len(content), 200_000):
        exchange.wfile.write(content[begin : begin + 200_000])
        time.sleep(pause_s)


def test_another_takes_over_from_a_process_that_is_killed(
    fake: FakeRegistry, store: ImageStore, other: ImageStore, image: Image
) -> None:
    fake.add(store, image, "big", "1")
    fake.rule("GET .*/blobs/", lambda exchange: slowly(exchange, 1.0) if "Range" not in exchange.headers else False)
    first = start(other, f"{fake.host}/big:1")
    assert first.stdout is not None
    while "DOWNLOADING 400000" not in first.stdout.readline():
        assert first.poll() is None
    second = start(other, f"{fake.host}/big:1")
    assert second.stdout is not None
    while "WAITING" not in second.stdout.readline():
        assert second.poll() is None
    first.kill()
    first.communicate()
    second.communicate(timeout=60)
    assert second.returncode == 0
    assert [seen for seen in fake.seen("GET .*/blobs/") if "Range" in seen.headers]
    assert check(other).is_sound


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A file system of 5 MB, in memory; more or less, if it is mounted anew."""
    directory = tmp_path / "small"
    directory.mkdir()
    subprocess.run(("mount", "-t", "tmpfs", "-o", "size=5m", "none", str(directory)), check=True)
    try:
        yield directory
    finally:
        subprocess.run(("umount", str(directory)), check=True)


def test_a_full_disk(registry: Registry, client: RegistryClient, store: ImageStore, image: Image, small: Path) -> None:
    name = f"{registry.host}/full:1"
    push(store, client, "big:1", PushOptions(name))
    full = ImageStore(small / "store")
    with pytest.raises(StoreError, match="No space left on device"):
        pull(full, client, name)
    assert check(full).is_sound
    assert full.images() == ()
    # A smaller one still fits, once what was got is let go.
    tiny = build_image(store, "tiny:1", (LayerRecipe((File("f", b"x"),), "f"),), ImageConfig())
    push(store, client, "tiny:1", PushOptions(f"{registry.host}/tiny:1"))
    collect(full, grace_s=0)
    assert list((small / "store/downloads").iterdir()) == []
    assert pull(full, client, f"{registry.host}/tiny:1").digest == tiny.digest
    subprocess.run(("mount", "-o", "remount,size=20m", str(small)), check=True)
    assert pull(full, client, name).digest == image.digest
    assert check(full).is_sound


@pytest.mark.parametrize("size_kb", [16, 64, 2500, 8100, 8300, 10_000, 15_000])
def test_a_disk_that_is_full_sooner_or_later(
    registry: Registry, client: RegistryClient, store: ImageStore, image: Image, small: Path, *, size_kb: int
) -> None:
    """There is room for the list, some blobs, all of them, some of the extracted layers; then there is enough."""
    name = f"{registry.host}/full:1"
    push(store, client, "big:1", PushOptions(name))
    subprocess.run(("mount", "-o", f"remount,size={size_kb}k", str(small)), check=True)
    full = ImageStore(small / "store")
    with pytest.raises(ImageError, match="No space left on device"):
        pull(full, client, name, PullOptions(unpack=True))
    assert full.images() == ()
    assert check(full).is_sound
    subprocess.run(("mount", "-o", "remount,size=40m", str(small)), check=True)
    assert pull(full, client, name, PullOptions(unpack=True)).digest == image.digest
    assert check(full).is_sound
    assert list((small / "store/downloads").iterdir()) == []


def test_a_collector_without_grace_beside_pulls(
    registry: Registry, client: RegistryClient, store: ImageStore, other: ImageStore, image: Image
) -> None:
    """It takes away what a pull has just brought: the pull brings it again, or says what is missing."""
    name = f"{registry.host}/collected:1"
    push(store, client, "big:1", PushOptions(name))
    process = start(other, name)
    while process.poll() is None:
        collect(other, grace_s=0.3)
    process.communicate()
    assert process.returncode == 0
    assert check(other).is_sound
    assert other.resolve(name).digest == image.digest

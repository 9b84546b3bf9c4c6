"""Commands that are killed, and several at once: the store stays valid, a retry completes, and nothing is got twice."""

from __future__ import annotations

import os
import random
import signal
import time
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from runtime.image.builder import File, LayerRecipe, build_image, extend_image
from runtime.image.config import ImageConfig

if TYPE_CHECKING:
    from runtime.image.store import Image
    from tests.support.fake_registry import Exchange, FakeRegistry
    from tests.support.registry import Registry
    from tests.support.tarecli import Tare

pytestmark = pytest.mark.root

COUNT = 4
MOMENTS = 7


@pytest.fixture
def big(tare: Tare) -> Image:
    layers = [LayerRecipe((File(f"f{n}", os.urandom(2_000_000)),), "f") for n in range(COUNT)]
    return build_image(tare.store, "big:1", layers, ImageConfig())


def slowly(exchange: Exchange) -> None:
    """So that a moment in the middle is not hard to meet."""
    content = exchange.registry.blobs[exchange.path.rsplit("/", 1)[1]]
    exchange.send_response(200)
    exchange.send_header("Content-Length", str(len(content)))
    exchange.end_headers()
    for begin in range(0, len(content), 200_000):
        exchange.wfile.write(content[begin : begin + 200_000])
        time.sleep(0.01)


def killed_after(tare: Tare, lines: int, *words: str) -> None:
    process = tare.start(*words)
    assert process.stdout is not None
    for _ in range(lines):
        process.stdout.readline()
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)


def test_pull_is_killed_again_and_again(fake: FakeRegistry, tare: Tare, other: Tare, big: Image) -> None:
    fake.add(tare.store, big, "big", "1")
    fake.rule("GET .*/blobs/", lambda exchange: slowly(exchange) if "Range" not in exchange.headers else False)
    name = f"{fake.host}/big:1"
    chance = random.Random(4)  # noqa: S311 - no secret
    for _ in range(MOMENTS):
        killed_after(other, chance.randrange(4 * COUNT), "pull", name)
        assert other.is_sound
        assert other.state in ({}, {name: big.digest})
    other("pull", name)
    assert other.state == {name: big.digest}
    assert other.is_sound
    assert not list((other.root / "downloads").iterdir())
    assert len(list((other.root / "layers").iterdir())) == COUNT


def test_push_is_killed_again_and_again(registry: Registry, tare: Tare, other: Tare, big: Image) -> None:
    name = f"{registry.host}/killed/push:1"
    tare("tag", "big:1", name)
    for lines in range(MOMENTS):
        killed_after(tare, lines * 2, "push", name)
        assert tare.is_sound
        done = other.run("pull", name)
        # All of it is there, or nothing has that name.
        assert done.returncode in {0, 1}
        assert other.state in ({}, {name: big.digest})
    tare("push", name)
    other("pull", name)
    assert other.state == {name: big.digest}


def test_several_pulls_share_what_is_under_way(fake: FakeRegistry, tare: Tare, other: Tare, big: Image) -> None:
    """Three images that have layers in common, each pulled by two processes at once."""
    own = [
        extend_image(tare.store, big, f"own{number}:1", (LayerRecipe((File("own", os.urandom(200_000)),), "own"),))
        for number in range(2)
    ]
    names = []
    for number, image in enumerate((big, big, *own)):
        fake.add(tare.store, image, f"image{number}", "1")
        names.append(f"{fake.host}/image{number}:1")
    fake.rule("GET .*/blobs/", slowly)
    processes = [other.start("pull", name) for name in names * 2]
    outputs = [process.communicate(timeout=120) for process in processes]
    assert [process.returncode for process in processes] == [0] * len(processes), outputs
    got = Counter(seen.path.rsplit("/", 1)[1] for seen in fake.seen("GET .*/blobs/"))
    assert len(got) == COUNT + 1 + 2 * 2  # the layers in common, a config, and two layers and configs
    assert set(got.values()) == {1}
    assert set(other.state) == set(names)
    assert other.is_sound

"""Several processes on one store, and processes killed at any moment."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from runtime.image.builder import Directory, File, LayerRecipe, build_image
from runtime.image.config import ImageConfig
from runtime.image.store import Image, ImageStore

pytestmark = pytest.mark.root

ROOT = Path(__file__).parents[2]
HEAD = """
import sys
from pathlib import Path
from runtime.image.store import ImageStore
store = ImageStore(Path(sys.argv[1]))
"""
# Prints the inode of each layer: had it been extracted anew, it would be another one.
UNPACK = HEAD + "print(*(path.stat().st_ino for path in store.unpack(store.resolve('many:1'))))"
TAG = f"""{HEAD}
image = store.resolve('many:1')
for number in range(25):
    store.tag(f'{{sys.argv[2]}}:{{number}}', image)
"""
PUT = f"""{HEAD}
import time
class Slow:
    def read(self, size=-1):
        print('reading', flush=True)
        time.sleep(60)
store.put_blob(Slow(), 'application/octet-stream')
"""
FILES = 3000


@pytest.fixture
def store(tmp_path: Path) -> ImageStore:
    return ImageStore(tmp_path / "data")


def many_files(store: ImageStore) -> Image:
    files = tuple(File(f"d/{number}", b"x" * 3000) for number in range(FILES))
    layers = (LayerRecipe((Directory("d"), *files), "many"), LayerRecipe((File("top", b"y"),), "top"))
    return build_image(store, "many:1", layers, ImageConfig())


def start(code: str, *arguments: str | Path) -> subprocess.Popen[str]:
    command = (sys.executable, "-c", code, *map(str, arguments))
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def finish(*processes: subprocess.Popen[str]) -> list[str]:
    outputs = [process.communicate(timeout=60)[0] for process in processes]
    assert [process.returncode for process in processes] == [0] * len(processes)
    return outputs


def names(store: ImageStore) -> list[str]:
    return sorted(path.name for path in (store.root / "layers").iterdir())


def test_two_processes_extract_a_layer_once(store: ImageStore) -> None:
    many_files(store)
    one, two = finish(start(UNPACK, store.root), start(UNPACK, store.root))
    assert one == two
    assert len(names(store)) == 2
    assert len(list((store.unpack(store.resolve("many:1"))[0] / "d").iterdir())) == FILES


def test_no_tag_of_several_writers_is_lost(store: ImageStore) -> None:
    many_files(store)
    finish(*(start(TAG, store.root, name) for name in ("a", "b", "c")))
    expected = {f"{name}:{number}" for name in "abc" for number in range(25)} | {"many:1"}
    assert {image.reference for image in store.images()} == expected


@pytest.mark.parametrize("files_before_kill", [1, FILES // 2])
def test_killed_in_mid_extraction(store: ImageStore, files_before_kill: int) -> None:
    image = many_files(store)
    process = start(UNPACK, store.root)
    partial = store.root / "layers" / ".partial" / "diff" / "d"
    deadline = time.monotonic() + 30
    while not (partial.is_dir() and len(os.listdir(partial)) >= files_before_kill):
        assert process.poll() is None, "extracted before it could be killed"
        assert time.monotonic() < deadline
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert names(store) == [".partial"]
    store.verify(store.resolve("many:1"))

    base, top = store.unpack(image)

    assert ".partial" not in names(store)
    assert len(list((base / "d").iterdir())) == FILES
    assert (top / "top").read_bytes() == b"y"


def test_killed_while_it_stores_a_blob(store: ImageStore) -> None:
    image = many_files(store)
    process = start(PUT, store.root)
    assert process.stdout is not None
    assert process.stdout.readline() == "reading\n"
    blobs = store.root / "images/blobs"
    assert len(list(blobs.glob(".partial-*"))) == 1
    # While a writer lives, nobody takes its file away.
    build_image(store, "other:1", (LayerRecipe((File("f", b"f"),), "f"),), ImageConfig())
    assert len(list(blobs.glob(".partial-*"))) == 1
    process.kill()
    process.communicate()
    build_image(store, "other:2", (LayerRecipe((File("g", b"g"),), "g"),), ImageConfig())
    assert list(blobs.glob(".partial-*")) == []
    assert store.resolve("many:1") == image
    store.verify(image)

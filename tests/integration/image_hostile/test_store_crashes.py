"""SIGKILL and a full disk at every stage of what changes a store: it stays valid, and a second attempt completes."""

from __future__ import annotations

import os
import shutil
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from runtime.image.check import check
from runtime.image.errors import ImageError
from tests.support.crashes import killed_at, points, steps_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from runtime.image.store import ImageStore
    from tests.integration.image_hostile.conftest import Material, Operation

pytestmark = pytest.mark.root

OPERATIONS = ("load", "save", "unpack", "collect", "commit", "import", "remove")
POINTS = 80
SIZES = 8
AMPLE = 16 << 20


def sound(store: ImageStore) -> bool:
    """Valid, with the image that was there before, and not only on paper."""
    report = check(store)
    assert report.problems == ()
    image = store.resolve("base:1")
    store.verify(image)
    return all(path.is_dir() for path in store.unpack(image))


@pytest.mark.parametrize("name", OPERATIONS)
def test_a_kill_at_any_step(tmp_path: Path, material: Material, name: str) -> None:
    """In memory: a kill loses nothing that was written, so there is nothing to wait for a disk for."""
    operation = material.operations[name]
    with disk(tmp_path / "disk"):
        counted = material.copy(tmp_path / "disk/counted")
        steps = steps_of(lambda: operation.run(counted))
        assert steps > 3
        for step in points(steps, POINTS):
            store = material.copy(tmp_path / "disk/store")
            killed_at(lambda store=store: operation.run(store), step)  # type: ignore[misc]
            assert sound(store), step
            complete(operation, store)
            shutil.rmtree(tmp_path / "disk/store")


def complete(operation: Operation, store: ImageStore) -> None:
    operation.run(store)
    assert operation.done(store)
    assert sound(store)
    assert [path.name for path in store.layout.blobs.root.glob(".partial-*")] == []


@contextmanager
def disk(target: Path) -> Iterator[None]:
    target.mkdir()
    subprocess.run(("mount", "-t", "tmpfs", "-o", f"size={AMPLE},mode=700", "small", target), check=True)
    try:
        yield
    finally:
        subprocess.run(("umount", target), check=True)
        target.rmdir()


def leave(target: Path, free_bytes: int) -> None:
    """Make the disk so small that this much of it is free."""
    status = os.statvfs(target)
    used = (status.f_blocks - status.f_bfree) * status.f_bsize
    subprocess.run(("mount", "-o", f"remount,size={used + free_bytes}", target), check=True)


@pytest.mark.parametrize("name", ["load", "unpack", "commit", "import", "collect", "remove"])
def test_a_full_disk_at_any_stage(tmp_path: Path, material: Material, name: str) -> None:
    operation = material.operations[name]
    failed = 0
    for free_bytes in range(0, SIZES * 12_288, 12_288):
        with disk(tmp_path / "disk"):
            store = material.copy(tmp_path / "disk/root")
            leave(tmp_path / "disk", free_bytes)
            problem = attempt(operation, store)
            failed += bool(problem)
            assert "no space left" in (problem or "no space left")
            leave(tmp_path / "disk", AMPLE)
            assert sound(store)
            complete(operation, store)
    assert failed or name in {"collect", "remove"}  # what only takes away needs next to nothing


def attempt(operation: Operation, store: ImageStore) -> str:
    """What goes wrong; nothing if it has room."""
    try:
        operation.run(store)
    except ImageError as error:
        return str(error).lower()
    return ""


def test_what_a_killed_extraction_leaves_is_gone_after_the_next(tmp_path: Path, material: Material) -> None:
    store = material.copy(tmp_path / "store")
    image = store.resolve("base:1")
    counted = material.copy(tmp_path / "counted")
    half = steps_of(lambda: counted.unpack(image)) // 2
    killed_at(lambda: store.unpack(image), half)
    assert (tmp_path / "store/layers/.partial").exists()
    store.unpack(image)
    assert not (tmp_path / "store/layers/.partial").exists()

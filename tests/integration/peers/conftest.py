"""One registry, one rich image in `tare`'s store, and a storage of their own for podman and buildah."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from typing import TYPE_CHECKING

import pytest

from tests.integration.registry.test_registry_peers import BASE, TOP, rich_image
from tests.support.registry import Registry, docker_registry
from tests.support.tarecli import Tare

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from runtime.image.store import Image


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    with docker_registry(tmp_path_factory.mktemp("registry") / "open") as running:
        yield running


@pytest.fixture
def tare(tmp_path: Path) -> Tare:
    return Tare(tmp_path / "root")


@pytest.fixture
def other(tmp_path: Path) -> Tare:
    return Tare(tmp_path / "other")


@pytest.fixture
def rich(tare: Tare) -> Image:
    """Called ``rich:1``: two layers, with whiteouts, links, owners, modes, times, attributes and a FIFO."""
    return rich_image(tare.store, BASE, TOP)


@pytest.fixture
def storage(tmp_path: Path) -> Iterator[tuple[str, ...]]:
    """Options that give podman and buildah a storage of their own."""
    # podman wants a path of no more than 50 characters here.
    runroot = tempfile.mkdtemp(prefix="tare-test-", dir="/run")
    options = ("--root", f"{tmp_path}/storage", "--runroot", runroot, "--storage-driver", "vfs")
    yield options
    for command in (("buildah", *options, "umount", "--all"), ("podman", *options, "image", "umount", "--all")):
        subprocess.run(command, capture_output=True, check=False)
    shutil.rmtree(runroot)

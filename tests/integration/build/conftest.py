"""An engine's root directory with a small base image, and contexts to build from."""

from __future__ import annotations

import io
import os
import shutil
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from runtime.build.builder import build
from runtime.build.options import BuildOptions
from runtime.image.builder import build_image
from runtime.image.config import ImageConfig
from runtime.image.store import ImageStore
from runtime.image.view import View
from tests.support.containers import base_layer, require_root

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runtime.build.options import Built

BASE = "base:1"


@dataclass(frozen=True)
class Builder:
    """Our builder on a root directory of its own."""

    root: Path
    context: Path

    @property
    def store(self) -> ImageStore:
        return ImageStore(self.root)

    def write(self, **files: str) -> None:
        """Files of the context, by their names with ``_`` for a dot."""
        for name, text in files.items():
            (self.context / name.replace("_", ".")).write_text(text)

    def build(self, dockerfile: str | None = None, **options: Any) -> tuple[Built, str]:
        """The image and what was said; without a network, which few tests need."""
        if dockerfile is not None:
            (self.context / "Dockerfile").write_text(dockerfile)
        fd = os.memfd_create("output")
        try:
            given: dict[str, Any] = {
                "context": str(self.context),
                "network": "none",
                "output": fd,
                "complaints": fd,
            } | options
            built = build(str(self.root), BuildOptions(**given))
            return built, said(fd)
        except Exception as error:
            error.add_note(said(fd))
            raise
        finally:
            os.close(fd)

    def config(self, built: Built) -> dict[str, Any]:
        """The execution part of the image's configuration."""
        config: dict[str, Any] = self.store.resolve(built.digest).config.to_json().get("config", {})
        return config

    @contextmanager
    def files(self, built: Built) -> Iterator[View]:
        """The image's files."""
        store = self.store
        with View.of(store.unpack(store.resolve(built.digest))) as view:
            yield view

    def read(self, built: Built, path: str) -> str:
        """A file of the image."""
        with self.files(built) as view:
            node = view.resolve(path)
            assert node is not None, f"{path} is not in the image"
            with view.open(node) as fd, io.FileIO(os.dup(fd)) as file:
                return file.read().decode()

    def stat(self, built: Built, path: str) -> os.stat_result | None:
        """What is at a path, the last link not followed."""
        with self.files(built) as view:
            node = view.resolve(path, follow=False)
            return None if node is None else node.status

    def layers(self, built: Built) -> int:
        return len(self.store.resolve(built.digest).manifest.layers)


def said(fd: int) -> str:
    os.lseek(fd, 0, os.SEEK_SET)
    with open(os.dup(fd), encoding="utf-8", errors="surrogateescape") as file:
        return file.read()


def leftovers(root: Path) -> list[str]:
    """What builds on this root directory would leave: mounts, control groups, namespaces, files."""
    mounts = [line.split(" ")[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    work = root / "build" / "work"
    return [path for path in mounts if path.startswith(f"{root}/")] + (
        list(map(str, work.iterdir())) if work.exists() else []
    )


@pytest.fixture(scope="package")
def base_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    require_root()
    root = tmp_path_factory.mktemp("base")
    store = ImageStore(root)
    build_image(store, BASE, (base_layer(),), ImageConfig(cmd=("sh",), env=("PATH=/bin",), labels={"base": "yes"}))
    store.unpack(store.resolve(BASE))
    return root


@pytest.fixture
def builder(base_root: Path, tmp_path: Path) -> Iterator[Builder]:
    """With an image ``base:1`` of busybox."""
    root, context = tmp_path / "root", tmp_path / "context"
    shutil.copytree(base_root, root, symlinks=True)
    for path in (root / "layers").glob("*/diff"):  # copytree keeps no owners, and all are root's
        assert path.is_dir()
    context.mkdir()
    yield Builder(root, context)
    assert leftovers(root) == []

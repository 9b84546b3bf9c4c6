"""What all engines stand on: one sandbox, one registry to pull from, one to push to, and the same files."""

from __future__ import annotations

import os
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from bench.engines.materials import (
    SOURCE_PORT,
    TARGET_PORT,
    Places,
    Registry,
    fill_registry,
    make_images,
    write_files,
)
from bench.engines.sandbox import Sandbox
from runtime.cgroups.cgroup import remove_directory

if TYPE_CHECKING:
    from bench.context import RunContext


class EngineGround:
    """Prepared once for a run."""

    def __init__(self, context: RunContext, size_bytes: int, containers: int) -> None:
        self.containers = containers
        self.sandbox = Sandbox()
        self.places = Places(context.containers / "materials")
        self.engine = context.engine
        self.target = Registry(self.sandbox, context.directory / "target", TARGET_PORT)
        self._source = Registry(self.sandbox, context.directory / "source", SOURCE_PORT)
        self._context = context
        self._size_bytes = size_bytes
        self._stack = ExitStack()

    def open(self) -> None:
        """Make the images, the files, the namespaces and the registries."""
        self._stack.callback(self._remove_groups)
        self.places.directory.mkdir()
        store = make_images(self.places.directory, self._size_bytes)
        write_files(self.places, store)
        self._stack.callback(self.sandbox.close)
        self.sandbox.open()
        self._stack.callback(self._source.close)
        self._stack.callback(self.target.close)
        self._source.start()
        self.sandbox.call(lambda: fill_registry(store))

    def directory(self, name: str) -> Path:
        """Where an engine keeps what is large."""
        return _made(self._context.containers / name)

    def state(self, name: str) -> Path:
        """Where an engine keeps its sockets and its configuration."""
        return _made(self._context.directory / name)

    def group(self, name: str) -> str:
        """The control group above an engine's containers."""
        return f"{self._context.cgroup}/{name}"

    def collect(self) -> None:
        """Remove from our engine's store whatever no listed image needs, however young it is."""
        from runtime.image.collect import collect
        from runtime.image.store import ImageStore

        collect(ImageStore(self.engine), grace_s=0)

    def close(self) -> None:
        """End the registries, give up the sandbox, remove the groups. Idempotent."""
        self._stack.close()

    def _remove_groups(self) -> None:
        mountinfo = Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines()
        for mount in {line.split(" ")[4] for line in mountinfo if " - cgroup" in line}:
            top = Path(mount, self._context.cgroup)
            for directory, _, _ in os.walk(top, topdown=False):
                remove_directory(directory)
            if top.parent.is_dir() and not any(entry.is_dir() for entry in top.parent.iterdir()):
                remove_directory(str(top.parent))


def _made(directory: Path) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    return directory

"""The files of an image on its way: its layers mounted, something done in them, and what it changed as a layer."""

from __future__ import annotations

import os
from pathlib import Path

from runtime.build.mounting import mount_overlay, unmount
from runtime.build.placing import Attributes, Placer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from runtime.build.bases import Bases
    from runtime.build.state import State
    from runtime.build.workspace import Room, Workspace

_DIRECTORIES = ("/dev", "/proc", "/sys")
_FILES = ("/etc/hostname", "/etc/hosts", "/etc/resolv.conf")
_DIRECTORY, _FILE = Attributes(mode=0o755), Attributes(mode=0o644)


class Layers:
    """Of all images of one build."""

    def __init__(self, bases: Bases, workspace: Workspace) -> None:
        self._bases = bases
        self._workspace = workspace
        self._prepared: dict[tuple[str, ...], tuple[str, ...]] = {}
        self._empty = f"{workspace.directory}/empty"

    def directories(self, state: State) -> tuple[str, ...]:
        """The image's layers, extracted if they are not yet, bottom first."""
        from runtime.image.config import ImageConfig
        from runtime.image.manifest import Manifest, parse

        if not state.layers:
            os.makedirs(self._empty, mode=0o755, exist_ok=True)
            return (self._empty,)
        manifest = parse(state.manifest(), "application/vnd.oci.image.manifest.v1+json", "the image on its way")
        if not isinstance(manifest, Manifest):
            raise TypeError(manifest)
        config = ImageConfig.parse(state.encode(), "the image on its way")
        return tuple(map(str, self._bases.store.unpack_layers(manifest, config)))

    def make(
        self, state: State, action: Callable[[Room], None], *, for_a_container: bool = False
    ) -> dict[str, Any] | None:
        """The descriptor of what ``action`` changes in the mounted layers; None if that is nothing."""
        lowers = self.directories(state)
        if for_a_container:
            lowers = self._with_places(lowers)
        room = self._workspace.room()
        try:
            mount_overlay(lowers, room.upper, room.work, room.merged)
            action(room)
            unmount(room.merged)
            return self._commit(state, room.upper, lowers) if os.listdir(room.upper) else None
        finally:
            room.close()

    def _commit(self, state: State, upper: str, lowers: tuple[str, ...]) -> dict[str, Any]:
        """Stored as an archive, and kept extracted: the directory is the layer's from now on."""
        from runtime.image.commit import layer_of_upper
        from runtime.image.config import ImageConfig
        from runtime.image.digest import Digest

        store = self._bases.store
        layer = layer_of_upper(store, Path(upper), tuple(map(Path, lowers)))
        diff_ids = (*map(Digest.parse, state.diff_ids), layer.digest)
        store.layers.adopt(Path(upper), ImageConfig(diff_ids=diff_ids))
        return {"mediaType": layer.media_type, "digest": str(layer.digest), "size": layer.size_bytes}

    def _with_places(self, lowers: tuple[str, ...]) -> tuple[str, ...]:
        """With a layer that has what a container's mounts need and the image lacks: it is no part of the image."""
        if lowers not in self._prepared:
            room = self._workspace.room()
            mount_overlay(lowers, room.upper, room.work, room.merged)
            try:
                with Placer(room.merged) as placer:
                    for path in (*_DIRECTORIES, *_FILES):
                        _ensure(placer, path, is_file=path in _FILES)
            finally:
                unmount(room.merged)
            self._prepared[lowers] = (*lowers, room.upper) if os.listdir(room.upper) else lowers
        return self._prepared[lowers]


def _ensure(placer: Placer, name: str, *, is_file: bool) -> None:
    """Make it if it is missing, without a trace in the directory that it is in."""
    path = placer.resolve(name)
    if placer.status(path) is not None:
        return
    placer.make_parents(path[:-1], _DIRECTORY)
    before = placer.status(path[:-1])
    if is_file:
        placer.file(path, _FILE, lambda _: None)
    else:
        placer.directory(path, _DIRECTORY)
    if before is not None:
        placer.directory(path[:-1], Attributes(before.st_uid, before.st_gid, None, before.st_mtime_ns))

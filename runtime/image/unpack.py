"""Layers as directories, each extracted once per chain id (image-spec, config.md, section Layer ChainID)."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from runtime.image.digest import Digest
from runtime.image.durable import store_errors, sync_directory
from runtime.image.layer import Layer, extract_layer, is_opaque
from runtime.image.lock import locked
from runtime.image.purify import purify
from runtime.image.tree import Tree, remove
from runtime.linux.syncfs import syncfs

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence
    from pathlib import Path

    from runtime.image.archive import LayerLimits
    from runtime.image.blobs import Blobs
    from runtime.image.config import ImageConfig
    from runtime.image.manifest import Manifest

_PARTIAL = ".partial"
# Beside a layer's directory: how many bytes its files hold.
_SIZE = "size"


def chain_ids(diff_ids: Iterable[Digest]) -> tuple[Digest, ...]:
    """For each layer the digest of it *and all below it*."""
    chain: list[Digest] = []
    for diff_id in diff_ids:
        chain.append(Digest.of(f"{chain[-1]} {diff_id}".encode()) if chain else diff_id)
    return tuple(chain)


class LayerCache:
    """The directory ``root`` of extracted layers; several processes may use it."""

    def __init__(self, root: Path, blobs: Blobs, limits: LayerLimits) -> None:
        self._root = root
        self._blobs = blobs
        self._limits = limits

    def unpack(self, manifest: Manifest, config: ImageConfig) -> tuple[Path, ...]:
        """The layers' directories, bottom first; a layer that was extracted before is used again.

        Layers that one further up hides entirely are left out: overlayfs does not heed an opaque root.
        """
        chain = chain_ids(config.diff_ids)
        paths = tuple(map(self.path, chain))
        # Once more if somebody has collected one meanwhile: when it has been touched, nobody does.
        while not (all(path.is_dir() for path in paths) and self._touch(paths)):
            self._extract(manifest, config, paths)
        with store_errors("read attributes below", self._root):
            opaque = [level for level, path in enumerate(paths) if is_opaque(path)]
        return paths[opaque[-1] :] if opaque else paths

    def _extract(self, manifest: Manifest, config: ImageConfig, paths: Sequence[Path]) -> None:
        # The files in layers may be setuid: nobody but root gets near them.
        with store_errors("create", self._root):
            self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
        with store_errors("extract layers below", self._root), locked(self._root):
            for level, layer in enumerate(map(Layer, manifest.layers, config.diff_ids)):
                self._ensure(paths[level], layer, paths[:level])

    def path(self, chain_id: Digest) -> Path:
        """Where the layer is, or would be, extracted."""
        return self._root / f"{chain_id.algorithm}-{chain_id.encoded}" / "diff"

    def size_bytes(self, chain_id: Digest) -> int | None:
        """How much content the layer has; None unless it is extracted."""
        try:
            return int((self.path(chain_id).parent / _SIZE).read_bytes())
        except (FileNotFoundError, ValueError):
            return None

    def adopt(self, upper: Path, config: ImageConfig) -> bool:
        """Make an upper directory the extracted form of the configuration's last layer, which was made of it.

        It is moved, not copied: nothing may use it any more. Whether it was; a layer that is there already stays.
        """
        path = self.path(chain_ids(config.diff_ids)[-1])
        with store_errors("create", self._root):
            self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
        with store_errors("move layer below", self._root), locked(self._root):
            if path.is_dir():
                return False
            partial = self._root / _PARTIAL
            self._remove_partial()
            partial.mkdir()
            try:
                upper.rename(partial / "diff")
                (partial / _SIZE).write_text(str(purify(partial / "diff")))
                _sync(partial)
                partial.rename(path.parent)
                sync_directory(self._root)
            finally:
                self._remove_partial()
        return True

    def remove(self, chains: Iterable[Digest], in_use: Iterable[Path] = ()) -> tuple[Digest, ...]:
        """Remove these layers, but for those whose directories are in use; which have been there."""
        kept = set(in_use)
        wanted = [chain_id for chain_id in chains if self.path(chain_id) not in kept]
        removed = [chain_id for chain_id in wanted if self.path(chain_id).is_dir()]
        if removed:
            with store_errors("remove layers below", self._root), locked(self._root):
                for chain_id in removed:
                    self._discard(self.path(chain_id).parent)
        return tuple(removed)

    def sweep(self, keep: Collection[str], grace_s: float) -> tuple[Path, ...]:
        """Remove extracted layers that are not among ``keep`` and were not asked for during the grace."""
        removed: list[Path] = []
        if not self._root.is_dir():
            return ()
        with store_errors("remove layers below", self._root), locked(self._root):
            for path in sorted(self._root.glob("sha*-*")):
                if path.name not in keep and time.time() - path.stat().st_mtime >= grace_s:
                    self._discard(path)
                    removed.append(path)
        return tuple(removed)

    def _discard(self, path: Path) -> None:
        """At once for whoever looks for it: half a layer must not pass for one."""
        self._remove_partial()
        with suppress(FileNotFoundError):
            path.rename(self._root / _PARTIAL)
        self._remove_partial()

    def _touch(self, paths: Iterable[Path]) -> bool:
        """Say that somebody is about to use the layers; whether they were there."""
        with store_errors("touch layers below", self._root):
            try:
                for path in paths:
                    os.utime(path.parent)
            except FileNotFoundError:
                return False
        return True

    def _ensure(self, path: Path, layer: Layer, lowers: Sequence[Path]) -> None:
        """Extract beside the final place and rename, under the lock: a layer is there whole or not at all."""
        if path.is_dir():
            return
        partial = self._root / _PARTIAL
        self._remove_partial()
        (partial / "diff").mkdir(parents=True)
        try:
            with self._blobs.open(layer.descriptor) as blob:
                size = extract_layer(layer, blob, partial / "diff", lowers, self._limits)
            (partial / _SIZE).write_text(str(size))
            _sync(partial)
            partial.rename(path.parent)
            sync_directory(self._root)
        finally:
            self._remove_partial()

    def _remove_partial(self) -> None:
        """Remove what this extraction, or one that was killed, has left: whoever holds the lock owns it."""
        with Tree.at(self._root) as tree:
            remove(tree.root_fd, _PARTIAL.encode())


def _sync(directory: Path) -> None:
    """Have all files written out before the name that vouches for them; fsync would flush for each."""
    with Tree.at(directory) as tree:
        syncfs(tree.root_fd)

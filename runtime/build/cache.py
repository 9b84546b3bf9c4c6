"""What instructions have made before: a file for each, called by the digest of all that decides what it makes.

    ROOT/build/cache/XX/KEY     {"created": …, "layer": null or the layer's descriptor}

A record is as good as its layer: when that has been collected, it is none.
"""

from __future__ import annotations

import hashlib
import os

from runtime import jsontext
from runtime.unwinding import suppress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def cache_key(*parts: str) -> str:
    """Of all that decides."""
    whole = hashlib.sha256()
    for part in parts:
        content = part.encode("utf-8", "surrogateescape")
        whole.update(b"%d:" % len(content) + content)
    return whole.hexdigest()


class Cache:
    """Below the engine's root directory; several builds may use it."""

    def __init__(self, root: str) -> None:
        self._directory = f"{root}/build/cache"
        self._blobs = f"{root}/images/blobs"

    def find(self, key: str) -> dict[str, Any] | None:
        """The record, if its layer is there."""
        try:
            with open(self._path(key), encoding="utf-8") as file:
                record: dict[str, Any] = jsontext.loads(file.read())
            layer = record["layer"]
            return record if layer is None or self.has(layer) else None
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def has(self, layer: dict[str, Any]) -> bool:
        """Whether the blob is there, which is young again then: nobody collects it while it is built upon."""
        path = f"{self._blobs}/{layer['digest'].replace(':', '/')}"
        try:
            if os.stat(path).st_size != layer["size"]:
                return False
            os.utime(path)
        except FileNotFoundError:
            return False
        return True

    def store(self, key: str, record: dict[str, Any]) -> None:
        """Remember it: whole, or not at all."""
        path = self._path(key)
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        partial = f"{path}.{os.urandom(8).hex()}"
        try:
            with open(partial, "w", encoding="utf-8") as file:
                file.write(jsontext.dumps(record))
            os.rename(partial, path)
        finally:
            with suppress(FileNotFoundError):
                os.unlink(partial)

    def _path(self, key: str) -> str:
        return f"{self._directory}/{key[:2]}/{key}"


def prune(root: str) -> int:
    """Forget everything; how many records there were. Layers that no image has are the store's to collect."""
    directory, count = f"{root}/build/cache", 0
    for place, _, names in os.walk(directory, topdown=False):
        for name in names:
            with suppress(FileNotFoundError):
                os.unlink(f"{place}/{name}")
                count += 1
        with suppress(OSError):  # somebody has just remembered something
            os.rmdir(place)
    return count

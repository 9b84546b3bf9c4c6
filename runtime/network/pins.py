"""Namespaces that we made for containers, each pinned below one directory beside a record of whose it is."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING

from runtime.network.namespaces import create_namespace, remove_namespace
from runtime.network.owners import Owner

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Pins:
    """``DIRECTORY/ID`` is the namespace, ``DIRECTORY/.ID.json`` its owner; no id begins with a dot."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def path(self, container_id: str) -> Path:
        """Where the container's namespace is, or would be."""
        return self.directory / container_id

    def create(self, holder: Owner) -> Path:
        """Make and pin a namespace; raises `NamespaceError`, and leaves nothing then."""
        path = self.path(holder.id)
        if not path.exists():
            self.write(holder)
        try:
            create_namespace(path)
        except BaseException:
            if not path.exists():
                self._record(holder.id).unlink(missing_ok=True)
            raise
        return path

    def remove(self, container_id: str) -> None:
        """Unpin it. Idempotent."""
        remove_namespace(self.path(container_id))
        self._record(container_id).unlink(missing_ok=True)
        with suppress(OSError):
            self.directory.rmdir()

    def write(self, holder: Owner) -> None:
        """Record whose it is."""
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        temporary = self._record(holder.id).with_suffix(".new")
        temporary.write_text(json.dumps(holder.to_json()), encoding="utf-8")
        temporary.replace(self._record(holder.id))

    def dead(self) -> Iterator[str]:
        """Ids of containers whose owner has ended."""
        files = list(self.directory.iterdir()) if self.directory.is_dir() else []
        for container_id in sorted({_id_of(path.name) for path in files}):
            holder = self.holder(container_id)
            if holder is None or not holder.is_alive():
                yield container_id

    def holder(self, container_id: str) -> Owner | None:
        """Whose it is; None if nobody wrote it down."""
        try:
            return Owner.from_json(json.loads(self._record(container_id).read_bytes()))
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def _record(self, container_id: str) -> Path:
        return self.directory / f".{container_id}.json"


def _id_of(file_name: str) -> str:
    """Whose namespace, record or half-written record it is."""
    return file_name[1:].rpartition(".")[0] if file_name.startswith(".") else file_name

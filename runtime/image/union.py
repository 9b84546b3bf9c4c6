"""Reading one file of an image from its unpacked layers, as overlayfs would show it, without a mount."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

from runtime.image.errors import LayerError
from runtime.image.view import View

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


def read_file(layers: Sequence[Path], path: str, limit_bytes: int) -> bytes | None:
    """The regular file at ``path`` in the union of ``layers``, bottom first; None if the union has none there.

    Raises `LayerError` for one of more than ``limit_bytes``.
    """
    with View.of(layers) as view:
        node = view.resolve(path)
        if node is None or not stat.S_ISREG(node.status.st_mode):
            return None
        with view.open(node) as fd, open(fd, "rb", closefd=False) as file:
            content = file.read(limit_bytes + 1)
    if len(content) > limit_bytes:
        raise LayerError(f"read {path} of the image: more than {limit_bytes} bytes")
    return content

"""An image store that makes every classic mistake: the witness of the tests in ``tests/integration/image_hostile``.

What an image reaches through this one and not through ours is what ours prevents: names are joined to a path, links are
followed by whoever comes later, whiteouts delete what they name, digests and sizes are believed.
"""

from __future__ import annotations

import json
import os
import shutil
import tarfile
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


def extract(layers: Iterable[IO[bytes]], root: Path) -> None:
    """All layers into one directory."""
    for layer in layers:
        with tarfile.open(fileobj=layer) as tar:
            for entry in tar:
                _place(tar, entry, os.path.join(str(root), entry.name), str(root))


def _place(tar: tarfile.TarFile, entry: tarfile.TarInfo, path: str, root: str) -> None:
    directory, name = os.path.split(path)
    os.makedirs(directory, exist_ok=True)
    if name == ".wh..wh..opq":
        for child in os.listdir(directory):
            _delete(os.path.join(directory, child))
    elif name.startswith(".wh."):
        _delete(os.path.join(directory, name.removeprefix(".wh.")))
    elif entry.isdir():
        os.makedirs(path, exist_ok=True)
        os.chmod(path, entry.mode)
    elif entry.issym():
        _delete(path)
        os.symlink(entry.linkname, path)
    elif entry.islnk():
        _delete(path)
        os.link(os.path.join(root, entry.linkname), path)
    else:
        file = tar.extractfile(entry)
        with open(path, "wb") as target:
            target.write(b"" if file is None else file.read())


def _delete(path: str) -> None:
    if os.path.islink(path) or os.path.isfile(path):
        os.unlink(path)
    elif os.path.isdir(path):
        shutil.rmtree(path)


def manifest(layout: Path, descriptor: dict[str, Any]) -> dict[str, Any]:
    """The first manifest behind an entry of a layout, however deep."""
    algorithm, _, encoded = descriptor["digest"].partition(":")
    document: dict[str, Any] = json.loads((layout / "blobs" / algorithm / encoded).read_bytes())
    return manifest(layout, document["manifests"][0]) if "manifests" in document else document

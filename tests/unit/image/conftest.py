"""Layers, good and bad, and what they are extracted into."""

from __future__ import annotations

import gzip
import io
import tarfile
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest
import zstandard
from hypothesis import settings

from runtime.image.archive import DEFAULT_LIMITS, LayerLimits
from runtime.image.compression import Compression
from runtime.image.descriptor import Descriptor
from runtime.image.digest import Digest, VerifyingReader
from runtime.image.layer import Layer, extract_layer
from runtime.image.manifest import LAYER, LAYER_GZIP, LAYER_ZSTD

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path


# A busy machine is no failure: properties are checked without regard to time.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


@dataclass(frozen=True)
class Member:
    """One member of an archive, as tarfile would never check it."""

    name: str
    kind: bytes = tarfile.REGTYPE
    content: bytes = b""
    link: str = ""
    mode: int = 0o644
    owner: tuple[int, int] = (0, 0)
    mtime: float = 0
    device: tuple[int, int] = (0, 0)
    pax: dict[str, str] = field(default_factory=dict)
    size: int | None = None

    def add(self, tar: tarfile.TarFile) -> None:
        info = tarfile.TarInfo(self.name)
        info.type, info.linkname, info.mode, info.mtime = self.kind, self.link, self.mode, self.mtime
        info.uid, info.gid = self.owner
        info.devmajor, info.devminor = self.device
        info.pax_headers = self.pax
        info.size = len(self.content) if self.size is None else self.size
        tar.addfile(info, io.BytesIO(self.content) if self.content else None)


def make_tar(*members: Member) -> bytes:
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w", format=tarfile.PAX_FORMAT, errors="surrogateescape") as tar:
        for member in members:
            member.add(tar)
    return archive.getvalue()


_FORMS: dict[Compression | None, tuple[str, Callable[[bytes], bytes]]] = {
    None: (LAYER, bytes),
    Compression.GZIP: (LAYER_GZIP, gzip.compress),
    Compression.ZSTD: (LAYER_ZSTD, zstandard.compress),
}


class Ground:
    """A directory for a layer, and beside it one that no layer may touch."""

    def __init__(self, root: Path) -> None:
        self.layer = root / "layers" / "diff"
        self.outside = root / "outside"
        self.layer.mkdir(parents=True)
        self.outside.mkdir()
        (self.outside / "secret").write_bytes(b"kept")
        (self.outside / "directory").mkdir()
        self._before = self._snapshot()

    def extract(
        self,
        archive: bytes,
        *,
        compress: Compression | None = None,
        lowers: Sequence[Path] = (),
        limits: LayerLimits = DEFAULT_LIMITS,
        diff_id: Digest | None = None,
    ) -> Path:
        media_type, make = _FORMS[compress]
        blob = make(archive)
        descriptor = Descriptor.of(media_type, blob)
        reader = VerifyingReader(io.BytesIO(blob), descriptor.digest, descriptor.size_bytes, "test blob")
        layer = Layer(descriptor, diff_id or Digest.of(archive))
        extract_layer(layer, reader, self.layer, lowers, limits)
        return self.layer

    def untouched(self) -> bool:
        return self._snapshot() == self._before

    def _snapshot(self) -> list[tuple[str, tuple[int, ...], bytes]]:
        # Access times may change: reading is not what is forbidden.
        found: list[tuple[str, tuple[int, ...], bytes]] = []
        root = self.outside.parent
        for path in (root, *sorted(root.rglob("*"))):
            if path == self.layer or self.layer in path.parents:
                continue
            status = path.lstat()
            facts = (status.st_mode, status.st_uid, status.st_nlink, status.st_mtime_ns, status.st_ctime_ns)
            found.append((str(path), facts, path.read_bytes() if path.is_file() else b""))
        return found


@pytest.fixture
def ground(tmp_path: Path) -> Ground:
    return Ground(tmp_path)

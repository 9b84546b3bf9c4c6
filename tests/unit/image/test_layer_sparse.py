"""Sparse files, as GNU tar writes them in four forms, and maps of them that lie; and what becomes of device nodes."""

from __future__ import annotations

import os
import stat
import subprocess
import tarfile
from typing import TYPE_CHECKING

import pytest

from runtime.image.archive import Archive, Devices, LayerLimits, layer_errors
from runtime.image.errors import LayerError, UnsafeEntry
from tests.unit.image.conftest import Ground, Member, make_tar

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.root

FORMS = (("--format=gnu",), *(("--format=posix", f"--sparse-version={version}") for version in ("0.0", "0.1", "1.0")))
SIZE = 10 << 20


@pytest.fixture
def sparse(tmp_path: Path) -> Path:
    """A directory of one file with holes, more than one header can tell of."""
    directory = tmp_path / "source"
    directory.mkdir()
    with (directory / "file").open("wb") as file:
        file.truncate(SIZE)
        for offset in range(0, SIZE, SIZE // 40):
            file.seek(offset)
            file.write(os.urandom(4096))
    return directory


@pytest.mark.parametrize("form", FORMS)
def test_holes_stay_holes(ground: Ground, sparse: Path, form: tuple[str, ...]) -> None:
    command = ("tar", "-C", str(sparse), "--sparse", *form, "-cf", "-", "file")
    archive = subprocess.run(command, check=True, capture_output=True).stdout
    assert len(archive) < SIZE // 4
    layer = ground.extract(archive)
    assert (layer / "file").read_bytes() == (sparse / "file").read_bytes()
    assert [path.name for path in layer.iterdir()] == ["file"]


def test_long_runs_of_zeros_become_holes(ground: Ground) -> None:
    content = bytes(4 << 20) + b"end"
    layer = ground.extract(make_tar(Member("zeros", content=content), Member("only", content=bytes(1 << 20))))
    assert (layer / "zeros").read_bytes() == content
    assert (layer / "only").read_bytes() == bytes(1 << 20)
    assert (layer / "zeros").stat().st_blocks * 512 < 1 << 20


def version_1(mapping: bytes, real_size: int, data: bytes = b"") -> Member:
    """A sparse file whose map, which stands before its data, says this."""
    pax = {
        "GNU.sparse.major": "1",
        "GNU.sparse.minor": "0",
        "GNU.sparse.realsize": str(real_size),
        "GNU.sparse.name": "f",
    }
    return Member("GNUSparseFile.1/f", content=mapping + bytes(-len(mapping) % 512) + data, pax=pax)


@pytest.mark.parametrize(
    "member",
    [
        version_1(b"1\n10\n100\n", 50, bytes(512)),
        version_1(b"1\n-5\n10\n", 50, bytes(512)),
        version_1(b"1\n0\n-10\n", 50, bytes(512)),
        version_1(b"x\n", 50),
        version_1(b"2\n100\n50\n0\n50\n", 200, bytes(512)),
        version_1(b"1\n0\n10\n", 1 << 60, bytes(512)),
        version_1(b"1\n0\n10\n", -1, bytes(512)),
        version_1(b"1000000000\n" + b"0\n0\n" * 1_000_000, 50),
        Member("f", pax={"GNU.sparse.map": "1,x", "GNU.sparse.size": "10"}, content=b"x"),
        Member("f", pax={"GNU.sparse.map": "0,-1", "GNU.sparse.size": "10"}, content=b"x"),
    ],
)
def test_maps_that_lie(ground: Ground, member: Member) -> None:
    with pytest.raises(LayerError, match=r"^layer sha256:"):
        ground.extract(make_tar(member, Member("after", content=b"x")))
    assert ground.untouched()


class Endless:
    """The head of an archive, and then for ever lines of a map."""

    def __init__(self, head: bytes) -> None:
        self.head = head
        self.given = 0

    def read(self, size: int = -1) -> bytes:
        data, self.head = self.head[:size], self.head[size:]
        data += b"0\n" * ((size - len(data)) // 2)
        self.given += len(data)
        return data


@pytest.mark.parametrize("kind", ["map of version 1", "extensions of the old form"])
def test_a_map_without_end_is_read_into_no_memory(kind: str) -> None:
    if kind == "map of version 1":
        head = make_tar(version_1(b"1000000000\n" + b"0\n" * 250, 50))
        head = head[: head.rindex(b"1000000000")]
        head += b"1000000000\n"
    else:
        info = tarfile.TarInfo("f")
        header = bytearray(info.tobuf(tarfile.GNU_FORMAT))
        header[156:157], header[482] = b"S", 1
        header[148:156] = b" " * 8
        header[148:155] = b"%06o\0" % sum(header)
        head = bytes(header)
    stream = Endless(head)
    with layer_errors("x"), pytest.raises(tarfile.TarError):
        list(Archive(stream, LayerLimits(max_bytes=64 << 20), "x"))
    assert stream.given < 4 << 20


DEVICE = Member("dev/sda", tarfile.BLKTYPE, device=(8, 0), mode=0o660)


def test_device_nodes_are_made_left_out_or_refused(tmp_path: Path) -> None:
    archive = make_tar(DEVICE, Member("dev/file", content=b"x"))
    made = Ground(tmp_path / "made").extract(archive)
    status = (made / "dev/sda").stat()
    assert (stat.S_ISBLK(status.st_mode), status.st_rdev) == (True, os.makedev(8, 0))
    left = Ground(tmp_path / "left").extract(archive, limits=LayerLimits(devices=Devices.LEAVE_OUT))
    assert [path.name for path in (left / "dev").iterdir()] == ["file"]
    with pytest.raises(UnsafeEntry, match="entry 'dev/sda': a device node"):
        Ground(tmp_path / "refused").extract(archive, limits=LayerLimits(devices=Devices.REFUSE))

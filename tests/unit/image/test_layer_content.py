"""A layer on the disk is what its archive says, with overlayfs's marks for what it deletes."""

from __future__ import annotations

import gzip
import io
import os
import stat
import tarfile
from typing import TYPE_CHECKING

import pytest
import zstandard

from runtime.image.archive import LayerLimits
from runtime.image.compression import Compression
from runtime.image.descriptor import Descriptor
from runtime.image.digest import Digest, VerifyingReader
from runtime.image.errors import CorruptBlob, LayerError, LayerTooLarge, UnsupportedMedia
from runtime.image.layer import Layer, extract_layer
from runtime.image.manifest import LAYER_GZIP, LAYER_ZSTD
from tests.unit.image.conftest import Ground, Member, make_tar

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.root

DIRECTORY, SYMLINK, HARD_LINK = tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE


def is_whiteout(path: Path) -> bool:
    status = path.lstat()
    return stat.S_ISCHR(status.st_mode) and status.st_rdev == 0


def is_opaque(path: Path) -> bool:
    try:
        return os.getxattr(path, "trusted.overlay.opaque") == b"y"
    except OSError:
        return False


@pytest.mark.parametrize("compress", [None, Compression.GZIP, Compression.ZSTD])
def test_every_kind_of_entry(ground: Ground, *, compress: Compression | None) -> None:
    layer = ground.extract(
        make_tar(
            Member("./", DIRECTORY, mode=0o711, mtime=5),
            Member("./bin/", DIRECTORY, mode=0o755, owner=(1, 2), mtime=1000),
            Member("bin/su", content=b"program" * 100_000, mode=0o4755, owner=(0, 42), mtime=1.5),
            Member("bin/sh", SYMLINK, link="su", owner=(7, 8), mtime=2000),
            Member("bin/same", HARD_LINK, link="bin/su", mode=0o4755, owner=(0, 42)),
            Member("pipe", tarfile.FIFOTYPE, mode=0o620),
            Member("null", tarfile.CHRTYPE, mode=0o666, device=(1, 3)),
            Member("disk", tarfile.BLKTYPE, mode=0o660, owner=(0, 6), device=(7, 200)),
            Member("a" * 150 + "/" + "b" * 150, content=b"long"),
            Member("name \udcff\udcfe", content=b"no utf-8"),
        ),
        compress=compress,
    )
    su, sh = (layer / "bin/su").lstat(), (layer / "bin/sh").lstat()
    assert (layer / "bin/su").read_bytes() == b"program" * 100_000
    assert (stat.S_IMODE(su.st_mode), su.st_uid, su.st_gid, su.st_mtime_ns) == (0o4755, 0, 42, 1_500_000_000)
    assert (layer / "bin/same").lstat().st_ino == su.st_ino
    assert ((layer / "bin/sh").readlink().name, sh.st_uid, sh.st_gid, sh.st_mtime) == ("su", 7, 8, 2000)
    directory = (layer / "bin").lstat()
    assert (directory.st_uid, directory.st_gid, directory.st_mtime) == (1, 2, 1000)
    assert (stat.S_IMODE(layer.lstat().st_mode), layer.lstat().st_mtime) == (0o711, 5)
    assert stat.S_ISFIFO((layer / "pipe").lstat().st_mode)
    assert (layer / "null").lstat().st_rdev == os.makedev(1, 3)
    assert (layer / "disk").lstat().st_rdev == os.makedev(7, 200)
    assert stat.S_IMODE((layer / "disk").lstat().st_mode) == 0o660
    assert (layer / ("a" * 150) / ("b" * 150)).read_bytes() == b"long"
    assert b"name \xff\xfe" in os.listdir(os.fsencode(layer))


def test_times_are_exact_and_may_be_before_1970(ground: Ground) -> None:
    layer = ground.extract(
        make_tar(
            Member("exact", pax={"mtime": "1234567890.123456789"}),
            Member("early", pax={"mtime": "-1.5"}),
        )
    )
    assert (layer / "exact").stat().st_mtime_ns == 1234567890123456789
    assert (layer / "early").stat().st_mtime_ns == -1_500_000_000


def test_extended_attributes(ground: Ground) -> None:
    capability = b"\x01\x00\x00\x02\x00\x04\x00\x00" + bytes(12)
    pax = {
        "SCHILY.xattr.user.note": "hello\nworld",
        "SCHILY.xattr.security.capability": capability.decode("utf-8", "surrogateescape"),
    }
    layer = ground.extract(make_tar(Member("ping", content=b"x", owner=(5, 5), mode=0o755, pax=pax)))
    assert os.getxattr(layer / "ping", "user.note") == b"hello\nworld"
    assert os.getxattr(layer / "ping", "security.capability") == capability


def test_overlay_attributes_of_a_layer_are_not_content(ground: Ground) -> None:
    pax = {"SCHILY.xattr.trusted.overlay.redirect": "/etc", "SCHILY.xattr.user.overlay.opaque": "y"}
    layer = ground.extract(make_tar(Member("d/", DIRECTORY, mode=0o755, pax=pax)))
    assert os.listxattr(layer / "d") == []


def test_whiteouts(ground: Ground) -> None:
    layer = ground.extract(
        make_tar(
            Member("etc/.wh.passwd"),
            Member("var/.wh..wh..opq"),
            Member("var/new", content=b"new"),
            Member(".wh..wh.plnk", DIRECTORY),
        )
    )
    assert is_whiteout(layer / "etc/passwd")
    assert is_opaque(layer / "var")
    assert (layer / "var/new").read_bytes() == b"new"
    assert sorted(path.name for path in layer.rglob("*")) == ["etc", "new", "passwd", "var"]


@pytest.mark.parametrize("whiteout_first", [True, False])
def test_whiteout_does_not_hide_what_its_own_layer_holds(ground: Ground, *, whiteout_first: bool) -> None:
    whiteouts = (Member(".wh.file"), Member(".wh.directory"), Member(".wh.implied"))
    content = (
        Member("file", content=b"new"),
        Member("directory/", DIRECTORY, mode=0o755),
        Member("implied/file", content=b"new"),
    )
    layer = ground.extract(make_tar(*((*whiteouts, *content) if whiteout_first else (*content, *whiteouts))))
    assert (layer / "file").read_bytes() == b"new"
    assert is_opaque(layer / "directory")
    assert is_opaque(layer / "implied")
    assert (layer / "implied/file").read_bytes() == b"new"


def test_the_last_of_duplicate_entries_counts(ground: Ground) -> None:
    layer = ground.extract(
        make_tar(
            Member("file", content=b"first", mode=0o600),
            Member("file", content=b"second", mode=0o644),
            Member("was-directory/deep/file", content=b"x"),
            Member("was-directory", content=b"file"),
            Member("was-file", content=b"x"),
            Member("was-file/", DIRECTORY, mode=0o755),
            Member("kept/file", content=b"kept"),
            Member("kept/", DIRECTORY, mode=0o700),
        )
    )
    assert (layer / "file").read_bytes() == b"second"
    assert stat.S_IMODE((layer / "file").stat().st_mode) == 0o644
    assert (layer / "was-directory").read_bytes() == b"file"
    assert (layer / "was-file").is_dir()
    assert (layer / "kept/file").read_bytes() == b"kept"
    assert stat.S_IMODE((layer / "kept").stat().st_mode) == 0o700


def test_implied_directory_is_as_in_the_layers_below(tmp_path: Path) -> None:
    bottom, middle = tmp_path / "bottom", tmp_path / "middle"
    below = ((bottom / "tmp", 0o1777, 3), (middle / "home", 0o750, 4), (middle / "x", 0o700, 5))
    for directory, mode, owner in below:
        directory.mkdir(parents=True)
        directory.chmod(mode)
        os.chown(directory, owner, owner)
    (bottom / "x").write_bytes(b"a file is no directory")
    layer = Ground(tmp_path / "other").extract(
        make_tar(Member("tmp/file"), Member("home/me/file"), Member("unknown/file"), Member("x/file")),
        lowers=(bottom, middle),
    )
    facts = {
        name: (stat.S_IMODE((layer / name).stat().st_mode), (layer / name).stat().st_uid)
        for name in ("tmp", "home", "home/me", "unknown", "x")
    }
    assert facts == {
        "tmp": (0o1777, 3),
        "home": (0o750, 4),
        "home/me": (0o755, 0),
        "unknown": (0o755, 0),
        "x": (0o700, 5),
    }


def test_symbolic_link_in_the_way_is_followed_within_the_layer(ground: Ground) -> None:
    layer = ground.extract(
        make_tar(
            Member("tare-test/bin/", DIRECTORY, mode=0o755),
            Member("bin", SYMLINK, link="/tare-test/bin"),
            Member("bin/sh", content=b"shell"),
        )
    )
    assert (layer / "tare-test/bin/sh").read_bytes() == b"shell"
    assert (layer / "bin").is_symlink()


def test_extraction_is_a_function_of_the_archive(tmp_path: Path) -> None:
    archive = make_tar(Member("a/b/c", content=b"x", mtime=9), Member("a/d", SYMLINK, link="b"), Member("e/.wh.f"))
    one, two = Ground(tmp_path / "1").extract(archive), Ground(tmp_path / "2").extract(archive)

    def facts(layer: Path) -> list[tuple[str, int, int]]:
        paths = (layer, *sorted(layer.rglob("*")))
        return [(str(p.relative_to(layer)), p.lstat().st_mode, p.lstat().st_mtime_ns) for p in paths]

    assert facts(one) == facts(two)


def test_wrong_diff_id_is_named(ground: Ground) -> None:
    archive = make_tar(Member("file", content=b"x"))
    wrong = Digest.of(b"")
    with pytest.raises(CorruptBlob, match=f"layer {wrong}: the archive in blob .* has digest {Digest.of(archive)}"):
        ground.extract(archive, diff_id=wrong)


def test_bytes_after_the_end_count_for_the_diff_id(ground: Ground) -> None:
    archive = make_tar(Member("file", content=b"x"))
    with pytest.raises(CorruptBlob):
        ground.extract(archive + b"more", diff_id=Digest.of(archive))


def damaged_header(archive: bytes) -> bytes:
    return archive[:1024] + b"\xff" + archive[1025:]


@pytest.mark.parametrize("compress", [False, True])
def test_damaged_header_is_no_end_of_the_archive(ground: Ground, *, compress: bool) -> None:
    archive = make_tar(Member("first", content=b"x"), Member("second", content=b"y"))
    with pytest.raises(LayerError, match=r"layer sha256:.*: bad checksum"):
        ground.extract(damaged_header(archive), compress=Compression.GZIP if compress else None)


@pytest.mark.parametrize("length", [100, 600, 1100])
def test_truncated_archive(ground: Ground, length: int) -> None:
    archive = make_tar(Member("first", content=b"x" * 600), Member("second", content=b"y"))
    with pytest.raises(LayerError, match="layer sha256:"):
        ground.extract(archive[:length])


def test_damage_of_the_blob_is_the_reason_given(ground: Ground) -> None:
    archive = make_tar(Member("file", content=os.urandom(100_000)))
    blob = gzip.compress(archive)
    descriptor = Descriptor.of("application/vnd.oci.image.layer.v1.tar+gzip", blob)
    for position in (5, len(blob) // 2, len(blob) - 6):
        bad = blob[:position] + bytes([blob[position] ^ 1]) + blob[position + 1 :]
        reader = VerifyingReader(io.BytesIO(bad), descriptor.digest, descriptor.size_bytes, "blob x")
        with pytest.raises(CorruptBlob, match="blob x"):
            extract_layer(Layer(descriptor, Digest.of(archive)), reader, ground.layer)


def test_unreadable_compression_is_named(ground: Ground) -> None:
    blob = b"\xfd7zXZ\0"
    descriptor = Descriptor.of("application/vnd.oci.image.layer.v1.tar+xz", blob)
    reader = VerifyingReader(io.BytesIO(blob), descriptor.digest, len(blob), "blob")
    with pytest.raises(UnsupportedMedia, match=r"layer .*: media type '.*xz'"):
        extract_layer(Layer(descriptor, Digest.of(b"")), reader, ground.layer)


@pytest.mark.parametrize("media_type", [LAYER_GZIP, LAYER_ZSTD])
@pytest.mark.parametrize("compress", [bytes, gzip.compress, zstandard.compress])
def test_a_blob_that_is_compressed_otherwise_than_it_is_said_to_be(
    ground: Ground, *, media_type: str, compress: Callable[[bytes], bytes]
) -> None:
    """As podman pushes it, and docker pulls it; the diff_id is of what comes out."""
    archive = make_tar(Member("file", content=b"content"))
    blob = compress(archive)
    descriptor = Descriptor.of(media_type, blob)
    reader = VerifyingReader(io.BytesIO(blob), descriptor.digest, len(blob), "blob")
    extract_layer(Layer(descriptor, Digest.of(archive)), reader, ground.layer)
    assert (ground.layer / "file").read_bytes() == b"content"


@pytest.mark.parametrize("cut", [0, 3, 200, -1])
def test_zstd_that_is_cut_or_garbled_is_refused(ground: Ground, cut: int) -> None:
    archive = make_tar(Member("file", content=os.urandom(5000)))
    blob = zstandard.compress(archive)[:cut] + b"garbage"
    descriptor = Descriptor.of(LAYER_ZSTD, blob)
    reader = VerifyingReader(io.BytesIO(blob), descriptor.digest, len(blob), "blob")
    with pytest.raises((LayerError, CorruptBlob)):
        extract_layer(Layer(descriptor, Digest.of(archive)), reader, ground.layer)


def test_a_zstd_bomb_is_stopped(ground: Ground) -> None:
    blob = zstandard.compress(bytes(200 << 20))
    assert len(blob) < 1 << 16
    reader = VerifyingReader(io.BytesIO(blob), Digest.of(blob), len(blob), "blob")
    layer = Layer(Descriptor.of(LAYER_ZSTD, blob), Digest.of(b""))
    with pytest.raises(LayerTooLarge, match="more than 1000000 bytes uncompressed"):
        extract_layer(layer, reader, ground.layer, limits=LayerLimits(max_bytes=1_000_000))


def test_limits_hold_before_the_disk_is_full(ground: Ground) -> None:
    bomb = make_tar(Member("zeros", content=bytes(50_000_000)))
    with pytest.raises(LayerTooLarge, match="entry 'zeros': 50000000 bytes, a layer may have 1000000"):
        ground.extract(bomb, compress=Compression.GZIP, limits=LayerLimits(max_bytes=1_000_000))
    assert list(ground.layer.iterdir()) == []


def test_limits_count_all_entries_together(ground: Ground) -> None:
    many = make_tar(*(Member(f"f{n}", content=bytes(300_000)) for n in range(5)))
    with pytest.raises(LayerTooLarge, match="more than 1000000 bytes uncompressed"):
        ground.extract(many, compress=Compression.GZIP, limits=LayerLimits(max_bytes=1_000_000))
    assert sum(path.stat().st_size for path in ground.layer.iterdir()) <= 1_000_000
    with pytest.raises(LayerTooLarge, match="more than 4 entries"):
        ground.extract(many, limits=LayerLimits(max_entries=4))


def test_zeros_after_the_archive_are_bounded_too(ground: Ground) -> None:
    with pytest.raises(LayerTooLarge):
        ground.extract(
            make_tar() + bytes(5_000_000), compress=Compression.GZIP, limits=LayerLimits(max_bytes=1_000_000)
        )

"""The root disk: what is in it, and that the same layers give the same bytes."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from hypervisor.errors import GuestError
from hypervisor.guest.disk import build_disk
from tests.support.machines import image_layers

pytestmark = [pytest.mark.vm, pytest.mark.root]
DIGEST = "sha256:" + "c" * 64


def files_in(disk: Path, where: Path) -> set[str]:
    subprocess.run(["fsck.erofs", f"--extract={where}", str(disk)], check=True, capture_output=True)
    return {str(path.relative_to(where)) for path in where.rglob("*") if path.is_file()}


def test_the_disk_is_the_union_of_the_layers(tmp_path: Path, layers: tuple[Path, ...]) -> None:
    disk = build_disk(tmp_path / "data", DIGEST, layers)
    assert files_in(disk, tmp_path / "out") == {"bin/busybox", "etc/passwd", "srv/www/index.html"}
    assert (tmp_path / "out/srv/www/index.html").read_text() == "hello"


def test_one_layer_is_enough(tmp_path: Path, layers: tuple[Path, ...]) -> None:
    disk = build_disk(tmp_path / "data", DIGEST, layers[:1])
    assert "srv/www/secret.html" in files_in(disk, tmp_path / "out")


def test_the_same_layers_give_the_same_bytes(tmp_path: Path) -> None:
    disks = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        disks.append(build_disk(tmp_path / name / "data", DIGEST, image_layers(tmp_path / name)).read_bytes())
    assert disks[0] == disks[1]


def test_a_disk_is_made_once_and_nothing_is_left_beside_it(tmp_path: Path, layers: tuple[Path, ...]) -> None:
    disk = build_disk(tmp_path, DIGEST, layers)
    made_at = disk.stat().st_mtime_ns
    assert build_disk(tmp_path, DIGEST, ()) == disk
    assert disk.stat().st_mtime_ns == made_at
    assert [path.name for path in disk.parent.iterdir()] == [disk.name]


def test_paths_that_mount_options_would_split_are_fine(tmp_path: Path) -> None:
    root = tmp_path / "a:b,c"
    root.mkdir()
    disk = build_disk(root / "data", DIGEST, image_layers(root))
    assert "bin/busybox" in files_in(disk, tmp_path / "out")


def test_layers_that_are_not_there_are_an_error_without_a_disk(tmp_path: Path) -> None:
    with pytest.raises(GuestError, match=f"make the root disk of {DIGEST}"):
        build_disk(tmp_path, DIGEST, (tmp_path / "none",))
    assert list((tmp_path / "guest/disks").iterdir()) == []
    with pytest.raises(GuestError, match="no layers"):
        build_disk(tmp_path, DIGEST, ())


def test_mounts_made_on_the_way_are_nobodys_business(tmp_path: Path, layers: tuple[Path, ...]) -> None:
    build_disk(tmp_path, DIGEST, layers)
    assert str(tmp_path) not in Path("/proc/self/mounts").read_text()

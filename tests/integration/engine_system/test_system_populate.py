"""A new volume begins with what the image has at its place: exactly that, and nothing of anywhere else."""

from __future__ import annotations

import os
import socket
import stat
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from runtime.engine.descent import Descent, walk
from runtime.engine.directories import remove_tree
from runtime.engine.engine import Engine
from runtime.engine.populate import populate

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runtime.engine.volumes import Volume

pytestmark = pytest.mark.root

_DAY_NS = 86_400_000_000_000


@pytest.fixture
def image(tmp_path: Path) -> Path:
    (tmp_path / "image/data").mkdir(parents=True)
    return tmp_path / "image"


@pytest.fixture
def volume(tmp_path: Path) -> Iterator[Volume]:
    with Engine(str(tmp_path / "root")) as engine:
        yield engine.volumes.create("data")
        remove_tree(str(tmp_path), "root")


def facts(directory: Path) -> dict[str, tuple[object, ...]]:
    """All that is to be the same of two trees, but for the names that a file has besides."""
    found: dict[str, tuple[object, ...]] = {}
    for path in [directory, *sorted(directory.rglob("*"))]:
        status = path.lstat()
        content: object = None
        if path.is_symlink():
            content = os.readlink(path)
        elif path.is_file():
            content = path.read_bytes()
        attributes = {name: os.getxattr(path, name, follow_symlinks=False)
                      for name in os.listxattr(path, follow_symlinks=False)}  # fmt: skip
        links = 0 if stat.S_ISDIR(status.st_mode) else status.st_nlink
        found[str(path.relative_to(directory))] = (
            status.st_mode, status.st_uid, status.st_gid, status.st_mtime_ns, status.st_rdev, links, content,
            attributes,
        )  # fmt: skip
    return found


def test_everything_of_a_tree_is_kept(image: Path, volume: Volume) -> None:
    data = image / "data"
    (data / "sub/deeper").mkdir(parents=True)
    (data / "sub/file").write_bytes(b"content")
    (data / "sub/deeper/empty").touch()
    os.link(data / "sub/file", data / "again")
    os.symlink("/etc/passwd", data / "way-out")
    os.mkfifo(data / "fifo")
    os.mknod(data / "null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
    (data / os.fsdecode(b"not\xff\nutf-8")).touch()
    os.setxattr(data / "sub/file", "user.colour", b"red")
    os.setxattr(data / "sub", "trusted.tare", b"1")
    os.setxattr(data / "sub/file", "security.capability", bytes.fromhex("0100000200040000000000000000000000000000"))
    for number, path in enumerate((data, data / "sub", data / "sub/deeper", data / "sub/file", data / "fifo")):
        os.chown(path, 1000 + number, 2000 + number)
    os.chown(data / "way-out", 7, 8, follow_symlinks=False)
    (data / "sub/deeper/empty").chmod(0o4711)
    (data / "sub/deeper").chmod(0o2750)
    data.chmod(0o1777)
    # Attributes of capabilities go with a change of the owner: set again what was lost.
    os.setxattr(data / "sub/file", "security.capability", bytes.fromhex("0100000200040000000000000000000000000000"))
    for path in (*sorted(data.rglob("*"), reverse=True), data):
        os.utime(path, ns=(_DAY_NS, _DAY_NS + 7), follow_symlinks=False)
    assert populate(volume, str(image), "/data")
    assert facts(Path(volume.mountpoint)) == facts(data)
    assert sorted(os.listdir(Path(volume.mountpoint).parent)) == ["_data", "volume.json"]


def test_holes_stay_holes(image: Path, volume: Volume) -> None:
    with (image / "data/sparse").open("wb") as file:
        file.write(b"begin")
        file.seek(64 << 20)
        file.write(b"middle")
        file.truncate(128 << 20)
    assert populate(volume, str(image), "data")
    copy = Path(volume.mountpoint, "sparse")
    assert copy.stat().st_size == 128 << 20
    assert copy.stat().st_blocks * 512 < 1 << 20
    with copy.open("rb") as file:
        assert file.read(5) == b"begin"
        file.seek(64 << 20)
        assert file.read(7) == b"middle\0"


def test_a_volume_with_something_in_it_is_left_as_it_is(image: Path, volume: Volume) -> None:
    (image / "data/file").touch()
    Path(volume.mountpoint, "mine").touch()
    assert not populate(volume, str(image), "/data")
    assert os.listdir(volume.mountpoint) == ["mine"]


def test_a_copy_that_was_killed_is_gone_on_with_and_takes_nothing_away(image: Path, volume: Volume) -> None:
    (image / "data/sub/deeper").mkdir(parents=True)
    for name in ("file", "sub/other", "sub/deeper/third", "taken/below"):
        (image / "data" / name).parent.mkdir(exist_ok=True)
        (image / "data" / name).write_text("image")
    content = Path(volume.mountpoint)
    (content / "sub").mkdir()
    (content / "sub/other").write_text("somebody else's")
    (content / "mine").touch()
    (content / "taken").symlink_to("/etc")
    (content / "../filling").touch()
    (content / "../.tare-staging/half").mkdir(parents=True)
    assert populate(volume, str(image), "/data")
    found = {str(path.relative_to(content)): path.read_text() for path in content.rglob("*") if path.is_file()}
    assert found == {"file": "image", "sub/other": "somebody else's", "sub/deeper/third": "image", "mine": ""}
    assert not Path("/etc/below").exists()
    assert sorted(os.listdir(content.parent)) == ["_data", "volume.json"]
    assert not populate(volume, str(image), "/data")


@pytest.mark.parametrize("target", ["/etc", "../../../../../../etc", "/proc/self/root/etc", "/proc/1/root/etc"])
def test_a_place_that_leads_out_leads_into_the_image(image: Path, volume: Volume, target: str) -> None:
    """A naive copy would take the host's /etc."""
    assert Path("/etc/passwd").exists()
    (image / "etc").mkdir()
    (image / "etc/mine").touch()
    (image / "way").symlink_to(target)
    populate(volume, str(image), "/way")
    assert os.listdir(volume.mountpoint) in (["mine"], [])


def test_a_link_in_the_tree_is_copied_and_not_followed(image: Path, volume: Volume) -> None:
    (image / "data/etc").symlink_to("/etc")
    (image / "data/sub").mkdir()
    (image / "data/sub/up").symlink_to("../../..")
    assert populate(volume, str(image), "/data")
    assert Path(volume.mountpoint, "etc").is_symlink()
    assert Path(volume.mountpoint, "sub/up").is_symlink()


def test_neither_a_file_nor_nothing_is_copied(image: Path, volume: Volume) -> None:
    (image / "file").write_text("content")
    assert not populate(volume, str(image), "/file")
    assert not populate(volume, str(image), "/absent")
    assert os.listdir(volume.mountpoint) == []


def test_sockets_are_left_out(image: Path, volume: Volume, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(image / "data")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket")
    (image / "data/file").touch()
    assert populate(volume, str(image), "/data")
    assert os.listdir(volume.mountpoint) == ["file"]


def test_more_links_than_descriptors(image: Path, volume: Volume) -> None:
    for number in range(1100):
        (image / f"data/{number}").touch()
        os.link(image / f"data/{number}", image / f"data/{number}-again")
    assert populate(volume, str(image), "/data")
    assert len(os.listdir(volume.mountpoint)) == 2200
    assert Path(volume.mountpoint, "7").samefile(Path(volume.mountpoint, "7-again"))


def test_a_tree_deeper_than_descriptors_and_paths(image: Path, volume: Volume) -> None:
    depth = 1100
    with Descent(str(image / "data")) as place:
        for _ in range(depth):
            os.mkdir("directory", dir_fd=place.fd)
            place.enter("directory")
    assert populate(volume, str(image), "/data")
    assert sum(1 for _ in walk(volume.mountpoint)) == depth
    remove_tree(str(image / "data"), "directory")

"""Binds, volumes and memory filesystems of containers."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from runtime.engine.errors import BadOption, InUse
from runtime.engine.options import MountOption

if TYPE_CHECKING:
    from tests.support.enginehouse import House

pytestmark = [pytest.mark.root]


def test_a_bind_mount(house: House, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("host\n")
    both = MountOption("bind", "/srv/dir", str(tmp_path))
    assert house.shell("cat /srv/dir/file; echo new >/srv/dir/new", mounts=(both,)) == "host"
    assert (tmp_path / "new").read_text() == "new\n"
    reading = MountOption("bind", "/srv/file", str(tmp_path / "file"), read_only=True)
    assert "Read-only" in house.run("/bin/sh", "-c", "echo x >/srv/file", mounts=(reading,)).stderr


def test_a_source_that_is_missing(house: House, tmp_path: Path) -> None:
    """``-v`` makes a directory of it, ``--mount`` does not."""
    missing = tmp_path / "a/b"
    with pytest.raises(BadOption, match="bind source path does not exist"):
        house.create("true", mounts=(MountOption("bind", "/srv", str(missing)),))
    assert not missing.exists()
    container = house.create("true", mounts=(MountOption("bind", "/srv", str(missing), make_source=True),))
    assert missing.is_dir()
    house.engine.containers.remove(container)


@pytest.mark.parametrize(
    "mounts",
    [
        (MountOption("bind", "relative", "/tmp"),),
        (MountOption("bind", "/", "/tmp"),),
        (MountOption("bind", "/srv", "relative"),),
        (MountOption("bind", "/srv", "/tmp", propagation="often"),),
        (MountOption("other", "/srv"),),
        (MountOption("tmpfs", "/srv"), MountOption("tmpfs", "/srv/")),
        (MountOption("volume", "/srv", "no good"),),
    ],
)
def test_what_makes_no_sense_leaves_nothing(house: House, mounts: tuple[MountOption, ...]) -> None:
    before = os.listdir(house.engine.home.containers) if os.path.isdir(house.engine.home.containers) else ["names"]
    with pytest.raises(BadOption):
        house.create("true", mounts=mounts, name="nonsense")
    assert sorted(os.listdir(house.engine.home.containers)) == sorted(before)
    assert house.engine.containers.names.holder("nonsense") is None


def test_a_named_volume_outlives_its_containers(house: House) -> None:
    volume = MountOption("volume", "/data", "seeds")
    told = house.shell("cat /data/seed; echo -n grown >/data/plant; stat -c '%a %u' /data", mounts=(volume,))
    assert told == "seed750 1000"  # what the image has there was copied up
    assert house.shell("cat /data/plant", mounts=(volume,)) == "grown"
    elsewhere = MountOption("volume", "/srv", "seeds", read_only=True)
    assert house.shell("cat /srv/plant; touch /srv/x 2>&1 | grep -c Read-only", mounts=(elsewhere,)) == "grown1"
    container = house.create("true", mounts=(volume,))
    with pytest.raises(InUse, match="volume is in use"):
        house.engine.volumes.remove("seeds")
    house.engine.containers.remove(container, volumes=True)
    house.engine.volumes.find("seeds")  # it has a name, and stays
    house.engine.volumes.remove("seeds")


def test_a_volume_that_is_not_to_be_filled(house: House) -> None:
    assert house.shell("ls /data", mounts=(MountOption("volume", "/data", "empty", copy=False),)) == ""
    house.engine.volumes.remove("empty")


def test_anonymous_volumes_go_when_that_is_asked_for(house: House) -> None:
    kept = house.create("true", volumes=("/data",))
    (mount,) = kept.mounts
    assert (mount.kind, mount.anonymous, Path(mount.source).is_dir()) == ("volume", True, True)
    house.engine.containers.remove(kept)
    assert Path(mount.source).is_dir()
    house.engine.volumes.remove(mount.name)
    gone = house.create("true", volumes=("/data",))
    house.engine.containers.remove(gone, volumes=True)
    assert not Path(gone.mounts[0].source).exists()


def test_volumes_of_another_container(house: House) -> None:
    donor = house.start("/bin/sh", "-c", "echo -n theirs >/data/x; exec sleep 1000", volumes=("/data",))
    script = "cat /data/x; touch /data/y 2>&1 | grep -o Read-only"
    house.execute(donor, "while [ ! -s /data/x ]; do sleep 0.02; done")
    assert house.shell(script, volumes_from=(f"{donor.name}:ro",)) == "theirsRead-only"
    borrower = house.create("true", volumes_from=(donor.id,))
    house.engine.containers.remove(donor, force=True, volumes=True)
    assert Path(borrower.mounts[0].source, "x").exists()  # somebody has it still
    house.engine.containers.remove(borrower)
    house.engine.volumes.remove(borrower.mounts[0].name)


def test_a_target_that_leads_out_of_the_image_stays_in_it(house: House, tmp_path: Path) -> None:
    """A container has left a link where something is mounted at its next start."""
    container = house.create("ls", "/etc/within", mounts=(MountOption("bind", "/trap/within", str(tmp_path)),))
    os.mkdir(container.upper)
    os.symlink("/etc", f"{container.upper}/trap")
    (tmp_path / "seen").touch()
    house.engine.containers.start(container)
    assert house.outcome(container).stdout == "seen\n"
    assert not Path("/etc/within").exists()
    house.engine.containers.remove(container)

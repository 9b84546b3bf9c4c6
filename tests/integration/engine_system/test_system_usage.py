"""What is said to be used is what du counts; what is pruned is what was said to be reclaimable, and nothing else."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from runtime.engine.errors import BadOption
from runtime.image.builder import Directory, File
from tests.support.engine_root import BASE, create, extend, make_engine

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runtime.engine.df import Total
    from runtime.engine.engine import Engine

pytestmark = pytest.mark.root


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    with make_engine(tmp_path) as made:
        yield made


def files_bytes(*directories: str) -> int:
    """By find(1), which counts as du --apparent-size does, but leaves directories out; further links by inode."""
    there = [directory for directory in directories if os.path.isdir(directory)]
    command = ("find", *there, "!", "-type", "d", "-printf", "%D:%i %s\n")
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    return sum(int(line.split()[1]) for line in set(lines))


def totals(engine: Engine) -> dict[str, Total]:
    return {total.kind: total for total in engine.system.df().totals}


def write(path: str, size: int) -> None:
    os.makedirs(os.path.dirname(path), exist_ok=True)
    Path(path).write_bytes(os.urandom(size))


def test_numbers_are_those_of_du(engine: Engine) -> None:
    home = engine.home
    extend(engine, "more:1", [Directory("srv"), File("srv/file", os.urandom(200_000))])
    used = create(engine)
    write(f"{used.upper}/srv/changed", 12_345)
    os.link(f"{used.upper}/srv/changed", f"{used.upper}/srv/again")
    volume = engine.volumes.use("data", used.id)
    write(f"{volume.mountpoint}/file", 777)
    write(f"{engine.volumes.create('idle').mountpoint}/file", 1_000)
    write(f"{home.build}/cache/file", 50)
    found = totals(engine)
    store = files_bytes(f"{home.images}/blobs", home.layers, f"{home.root}/downloads", f"{home.root}/compressed")
    assert (found["Images"].count, found["Images"].active, found["Images"].size_bytes) == (2, 1, store)
    assert 200_000 < found["Images"].reclaimable_bytes < 450_000  # the further layer, at most as blob and extracted
    containers = found["Containers"]
    assert (containers.count, containers.active, containers.size_bytes) == (1, 0, files_bytes(used.upper))
    assert containers.size_bytes == containers.reclaimable_bytes == 12_345
    volumes = found["Local Volumes"]
    assert (volumes.count, volumes.active, volumes.size_bytes, volumes.reclaimable_bytes) == (2, 1, 1_777, 1_000)
    assert (found["Build Cache"].count, found["Build Cache"].size_bytes) == (1, 50)


def test_images_say_what_they_share(engine: Engine) -> None:
    extend(engine, "more:1", [Directory("srv"), File("srv/file", bytes(range(256)) * 800)])
    create(engine)
    create(engine, image="more:1")
    images = {image.references: image for image in engine.system.df().images}
    base, more = images[(BASE,)], images[("more:1",)]
    assert base.unique_bytes == 0
    assert more.unique_bytes == 204_800
    assert more.shared_bytes == base.size_bytes
    assert (base.containers, more.containers) == (1, 1)


def test_prune_takes_what_nobody_needs(engine: Engine) -> None:
    container = create(engine)
    write(f"{container.upper}/file", 5_000)
    engine.volumes.use("named", container.id)
    anonymous = engine.volumes.create()
    extend(engine, "more:1", [Directory("srv"), File("srv/file", os.urandom(100_000))])
    engine.images.tag("more:1", engine.images.resolve(BASE))  # what was more:1 has no name now
    done = engine.system.prune(volumes=True)
    assert done.containers == (container.id,)
    assert done.volumes == (anonymous.name,)
    assert [line for line in done.images if "Untagged" in line] == []
    assert [line for line in done.images if line.startswith("Deleted: sha256:")]
    assert done.freed_bytes >= 5_000
    assert [volume.name for volume in engine.volumes.list()] == ["named"]
    assert {image.reference for image in engine.images.images()} == {BASE, "more:1"}
    everything = engine.system.prune(everything=True)
    assert {line for line in everything.images if "Untagged" in line} == {f"Untagged: {BASE}", "Untagged: more:1"}
    assert engine.images.images() == ()
    assert totals(engine)["Images"].size_bytes == 0
    assert totals(engine)["Containers"].count == 0


def test_prune_by_label_and_until(engine: Engine) -> None:
    kept = create(engine, labels=(("keep", "yes"),))
    gone = create(engine)
    assert engine.system.prune_containers({"until": ("24h",)}).containers == ()
    assert engine.system.prune_containers({"label": ("keep=no",)}).containers == ()
    assert engine.system.prune_containers({"label!": ("keep",)}).containers == (gone.id,)
    assert [one.id for one in engine.containers.list()] == [kept.id]
    with pytest.raises(BadOption, match="not supported with"):
        engine.system.prune(volumes=True, filters={"until": ("1h",)})
    with pytest.raises(BadOption, match="invalid filter 'colour'"):
        engine.system.prune(filters={"colour": ("red",)})


def test_an_image_that_a_container_has_stays(engine: Engine) -> None:
    extend(engine, "more:1", [Directory("srv"), File("srv/file", b"content")])
    create(engine, image="more:1", labels=(("keep", ""),))
    engine.system.prune(everything=True, filters={"label!": ("keep",)})
    assert [image.reference for image in engine.images.images()] == ["more:1"]


def test_reset_leaves_what_is_not_ours(engine: Engine) -> None:
    create(engine)
    volume = engine.volumes.create("data", options={"type": "tmpfs", "device": "tmpfs", "o": "size=1m"})
    engine.volumes.mount(volume, "c" * 64)
    Path(engine.home.root, "runs").mkdir()
    Path(engine.home.root, "runs/precious").touch()
    engine.system.reset()
    engine.system.reset()
    assert [path.name for path in Path(engine.home.root).iterdir()] == ["runs"]
    Path(engine.home.root, "runs/precious").unlink()
    Path(engine.home.root, "runs").rmdir()


def test_volumes_that_are_mounted(engine: Engine, tmp_path: Path) -> None:
    """As Docker's local driver: a memory filesystem, or a directory of the host, while a container has it."""
    memory = engine.volumes.create("memory", options={"type": "tmpfs", "device": "tmpfs", "o": "size=64k,uid=7"})
    (tmp_path / "source").mkdir()
    (tmp_path / "source/file").touch()
    bound = engine.volumes.create("bound", options={"type": "none", "device": f"{tmp_path}/source", "o": "bind,ro"})
    one, two = "c" * 64, "d" * 64
    for container in (one, two):
        engine.volumes.mount(memory, container)
        engine.volumes.mount(bound, container)
    assert os.stat(memory.mountpoint).st_uid == 7
    assert os.listdir(bound.mountpoint) == ["file"]
    with pytest.raises(OSError, match="Read-only"):
        Path(bound.mountpoint, "new").touch()
    engine.volumes.unmount(one)
    assert os.path.ismount(memory.mountpoint)
    engine.volumes.unmount(two)
    assert not os.path.ismount(memory.mountpoint)
    assert os.listdir(bound.mountpoint) == []
    absent = engine.volumes.create("absent", options={"type": "none", "device": "/absent/x", "o": "bind"})
    with pytest.raises(BadOption, match=r"error while mounting volume '.*': mount of absent: no such file"):
        engine.volumes.mount(absent, one)
    engine.volumes.unmount(one)


def test_information(engine: Engine) -> None:
    create(engine)
    known = engine.system.info()
    assert (known["Containers"], known["ContainersStopped"], known["Images"]) == (1, 1, 1)
    assert known["DockerRootDir"] == engine.home.root
    assert known["NCPU"] >= 1
    assert known["KernelVersion"] == os.uname().release
    assert known["DriverStatus"][0][1]

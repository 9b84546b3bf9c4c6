"""diff, commit, export and cp of containers: created, running and stopped, with volumes, and hostile ones."""

from __future__ import annotations

import io
import os
import tarfile
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from runtime.engine.errors import Conflict, EngineError, NoSuchPath
from runtime.engine.mountinfo import mount_points
from runtime.engine.options import CommitOptions, MountOption
from runtime.image.check import check
from runtime.image.history import history
from runtime.image.sizes import layer_sizes
from tests.support.enginehouse import House, engine_house
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from runtime.engine.container import Container

pytestmark = pytest.mark.root


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with engine_house(tmp_path_factory.mktemp("files")) as made:
        yield made


def ended(house: House, script: str, **options: object) -> Container:
    """A container that has run a script, and stopped."""
    container = house.start("/bin/sh", "-c", script, **options)
    assert house.outcome(container).code == 0
    return house.engine.containers.find(container.id)


def members(content: bytes) -> dict[str, tarfile.TarInfo]:
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        return {entry.name: entry for entry in tar}


def test_diff_of_a_container_in_every_state(house: House) -> None:
    containers = house.engine.containers
    created = house.create("true")
    assert containers.changes(created) == ()
    stopped = ended(house, "touch /file1; rm /data/seed; echo x >> /etc/group")
    expected = ["C /data", "D /data/seed", "C /etc", "C /etc/group", "A /file1"]
    assert [str(change) for change in containers.changes(stopped)] == expected
    running = house.start("/bin/sh", "-c", "touch /file1; sleep 1000")
    assert eventually(lambda: "A /file1" in map(str, containers.changes(running)), 60)


def test_a_commit_makes_one_layer_and_shares_the_others(house: House) -> None:
    containers, images = house.engine.containers, house.engine.images
    container = ended(house, "touch /data/file1", env=("ADDED=2",), labels=(("k", "v"),), user="kim")
    with pytest.raises(EngineError, match="instructions"):
        containers.commit(container, CommitOptions(changes=("CMD x",)))
    options = CommitOptions("made:1", "me", "why", ("WORKDIR /data",))
    image = containers.commit(container, options, lambda config: replace(config, working_dir="/data"))
    parent = images.resolve("box:1")
    assert image.manifest.layers[:-1] == parent.manifest.layers
    assert image.config.diff_ids[:-1] == parent.config.diff_ids
    assert image.config.cmd == ("/bin/sh", "-c", "touch /data/file1")
    assert {"FROM_IMAGE=1", "ADDED=2"} <= set(image.config.env)
    assert (image.config.user, image.config.working_dir, image.config.labels["k"]) == ("kim", "/data", "v")
    step = history(images, image)[0]
    assert (step.comment, step.author, step.created_by) == ("why", "me", "/bin/sh -c touch /data/file1")
    assert house.shell("pwd; ls; id -u", image="made:1").split() == ["/data", "file1", "seed", "1000"]
    assert len(layer_sizes(images, image)) == len(parent.manifest.layers) + 1
    assert check(images).is_sound


def test_a_running_container_is_paused_for_a_commit(house: House) -> None:
    container = house.start()
    house.execute(container, "echo live > /live")
    house.engine.containers.commit(container, CommitOptions("live:1"))
    assert house.status(container) == "running"
    assert house.run("cat", "/live", image="live:1").stdout == "live\n"
    never = house.engine.containers.commit(house.create("true"), CommitOptions())
    assert never.reference == never.digest


@pytest.mark.parametrize("running", [True, False])
def test_export_is_the_root_without_its_mounts(house: House, running: bool) -> None:
    script = "touch /file1; rm /data/seed; touch /vol/inside"
    mounts = (MountOption("volume", "/vol"),)
    if running:
        container = house.start("/bin/sh", "-c", f"{script}; sleep 1000", mounts=mounts)
        assert eventually(lambda: os.path.exists(f"{container.merged}/file1"), 60)
    else:
        container = ended(house, script, mounts=mounts)
    out = io.BytesIO()
    house.engine.containers.export(container, out)
    found = members(out.getvalue())
    assert {"file1", "etc/passwd", "vol", "bin"} <= found.keys()
    assert not {"data/seed", "vol/inside"} & found.keys()
    assert found["data"].uid == 1000


@pytest.mark.parametrize("running", [True, False])
def test_copies_out_and_in(house: House, tmp_path: Path, running: bool) -> None:
    containers = house.engine.containers
    container = house.start() if running else ended(house, "echo new > /data/new; chown kim /data/new")
    if running:
        house.execute(container, "echo new > /data/new; chown kim /data/new")
    containers.copy_out(container, "/data", str(tmp_path / "taken"), keep_owner=True)
    assert (tmp_path / "taken/new").read_text() == "new\n"
    assert (tmp_path / "taken/new").stat().st_uid == 1000
    (tmp_path / "taken/new").write_text("changed\n")
    containers.copy_in(container, f"{tmp_path}/taken/.", "/etc")
    containers.copy_in(container, f"{tmp_path}/taken", "/fresh", keep_owner=True)
    assert {"A /etc/new", "A /fresh", "A /fresh/new"} <= set(map(str, containers.changes(container)))
    out = io.BytesIO()
    containers.copy_from(container, "/etc/new", out)
    assert members(out.getvalue())["new"].uid == 0
    if running:
        assert house.execute(container, "cat /etc/new; stat -c %u /fresh/new").stdout == "changed\n1000\n"
    else:
        assert mount_points(container.directory) == ()
        containers.start(container)
        house.outcome(container)
    out.seek(0)
    containers.copy_to(container, "/fresh", out)
    with pytest.raises(NoSuchPath, match=r"Could not find the file /none in container"):
        containers.copy_out(container, "/none", str(tmp_path))
    with pytest.raises(Conflict, match="not a directory"):
        containers.copy_to(container, "/etc/passwd", io.BytesIO())


def test_copies_reach_volumes_and_respect_what_is_read_only(house: House, tmp_path: Path) -> None:
    containers = house.engine.containers
    (tmp_path / "host").mkdir()
    (tmp_path / "file").write_text("f")
    mounts = (MountOption("volume", "/data"), MountOption("bind", "/ro", str(tmp_path / "host"), read_only=True))
    container = ended(house, "ln -s /data /link", mounts=mounts)
    containers.copy_in(container, str(tmp_path / "file"), "/data")
    containers.copy_in(container, str(tmp_path / "file"), "/link/again")
    assert not {change.path for change in containers.changes(container)} & {"/data/file", "/data/again"}
    containers.copy_out(container, "/link/again", str(tmp_path / "back"))
    assert (tmp_path / "back").read_text() == "f"
    with pytest.raises(Conflict, match="mounted volume is marked read-only"):
        containers.copy_in(container, str(tmp_path / "file"), "/ro")
    with pytest.raises(Conflict, match="rootfs is marked read-only"):
        containers.copy_in(house.create("true", read_only=True), str(tmp_path / "file"), "/etc")


def test_a_container_that_swaps_a_directory_for_a_link_gets_nothing_of_the_host(house: House, tmp_path: Path) -> None:
    """CVE-2018-15664: what cp resolved first and used afterwards led docker out of the container."""
    containers = house.engine.containers
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/secret").write_text("kept")
    (tmp_path / "evil").write_text("evil")
    outside = f"{tmp_path}/outside"
    script = f"mkdir /d; while :; do mv /d /aside; ln -s {outside} /d; rm /d; mv /aside /d; done"
    container = house.start("/bin/sh", "-c", script)
    assert eventually(lambda: os.path.lexists(f"{container.merged}/aside"), 60)
    for _ in range(300):
        out = io.BytesIO()
        with suppress(EngineError):
            containers.copy_in(container, f"{tmp_path}/evil", "/d/secret")
        with suppress(EngineError):
            containers.copy_from(container, "/d/", out)
        assert b"kept" not in out.getvalue()
    assert (tmp_path / "outside/secret").read_text() == "kept"
    containers.kill(container)

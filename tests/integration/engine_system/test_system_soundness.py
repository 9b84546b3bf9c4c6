"""A check finds what was planted, says what it is, and puts right what can be put right without losing anything."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from runtime.engine.errors import NoSuchContainer
from runtime.engine.home import new_id
from tests.support.engine_root import BASE, create

if TYPE_CHECKING:
    from collections.abc import Callable

    from runtime.engine.engine import Engine

pytestmark = pytest.mark.root


def problems(engine: Engine, *, repair: bool = False) -> list[str]:
    return [f"{one.message} ({one.outcome})" for one in engine.system.check(repair=repair).problems]


def half_made(engine: Engine) -> str:
    os.makedirs(f"{engine.home.container(new_id())}/upper")
    return "it was not made completely"


def half_removed(engine: Engine) -> str:
    container = create(engine)
    os.rename(container.directory, f"{engine.home.containers}/.gone-{container.id}")
    return "it was not removed completely"


def stale_name(engine: Engine) -> str:
    os.symlink(new_id(), f"{engine.home.names}/nobody")
    return "name nobody: it leads to container"


def lost_name(engine: Engine) -> str:
    os.unlink(f"{engine.home.names}/{create(engine, name='nameless').name}")
    return "container nameless: nobody has its name"


def absent_user(engine: Engine) -> str:
    engine.volumes.use("kept", new_id())
    return "volume kept: its user"


def dead_mount(engine: Engine) -> str:
    engine.volumes.mount(engine.volumes.create("kept"), create(engine).id)
    return "volume kept: it is mounted for container"


def volume_without_content(engine: Engine) -> str:
    os.rmdir(engine.volumes.create("hollow").mountpoint)
    return "volume hollow: its content"


def empty_volume_without_record(engine: Engine) -> str:
    os.unlink(f"{os.path.dirname(engine.volumes.create('empty').mountpoint)}/volume.json")
    return "volume empty: its record cannot be read"


def forgotten_mount(engine: Engine) -> str:
    directory = f"{create(engine).directory}/merged"
    os.makedirs(directory, exist_ok=True)
    subprocess.run(("mount", "-t", "tmpfs", "none", directory), check=True)
    return f"mount {directory}"


def open_directory(engine: Engine) -> str:
    os.chmod(engine.home.volumes, 0o755)  # noqa: S103 - the damage
    return f"{engine.home.volumes}: others may enter it"


def damaged_blob(engine: Engine) -> str:
    path = Path(engine.home.images, "blobs/sha256", "0" * 64)
    path.write_text("not that")
    return "0" * 64


REPAIRABLE = (
    half_made, half_removed, stale_name, lost_name, absent_user, dead_mount, volume_without_content,
    empty_volume_without_record, forgotten_mount, open_directory, damaged_blob,
)  # fmt: skip


@pytest.mark.parametrize("plant", REPAIRABLE)
def test_damage_is_found_told_and_repaired(engine: Engine, plant: Callable[[Engine], str]) -> None:
    create(engine)
    assert problems(engine) == []
    words = plant(engine)
    found = problems(engine)
    assert len(found) == 1, found
    assert words in found[0]
    assert "(can be repaired)" in found[0]
    assert problems(engine) == found, "a check alone changes nothing"
    assert all("(repaired)" in line for line in problems(engine, repair=True))
    assert problems(engine) == []


def test_what_would_lose_something_is_left_to_the_user(engine: Engine) -> None:
    volume = engine.volumes.create("precious")
    Path(volume.mountpoint, "file").write_text("content")
    record = Path(volume.mountpoint, "../volume.json").resolve()
    text = record.read_text()
    record.unlink()
    container = create(engine, name="damaged")
    whole = Path(container.directory, "container.json").read_text()
    Path(container.directory, "container.json").write_text("{")
    found = problems(engine, repair=True)
    assert len(found) == 2, found
    assert any("volume precious: its record cannot be read (copy what is needed from" in line for line in found)
    assert any(f"container {container.id[:12]}: read" in line for line in found)
    assert Path(volume.mountpoint, "file").read_text() == "content"
    Path(container.directory, "container.json").write_text(whole)
    record.write_text(text)
    assert problems(engine) == []


def test_what_containers_need_and_is_not_there(engine: Engine) -> None:
    container = create(engine, name="needy", network="absent")
    document = json.loads(Path(container.directory, "container.json").read_text())
    document["layers"] = ["sha256-" + "0" * 64]
    document["mounts"] = [{"kind": "volume", "source": "/x", "target": "/x", "name": "lost"}]
    Path(container.directory, "container.json").write_text(json.dumps(document))
    found = "\n".join(problems(engine, repair=True))
    assert "container needy: network absent is missing" in found
    assert "container needy: its volume lost is missing" in found
    assert f"of image {BASE} is missing (pull the image again)" in found
    engine.containers.remove(engine.containers.find("needy"))
    with pytest.raises(NoSuchContainer):
        engine.containers.find("needy")
    assert problems(engine) == []


def test_a_missing_blob_is_named_with_its_image(engine: Engine) -> None:
    image = engine.images.resolve(BASE)
    path = engine.images.layout.blobs.path(image.manifest.layers[0].digest)
    aside = path.rename(path.with_name("aside"))
    try:
        words = f"image {BASE}: blob {image.manifest.layers[0].digest} is missing"
        assert any(words in line for line in problems(engine))
    finally:
        aside.rename(path)
    assert problems(engine) == []

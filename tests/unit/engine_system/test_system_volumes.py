"""Volumes are made once, kept while somebody has them, and pruned as Docker prunes them."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

import pytest

from runtime.engine.errors import BadOption, InUse, NoSuchVolume

if TYPE_CHECKING:
    from runtime.engine.engine import Engine


def container(engine: Engine, digit: str = "c") -> str:
    container_id = digit * 64
    os.makedirs(engine.home.container(container_id))
    return container_id


def test_a_volume_is_made_and_found(engine: Engine) -> None:
    made = engine.volumes.create("data", {"tier": "db"})
    assert engine.volumes.find("data") == made
    assert engine.volumes.create("data") == made
    assert made.document()["Labels"] == {"tier": "db"}
    assert made.document()["Mountpoint"] == f"{engine.home.volumes}/data/_data"
    assert stat.S_IMODE(os.stat(engine.home.volumes).st_mode) == 0o700
    assert not made.is_anonymous


def test_a_volume_without_a_name_is_anonymous(engine: Engine) -> None:
    one, two = engine.volumes.create(), engine.volumes.create()
    assert one.name != two.name
    assert len(one.name) == 64
    assert one.is_anonymous


@pytest.mark.parametrize("name", ["", "a", "../x", "a/b", ".hidden", "-x", "a b", "a\nb", "ä", "x" * 256])
def test_names_that_cannot_be(engine: Engine, name: str) -> None:
    with pytest.raises(BadOption, match="invalid characters for a local volume name"):
        engine.volumes.create(name)
    with pytest.raises(NoSuchVolume):
        engine.volumes.find(name)


def test_a_volume_in_use_is_not_removed(engine: Engine) -> None:
    holder = container(engine)
    engine.volumes.use("data", holder)
    with pytest.raises(InUse, match=rf"remove data: volume is in use - \[{holder}\]"):
        engine.volumes.remove("data")
    engine.volumes.leave(holder, ("data",))
    engine.volumes.remove("data")
    with pytest.raises(NoSuchVolume):
        engine.volumes.remove("data")
    engine.volumes.remove("data", force=True)


def test_a_user_that_is_gone_does_not_count(engine: Engine) -> None:
    engine.volumes.use("data", "d" * 64)
    engine.volumes.remove("data")


def test_anonymous_volumes_go_with_their_last_container(engine: Engine) -> None:
    one, two = container(engine, "c"), container(engine, "d")
    mine = engine.volumes.use(None, one)
    shared = engine.volumes.use(None, one)
    engine.volumes.use(shared.name, two)
    engine.volumes.use("named", one)
    engine.volumes.leave(one, anonymous=True)
    left = {volume.name for volume in engine.volumes.list()}
    assert left == {shared.name, "named"}
    assert mine.name not in left
    engine.volumes.leave(two, (shared.name,), anonymous=True)
    engine.volumes.leave(two, (shared.name,), anonymous=True)
    assert [volume.name for volume in engine.volumes.list()] == ["named"]


def test_prune_takes_anonymous_ones_that_nobody_has(engine: Engine) -> None:
    holder = container(engine)
    anonymous = engine.volumes.create()
    with open(f"{anonymous.mountpoint}/file", "wb") as file:
        file.write(bytes(1000))
    engine.volumes.use(None, holder)
    engine.volumes.create("named")
    assert engine.volumes.prune() == ((anonymous.name,), 1000)
    assert engine.volumes.prune(everything=True, labels=("tier=db",)) == ((), 0)
    assert engine.volumes.prune(everything=True) == (("named",), 0)


def test_prune_by_labels(engine: Engine) -> None:
    for name, labels in (("one", {"tier": "db"}), ("two", {"tier": "web"}), ("three", {})):
        engine.volumes.create(name, labels)
    assert engine.volumes.prune(everything=True, labels=("!tier",))[0] == ("three",)
    assert engine.volumes.prune(everything=True, labels=("tier=web",))[0] == ("two",)


def test_what_a_killed_creation_left_is_made_anew(engine: Engine) -> None:
    os.makedirs(f"{engine.home.volumes}/data/_data/rest")
    assert engine.volumes.list() == ()
    made = engine.volumes.create("data")
    assert os.listdir(made.mountpoint) == []


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"colour": "red"}, 'invalid option: "colour"'),
        ({"o": "size=1m"}, 'missing required option: "type"'),
        ({"type": "nfs", "device": ":/x", "o": "addr=1"}, "only tmpfs and binds"),
        ({"type": "none", "o": "bind", "device": "relative"}, "absolute path"),
    ],
)
def test_options_that_cannot_be(engine: Engine, options: dict[str, str], words: str) -> None:
    with pytest.raises(BadOption, match=words):
        engine.volumes.create("data", options=options)
    assert engine.volumes.list() == ()


def test_other_options_for_a_volume_that_is_there_are_a_conflict(engine: Engine) -> None:
    engine.volumes.create("data", options={"type": "tmpfs", "device": "tmpfs"})
    with pytest.raises(BadOption, match="already exists with different options"):
        engine.volumes.create("data", options={"type": "tmpfs", "device": "tmpfs", "o": "size=1m"})


def test_what_happens_is_told(engine: Engine) -> None:
    holder = container(engine)
    volume = engine.volumes.use("data", holder)
    engine.volumes.mount(volume, holder)
    engine.volumes.unmount(holder)
    engine.volumes.unmount(holder)
    engine.volumes.leave(holder)
    engine.volumes.remove("data")
    told = [(event.action, dict(event.attributes).get("container")) for event in engine.events.read()]
    assert told == [("create", None), ("mount", holder), ("unmount", holder), ("destroy", None)]

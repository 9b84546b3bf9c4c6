"""Events are told once, in order, whatever is put aside or killed meanwhile; filters pick as Docker's do."""

from __future__ import annotations

import os
import threading
import time
from typing import TYPE_CHECKING

import pytest

from runtime.engine import events as module
from runtime.engine.errors import BadOption

if TYPE_CHECKING:
    from runtime.engine.engine import Engine
    from runtime.engine.events import Event

_A, _B = "a" * 64, "b" * 64


def fill(engine: Engine) -> None:
    engine.events.tell("container", "create", _A, {"image": "debian:bookworm", "name": "one", "tier": "web"})
    engine.events.tell("container", "exec_create: sh", _B, {"image": "alpine", "name": "two"})
    engine.events.tell("network", "connect", "n1", {"container": _A, "name": "bridge"})
    engine.events.tell("image", "pull", "debian:bookworm", {"name": "debian"})
    engine.events.tell("volume", "create", "data", {"driver": "local"})


def actions(engine: Engine, **filters: tuple[str, ...]) -> list[str]:
    return [event.action for event in engine.events.read(filters=filters)]


def test_nothing_has_happened_yet(engine: Engine) -> None:
    assert list(engine.events.read()) == []
    assert not os.path.exists(engine.home.events)


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({}, ["create", "exec_create: sh", "connect", "pull", "create"]),
        ({"container": ("one",)}, ["create"]),
        ({"container": ("aaaa", "two")}, ["create", "exec_create: sh"]),
        ({"container": ("on",)}, []),
        ({"event": ("create",)}, ["create", "create"]),
        ({"event": ("exec_create",)}, ["exec_create: sh"]),
        ({"type": ("image", "volume")}, ["pull", "create"]),
        ({"type": ("container",), "event": ("create",)}, ["create"]),
        ({"image": ("debian",)}, ["create", "pull"]),
        ({"image": ("debian:bookworm",)}, ["create", "pull"]),
        ({"label": ("tier",)}, ["create"]),
        ({"label": ("tier=db",)}, []),
        ({"label": ("tier=web", "absent")}, []),
        ({"network": ("bridge",)}, ["connect"]),
        ({"volume": ("data",)}, ["create"]),
        ({"scope": ("swarm",)}, []),
    ],
)
def test_filters(engine: Engine, filters: dict[str, tuple[str, ...]], expected: list[str]) -> None:
    fill(engine)
    assert actions(engine, **filters) == expected


def test_an_unknown_filter_is_refused_at_once(engine: Engine) -> None:
    with pytest.raises(BadOption, match="invalid filter 'colour'"):
        engine.events.read(filters={"colour": ("red",)})


def test_since_and_until_take_both_ends(engine: Engine) -> None:
    fill(engine)
    times = [event.time_ns for event in engine.events.read()]
    assert [event.time_ns for event in engine.events.read(times[1], times[3])] == times[1:4]
    assert list(engine.events.read(times[-1] + 1)) == []


def test_documents_have_the_old_fields_too(engine: Engine) -> None:
    fill(engine)
    document = next(iter(engine.events.read())).document()
    assert (document["status"], document["id"], document["from"]) == ("create", _A, "debian:bookworm")
    assert document["Actor"] == {"ID": _A, "Attributes": {"image": "debian:bookworm", "name": "one", "tier": "web"}}
    assert document["timeNano"] // 1_000_000_000 == document["time"]


def test_what_is_put_aside_is_still_read_in_order(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MOST_BYTES", 500)
    for number in range(12):
        engine.events.tell("volume", "create", f"v{number}")
    names = [event.actor_id for event in engine.events.read()]
    assert names == [f"v{number}" for number in range(12)][-len(names):]
    assert len(names) > 6
    assert len(os.listdir(engine.home.events)) <= 4


def test_half_a_line_of_a_killed_writer_is_passed_over(engine: Engine) -> None:
    engine.events.tell("volume", "create", "first")
    with open(f"{engine.home.events}/events.jsonl", "a", encoding="utf-8") as file:
        file.write('[17, "volume", "cre')
    engine.events.tell("volume", "create", "second")
    assert [event.actor_id for event in engine.events.read()] == ["first", "second"]


def test_a_follower_sees_what_comes_also_in_the_next_file(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MOST_BYTES", 450)
    seen: list[Event] = []
    until_ns = time.time_ns() + 60_000_000_000
    engine.events.tell("volume", "create", "before")
    coming = engine.events.recent(None, until_ns, {"type": ("volume",)})

    def follow() -> None:
        for event in coming:
            seen.append(event)
            if event.actor_id == "last":
                return

    follower = threading.Thread(target=follow)
    follower.start()
    for number in range(9):
        engine.events.tell("volume", "create", f"v{number}")
    engine.events.tell("volume", "create", "last")
    follower.join(60)
    assert [event.actor_id for event in seen] == [*(f"v{number}" for number in range(9)), "last"]


def test_following_ends_at_a_moment_to_come(engine: Engine) -> None:
    engine.events.tell("volume", "create", "one")
    until_ns = time.time_ns() + 200_000_000
    assert [event.actor_id for event in engine.events.recent(0, until_ns)] == ["one"]
    assert time.time_ns() > until_ns


def test_many_writers_at_once_lose_nothing(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MOST_BYTES", 1 << 14)
    children = []
    for writer in range(4):
        pid = os.fork()
        if pid == 0:
            for number in range(50):
                engine.events.tell("volume", "create", f"{writer}-{number}")
            os._exit(0)
        children.append(pid)
    assert [os.waitpid(pid, 0)[1] for pid in children] == [0] * 4
    names = [event.actor_id for event in engine.events.read()]
    assert len(names) == len(set(names)) == 200
    for writer in range(4):
        assert [name for name in names if name.startswith(f"{writer}-")] == [f"{writer}-{n}" for n in range(50)]

"""What was asked for and what an image says: Docker's rules."""

from __future__ import annotations

from typing import Any

import pytest

from runtime.engine.errors import BadOption
from runtime.engine.merging import DEFAULT_PATH, merge, merge_env, merge_health
from runtime.engine.options import CreateOptions, HealthOptions
from runtime.values import replace

IMAGE: dict[str, Any] = {
    "Entrypoint": ["/entry", "-x"],
    "Cmd": ["serve"],
    "Env": ["A=1", "B=2"],
    "User": "kim",
    "WorkingDir": "/srv",
    "ExposedPorts": {"80/tcp": {}},
    "Volumes": {"/data": {}},
    "Labels": {"a": "image", "b": "image"},
    "StopSignal": "SIGINT",
    "Healthcheck": {"Test": ["CMD", "true"], "Interval": 2_000_000_000, "Retries": 5},
}
ASKED = CreateOptions("box")


@pytest.mark.parametrize(
    ("entrypoint", "command", "expected"),
    [
        (None, (), ("/entry", "-x", "serve")),
        (None, ("other",), ("/entry", "-x", "other")),
        (("/mine",), (), ("/mine",)),  # the image's command was meant for the image's entrypoint
        (("/mine",), ("arg",), ("/mine", "arg")),
        ((), ("arg",), ("arg",)),
    ],
)
def test_what_is_executed(
    entrypoint: tuple[str, ...] | None, command: tuple[str, ...], expected: tuple[str, ...]
) -> None:
    merged = merge(replace(ASKED, entrypoint=entrypoint, command=command), IMAGE)
    assert (*(merged.entrypoint or ()), *merged.command) == expected


def test_there_has_to_be_something_to_execute() -> None:
    with pytest.raises(BadOption, match="No command specified"):
        merge(ASKED, {})
    with pytest.raises(BadOption, match="No command specified"):
        merge(replace(ASKED, entrypoint=()), IMAGE)


def test_the_image_says_what_was_not_asked_for() -> None:
    merged = merge(ASKED, IMAGE)
    assert (merged.user, merged.workdir, merged.stop_signal) == ("kim", "/srv", "SIGINT")
    assert (merged.expose, merged.volumes) == (("80/tcp",), ("/data",))
    assert merged.health == HealthOptions(("CMD", "true"), interval_s=2.0, retries=5)


def test_what_was_asked_for_has_the_last_word() -> None:
    asked = replace(ASKED, user="0", workdir="/", stop_signal="9", expose=("80/tcp", "81"), labels=(("b", "mine"),))
    merged = merge(asked, IMAGE)
    assert (merged.user, merged.workdir, merged.stop_signal) == ("0", "/", "9")
    assert merged.expose == ("80/tcp", "81")
    assert dict(merged.labels) == {"a": "image", "b": "mine"}


def test_a_variable_is_replaced_where_it_was_and_taken_away_by_its_name_alone() -> None:
    assert merge_env(("PATH=/bin", "A=1", "B=2"), ("A=3", "B", "C=4=5")) == ("PATH=/bin", "A=3", "C=4=5")


def test_there_is_always_a_path() -> None:
    assert merge_env((), ()) == (DEFAULT_PATH,)


def test_a_test_of_ones_own_keeps_the_image_s_times() -> None:
    health = merge_health(HealthOptions(("CMD-SHELL", "x"), timeout_s=1.0), IMAGE["Healthcheck"])
    assert health == HealthOptions(("CMD-SHELL", "x"), interval_s=2.0, timeout_s=1.0, retries=5)


def test_no_healthcheck() -> None:
    assert merge_health(HealthOptions(("NONE",)), IMAGE["Healthcheck"]) == HealthOptions(("NONE",))
    assert merge_health(None, None) is None
    assert merge_health(HealthOptions(interval_s=3.0), None) is None  # times of nothing


@pytest.mark.parametrize("name", list(IMAGE))
@pytest.mark.parametrize("nonsense", [None, 7, "text", [1, {}], {"a": 1}, True])
def test_an_image_that_makes_no_sense_is_not_believed(name: str, nonsense: Any) -> None:
    """Its configuration is somebody else's document."""
    merged = merge(replace(ASKED, command=("true",)), IMAGE | {name: nonsense})
    assert merged.command == ("true",)
    texts = (*merged.env, *merged.volumes, *merged.expose, merged.user, *(merged.entrypoint or ()))
    assert all(isinstance(text, str) for text in texts)

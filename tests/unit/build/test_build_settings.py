"""What instructions do to the configuration, and the words that docker's history has for them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from runtime.build.arguments import Arguments
from runtime.build.instructions import parse_dockerfile
from runtime.build.settings import SETTINGS, Setting
from runtime.build.stages import find_stage, needed_stages, target_stage
from runtime.build.state import State


def apply(text: str, config: dict[str, Any] | None = None) -> tuple[dict[str, Any], list[str]]:
    """The configuration afterwards, and the words."""
    state = State.empty()
    state.document["config"] = config or {}
    instructions = parse_dockerfile(f"FROM scratch\n{text}").stages[0].instructions
    words = [SETTINGS[one.keyword](Setting(one, state, state.env, "\\")) for one in instructions]
    return state.config, words


@pytest.mark.parametrize(
    ("text", "config", "words"),
    [
        ("ENV a=1 b=\"x y\"", {"Env": ["a=1", "b=x y"]}, "ENV a=1 b=x y"),
        ("LABEL a=1 \"b c\"='d'", {"Labels": {"a": "1", "b c": "d"}}, "LABEL a=1 b c=d"),
        ("USER a:b", {"User": "a:b"}, "USER a:b"),
        ("WORKDIR a/../b/", {"WorkingDir": "/b"}, "WORKDIR /b"),
        ("CMD echo hi", {"Cmd": ["/bin/sh", "-c", "echo hi"]}, 'CMD ["/bin/sh" "-c" "echo hi"]'),
        ('CMD ["a\\"b"]', {"Cmd": ['a"b']}, 'CMD ["a\\"b"]'),
        ("EXPOSE 90 80/udp 8000-8001", {"ExposedPorts": {"80/udp": {}, "8000/tcp": {}, "8001/tcp": {}, "90/tcp": {}}},
         "EXPOSE 80/udp 8000-8001 90"),
        ('VOLUME ["/a", "/b c"]', {"Volumes": {"/a": {}, "/b c": {}}}, "VOLUME [/a /b c]"),
        ("STOPSIGNAL SIGUSR1", {"StopSignal": "SIGUSR1"}, "STOPSIGNAL SIGUSR1"),
        ('SHELL ["/bin/bash", "-c"]', {"Shell": ["/bin/bash", "-c"]}, "SHELL [/bin/bash -c]"),
        ("ONBUILD RUN x", {"OnBuild": ["RUN x"]}, "ONBUILD RUN x"),
        ("HEALTHCHECK --interval=1m30s --timeout=3s --retries=3 CMD curl x",
         {"Healthcheck": {"Test": ["CMD-SHELL", "curl x"], "Interval": 90 * 10**9, "Timeout": 3 * 10**9, "Retries": 3}},
         "HEALTHCHECK &{[\"CMD-SHELL\" \"curl x\"] \"1m30s\" \"3s\" \"0s\" '\\x03'}"),
        ("HEALTHCHECK NONE", {"Healthcheck": {"Test": ["NONE"]}},
         "HEALTHCHECK &{[\"NONE\"] \"0s\" \"0s\" \"0s\" '\\x00'}"),
    ],
)  # fmt: skip
def test_settings(text: str, config: dict[str, Any], words: str) -> None:
    assert apply(text) == (config, [words])


def test_entrypoint_resets_the_command_of_below_only() -> None:
    below = {"Cmd": ["below"]}
    assert apply('ENTRYPOINT ["a"]', dict(below))[0] == {"Entrypoint": ["a"]}
    assert apply('CMD ["own"]\nENTRYPOINT ["a"]', dict(below))[0] == {"Entrypoint": ["a"], "Cmd": ["own"]}


def test_variables_of_one_instruction_are_those_before_it() -> None:
    config, _ = apply("ENV a=hello\nENV a=bye b=$a\nENV c=$a\nWORKDIR /$c")
    assert config["Env"] == ["a=bye", "b=hello", "c=bye"]
    assert config["WorkingDir"] == "/bye"


@pytest.mark.parametrize(
    "text",
    ["EXPOSE 70000", "EXPOSE 80/x", "EXPOSE 9-8", "HEALTHCHECK --interval=1 CMD x", "HEALTHCHECK --timeout=1us CMD x",
     "HEALTHCHECK --retries=-1 CMD x", "ENV a=${b", "WORKDIR $none", "STOPSIGNAL SIGNONE"],
)  # fmt: skip
def test_what_makes_no_sense(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        apply(text)


def arguments(text: str, **given: str) -> tuple[Arguments, Any]:
    """Of a file, with those before its first FROM declared."""
    parsed = parse_dockerfile(text)
    found = Arguments(given, "\\")
    for one in parsed.arguments:
        found.declare(one)
    return found, parsed


def test_arguments_before_from_are_for_from_and_for_who_asks_again() -> None:
    found, parsed = arguments("ARG V=1\nARG W=$V-x\nFROM a:$W\nARG V\nARG N=2\nARG TARGETARCH", N="3", UNUSED="x")
    assert found.image(parsed.stages[0].image) == "a:1-x"
    stage = found.stage()
    assert stage.visible({}) == {}
    words = [stage.declare(one, {}) for one in parsed.stages[0].instructions]
    assert words == ["ARG V", "ARG N=2", "ARG TARGETARCH"]
    assert stage.visible({})["V"] == "1"
    assert stage.visible({})["N"] == "3"
    assert stage.visible({})["TARGETARCH"]
    assert "N" not in stage.visible({"N": "of ENV"})
    assert found.unused == ("UNUSED",)


def test_proxies_are_seen_and_do_not_count() -> None:
    found, parsed = arguments("FROM a\nARG http_proxy", http_proxy="p", HTTPS_PROXY="q")
    stage = found.stage()
    assert stage.visible({}) == {"http_proxy": "p", "HTTPS_PROXY": "q"}
    assert stage.counted({}) == {}
    stage.declare(parsed.stages[0].instructions[0], {})
    assert stage.counted({}) == {"http_proxy": "p"}


def test_stages_that_nobody_needs_are_left_out() -> None:
    text = (
        "FROM a AS one\nFROM b AS two\nFROM one AS three\nCOPY --from=0 x y\nFROM c\nRUN --mount=from=two,target=/x y"
    )
    parsed = parse_dockerfile(text)

    def needed(target: str) -> list[int]:
        stages = needed_stages(parsed, target_stage(parsed, target), lambda stage: stage.image)
        return [stage.index for stage in stages]

    assert (needed("three"), needed(""), needed("ONE"), needed("1")) == ([0, 2], [1, 3], [0], [1])
    assert find_stage(parsed.stages, "nothing") is None


def test_the_same_state_has_the_same_bytes() -> None:
    first, second = State.empty(), State.empty()
    second.document = dict(reversed(json.loads(json.dumps(first.document)).items()))
    assert first.encode() == second.encode()
    assert first.digest == second.digest

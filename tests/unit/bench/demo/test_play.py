"""Steps, their stage and their terminal, with a pretended engine."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from bench.demo.host import files_called, read_process
from bench.demo.play import play
from bench.demo.script import demonstrations
from bench.demo.stage import Names, Stage
from bench.demo.step import Differs, Step
from bench.demo.terminal import Terminal

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from bench.demo.step import Observation

NAMES = Names("localhost:9999/debian:bookworm", "docker-registry", 5000, 2)
# Says what it was asked, and fails when it was asked to.
ENGINE = "import os, sys; print(os.environ['TARE_ROOT'], *sys.argv[1:]); sys.exit('fail' in sys.argv and 'no such')"


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    made = Stage(tmp_path / "a/b/engine", NAMES, (sys.executable, "-c", ENGINE))
    yield made
    made.close()


def only(act: str, stage: Stage) -> Observation:
    step = Step(1, f"tare {act}", "so it was", lambda stage: stage.tare(*act.split()).strip())
    (found,) = play((step,), stage, print)
    return found


def test_a_step_is_what_was_seen_and_what_was_printed(stage: Stage) -> None:
    found = only("images -q", stage)
    assert found.agrees
    assert found.seen == f"{stage.root} images -q"
    assert found.document()["output"] == f"{stage.root} images -q\n"


def test_a_command_that_fails_differs_and_says_why(stage: Stage) -> None:
    found = only("fail", stage)
    assert not found.agrees
    assert found.seen == "exit code 1: no such"


def test_after_a_failure_the_others_are_carried_out_and_say_what_is_missing(stage: Stage) -> None:
    told: list[Observation] = []
    stage.program = ("false",)
    found = play(demonstrations(stage), stage, told.append)
    assert list(found) == told
    assert {observation.step.demonstration for observation in found} == {1, 2, 3, 4, 5}
    assert not any(observation.agrees for observation in found)
    assert any("is not known: an earlier command failed" in observation.seen for observation in found)


def test_the_made_up_name_is_shown_in_the_command(stage: Stage) -> None:
    stage.facts["name"] = "happy_tesla"
    (found,) = play((Step(5, "tare commit NAME x", "", lambda _: ""),), stage, print)
    assert found.command == "tare commit happy_tesla x"


def test_a_terminal_is_typed_at_and_read() -> None:
    with Terminal(("bash", "--norc", "-i"), {"PS1": "ready: ", "PATH": "/usr/bin:/bin", "TERM": "xterm"}) as terminal:
        terminal.expect(r"ready: $")
        terminal.type("tty; stty size")
        shown = terminal.expect(r"ready: $")
        assert "/dev/pts/" in shown
        assert "50 160" in shown
        terminal.type("exit 3")
        assert terminal.end()[0] == 3


def test_what_a_terminal_does_not_show_differs() -> None:
    with Terminal(("echo", "something else"), {}) as terminal, pytest.raises(Differs, match="something else"):
        terminal.expect("the prompt")


def test_a_terminal_that_is_hung_up_ends_its_command() -> None:
    terminal = Terminal(("cat",), {})
    terminal.close()
    terminal.close()


def test_files_are_found_wherever_they_are(tmp_path: Path) -> None:
    for place in ("one", "two/three"):
        (tmp_path / place).mkdir(parents=True)
        (tmp_path / place / "sample").touch()
    assert files_called("sample", tmp_path) == [tmp_path / "one/sample", tmp_path / "two/three/sample"]


def test_a_process_is_read_and_one_that_has_gone_is_none() -> None:
    first = read_process(1)
    assert first is not None
    assert (first.pid, first.parent) == (1, 0)
    assert read_process(2**22 + 1) is None

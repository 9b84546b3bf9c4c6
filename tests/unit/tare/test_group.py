"""From words to verbs: help, aliases, what is unknown, and the exit codes."""

from __future__ import annotations

import pytest

from runtime.tare import catalogue, group
from runtime.tare.main import run
from runtime.tare.verb import Verb


def said(capfd: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    code = run(words)
    import sys

    sys.stdout.flush()
    out, err = capfd.readouterr()
    return code, out, err


@pytest.mark.parametrize("entry", catalogue.ENTRIES, ids=lambda entry: " ".join(entry.path))
def test_every_entry_leads_to_a_verb_that_is_called_so(entry: catalogue.Entry) -> None:
    verb = group.load(entry)
    assert isinstance(verb, Verb)
    assert verb.usage.split()[0] in {entry.path[-1], *entry.aliases} | {other.path[-1] for other in same(entry)}
    assert verb.flags == tuple({flag.name: flag for flag in verb.flags}.values())
    shorts = [flag.short for flag in verb.flags if flag.short]
    assert len(shorts) == len(set(shorts))


def same(entry: catalogue.Entry) -> list[catalogue.Entry]:
    return [other for other in catalogue.ENTRIES if other.target == entry.target]


def test_no_words_lead_to_two_verbs() -> None:
    names = [(*entry.path[:-1], name) for entry in catalogue.ENTRIES for name in (entry.path[-1], *entry.aliases)]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("words", [[], ["--help"], ["-h"], ["help"]])
def test_help_lists_all_verbs(capfd: pytest.CaptureFixture[str], words: list[str]) -> None:
    code, out, err = said(capfd, *words)
    assert (code, err) == (0, "")
    listed = {line.split()[0] for line in out.splitlines() if line.startswith("  ")}
    assert {entry.path[0] for entry in catalogue.ENTRIES if not entry.hidden} <= listed


@pytest.mark.parametrize("words", [["container"], ["container", "--help"], ["help", "container"]])
def test_a_group_lists_its_verbs(capfd: pytest.CaptureFixture[str], words: list[str]) -> None:
    code, out, _ = said(capfd, *words)
    assert code == 0
    assert out.startswith("Usage:  tare container COMMAND")
    assert "\n  prune     Remove all stopped containers\n" in out


@pytest.mark.parametrize("words", [["ps", "--help"], ["container", "ls", "--help"], ["help", "ps"]])
def test_a_verb_tells_what_it_takes_and_its_other_names(capfd: pytest.CaptureFixture[str], words: list[str]) -> None:
    code, out, _ = said(capfd, *words)
    assert code == 0
    assert "  tare container list, tare container ls, tare container ps, tare ps\n" in out
    assert "\n  -a, --all             Show all containers (default shows just running)\n" in out


@pytest.mark.parametrize(
    ("words", "code", "message", "help_of"),
    [
        (["nope"], 1, "unknown command: tare nope", "tare"),
        (["container", "nope"], 1, "unknown command: tare container nope", "tare container"),
        (["--nope"], 125, "unknown flag: --nope", "tare"),
        (["ps", "--nope"], 125, "unknown flag: --nope", "tare ps"),
        (["ps", "a", "b"], 1, "'tare ps' accepts no arguments", "tare ps"),
        (["run"], 1, "'tare run' requires at least 1 argument", "tare run"),
        (["run", "--nope", "image"], 125, "unknown flag: --nope", "tare run"),
        (["container", "run", "-p"], 125, "flag needs an argument: 'p' in -p", "tare container run"),
        (["rename", "a"], 1, "'tare rename' requires 2 arguments", "tare rename"),
        (["logs", "a", "b"], 1, "'tare logs' requires 1 argument", "tare logs"),
        (["port", "a", "b", "c"], 1, "'tare port' requires at most 2 arguments", "tare port"),
        (["run", "--rm", "--restart", "always", "x"], 125,
         "conflicting options: cannot specify both --restart and --rm", "tare run"),
    ],
)  # fmt: skip
def test_what_makes_no_sense(
    capfd: pytest.CaptureFixture[str], words: list[str], code: int, message: str, help_of: str
) -> None:
    assert said(capfd, *words) == (code, "", f"tare: {message}\nSee '{help_of} --help'.\n")


def test_version(capfd: pytest.CaptureFixture[str]) -> None:
    assert said(capfd, "--version")[1].startswith("Tare version ")

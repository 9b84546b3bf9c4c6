"""How `bench demo` ends."""

from __future__ import annotations

import socket

import pytest

from bench.cli.demo import conclude
from bench.cli.exits import CommandError, Exit
from bench.demo.show import Given, check_port
from bench.demo.step import Observation, Step
from bench.results import CertificateFacts
from bench.workload import HostCannot
from tests.support.registry import free_port


def given(*agree: bool, left: tuple[str, ...] = ()) -> Given:
    step = Step(1, "tare version", "so it was", lambda _: "")
    observations = tuple(Observation(step, step.command, "seen", "", one) for one in agree)
    return Given("20300101", observations, CertificateFacts(not left, left, ()))


def test_all_as_in_the_deck(capsys: pytest.CaptureFixture[str]) -> None:
    assert conclude(given(True, True), quiet=False) is Exit.DONE
    assert "2 of 2 steps as in the deck; nothing is left on the host" in capsys.readouterr().out


def test_one_that_differs_is_exit_code_99() -> None:
    assert conclude(given(True, False), quiet=True) == 99
    assert given(True, False).document()["agrees"] is False


def test_what_is_left_is_an_error() -> None:
    with pytest.raises(CommandError, match="left on the host: mount /x") as caught:
        conclude(given(True, left=("mount /x",)), quiet=True)
    assert caught.value.hint == "bench clean"


def test_a_port_is_looked_at() -> None:
    check_port(free_port())
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(HostCannot, match="listen at port"):
            check_port(taken.getsockname()[1])

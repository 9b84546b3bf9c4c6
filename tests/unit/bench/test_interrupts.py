"""Signals: once they unwind, never inside a shield, never again."""

from __future__ import annotations

import signal

import pytest

from bench.interrupts import Interrupted, Interrupts

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_interrupts(number: signal.Signals) -> None:
    with Interrupts(), pytest.raises(Interrupted):
        signal.raise_signal(number)


def test_nothing_swallows_it_as_an_error() -> None:
    assert not issubclass(Interrupted, Exception)


def test_a_second_signal_changes_nothing() -> None:
    with Interrupts():
        with pytest.raises(Interrupted):
            signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGTERM)


def shielded(interrupts: Interrupts, done: list[str]) -> None:
    """A signal inside a shield, and what is done after it."""
    with interrupts.shield():
        with interrupts.shield():
            signal.raise_signal(signal.SIGINT)
            done.append("inner")
        done.append("outer")
    done.append("after")


def test_shields_are_left_before_it_is_raised() -> None:
    done: list[str] = []
    with Interrupts() as interrupts, pytest.raises(Interrupted):
        shielded(interrupts, done)
    assert done == ["inner", "outer"]


def fail_shielded(interrupts: Interrupts) -> None:
    with interrupts.shield():
        signal.raise_signal(signal.SIGINT)
        raise ValueError("mine")


def test_an_error_inside_a_shield_is_not_replaced() -> None:
    with Interrupts() as interrupts:
        with pytest.raises(ValueError, match="mine"):
            fail_shielded(interrupts)
        assert interrupts.pending


def test_held_signals_are_raised_on_release() -> None:
    with Interrupts() as interrupts:
        interrupts.hold()
        signal.raise_signal(signal.SIGTERM)
        with interrupts.shield():
            pass
        assert interrupts.pending
        with pytest.raises(Interrupted):
            interrupts.release()
        assert not interrupts.pending


def test_release_without_a_signal_is_silent() -> None:
    with Interrupts() as interrupts:
        interrupts.hold()
        interrupts.release()


def test_the_handlers_of_before_are_back_afterwards() -> None:
    before = [signal.getsignal(number) for number in SIGNALS]
    with Interrupts():
        assert [signal.getsignal(number) for number in SIGNALS] != before
    assert [signal.getsignal(number) for number in SIGNALS] == before

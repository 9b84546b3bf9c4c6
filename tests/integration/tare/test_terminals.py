"""Containers with a terminal in front of them, typed at as a person would."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

from tests.support.waiting import eventually

if TYPE_CHECKING:
    from tests.integration.tare.conftest import Tare
    from tests.support.terminal import Terminal

pytestmark = pytest.mark.root

CTRL_C, CTRL_D, DETACH, PROMPT = "\x03", "\x04", "\x10\x11", "/ # "


def size(shown: Terminal) -> list[str]:
    shown.expect(PROMPT)
    shown.line("stty size")
    shown.expect("stty size\r\n")
    return shown.expect("\r\n").split()


def test_a_shell(tare: Tare, name: str) -> None:
    with tare.on_terminal("run", "-it", "--rm", "--name", name, "busybox", "sh", rows=33, columns=101) as shown:
        assert size(shown) == ["33", "101"]
        shown.expect(PROMPT)
        shown.line("tty; echo $((6*7))")
        shown.expect("42\r\n")
        shown.expect(PROMPT)
        shown.line("exit 5")
        assert shown.wait() == 5
    assert tare("inspect", name).code == 1


def test_its_first_process_is_the_shell(tare: Tare) -> None:
    with tare.on_terminal("run", "-i", "-t", "--rm", "busybox", "sh") as shown:
        shown.expect(PROMPT)
        shown.line("sleep 100 & ps; echo listed")
        shown.expect("echo listed\r\n")
        assert "    1 root     sh\r\n" in shown.expect("listed\r\n")
        shown.expect(PROMPT)
        shown.send(CTRL_D)
        assert shown.wait() == 0


def test_keys_are_its_own(tare: Tare) -> None:
    with tare.on_terminal("run", "-it", "--rm", "busybox", "sh") as shown:
        shown.expect(PROMPT)
        shown.line("echo sleeps; sleep 1000")
        shown.expect("sleeps\r\n")
        shown.send(CTRL_C)
        shown.expect(PROMPT)
        shown.line("echo after $?")
        shown.expect("after 130\r\n")
        shown.expect(PROMPT)
        shown.send(CTRL_D)
        shown.wait()


def test_it_has_our_terminal_s_new_size(tare: Tare) -> None:
    with tare.on_terminal("run", "-it", "--rm", "busybox", "sh") as shown:
        assert size(shown) == ["24", "80"]
        shown.resize(50, 132)
        assert eventually(lambda: size(shown) == ["50", "132"], timeout_s=60)
        shown.expect(PROMPT)
        shown.line("exit")
        shown.wait()


def test_left_to_itself_and_attached_to_again(tare: Tare, name: str) -> None:
    with tare.on_terminal("run", "-it", "--name", name, "busybox", "sh") as shown:
        shown.expect(PROMPT)
        shown.line("export KEPT=yes")
        shown.expect(PROMPT)
        shown.send(DETACH)
        assert shown.wait() == 0
    assert tare.field(name, "{{.State.Status}}") == "running"
    with tare.on_terminal("attach", name, rows=30, columns=90) as shown:
        shown.line("echo kept $KEPT")
        shown.expect("kept yes\r\n")
        assert size(shown) == ["30", "90"]
        shown.send(DETACH)
        assert shown.wait() == 1
        assert "read escape sequence" in shown.shown
    with tare.on_terminal("attach", "--detach-keys", "ctrl-x,x", name) as shown:
        shown.line("")
        shown.expect(PROMPT)
        shown.send("\x18x")
        assert shown.wait() == 1
    with tare.on_terminal("attach", name) as shown:
        shown.line("exit 6")
        assert shown.wait() == 6
    tare.says("rm", name)


def test_two_see_the_same(tare: Tare, name: str) -> None:
    tare.says("run", "-dit", "--name", name, "busybox", "sh")
    with tare.on_terminal("attach", name) as one, tare.on_terminal("attach", name) as other:
        for shown in (one, other):  # what is shown before one is attached it does not see
            shown.line("echo attach$((2*4))")
            shown.expect("attach8\r\n")
        one.line("echo from $((1+1))")
        one.expect("from 2\r\n")
        other.expect("from 2\r\n")
        other.line("exit 3")
        assert (one.wait(), other.wait()) == (3, 3)
    tare.says("rm", name)


def test_a_started_again_shell(tare: Tare, name: str) -> None:
    tare.says("create", "-it", "--name", name, "busybox", "sh")
    for code in (1, 2):
        with tare.on_terminal("start", "-ai", name) as shown:
            shown.expect(PROMPT)
            shown.line(f"exit {code}")
            assert shown.wait() == code
    tare.says("rm", name)


def test_exec(tare: Tare, name: str) -> None:
    with tare.running(name=name):
        with tare.on_terminal("exec", "-it", "-e", "A=b", name, "sh", rows=20, columns=70) as shown:
            assert size(shown) == ["20", "70"]
            shown.resize(21, 71)
            assert eventually(lambda: size(shown) == ["21", "71"], timeout_s=60)
            shown.expect(PROMPT)
            shown.line("echo $A; exit 9")
            shown.expect("b\r\n")
            assert shown.wait() == 9
        with tare.on_terminal("exec", "-it", name, "sh") as shown:
            shown.expect(PROMPT)
            shown.send(DETACH)
            assert shown.wait() == 1
            assert "read escape sequence" in shown.shown


def test_our_terminal_is_as_it_was(tare: Tare) -> None:
    with tare.on_terminal("run", "-it", "--rm", "busybox", "true") as shown:
        import termios

        before = termios.tcgetattr(shown.master)
        assert shown.wait() == 0
        assert termios.tcgetattr(shown.master) == before


def test_a_terminal_wants_a_terminal(tare: Tare, name: str) -> None:
    assert tare.fails(1, "run", "-it", "busybox", "sh") == "the input device is not a TTY"
    assert tare("run", "-t", "--rm", "busybox", "tty").out == "/dev/pts/0\r\n"
    with tare.running("-it", "--", "sh", name=name):
        assert tare.fails(1, "exec", "-it", name, "sh") == "the input device is not a TTY"


def test_interrupted_in_front_of_a_container_without_a_terminal(tare: Tare) -> None:
    with tare.on_terminal(
        "run", "--rm", "busybox", "sh", "-c", "trap 'exit 4' INT; echo on; sleep 1000 & wait"
    ) as shown:
        shown.expect("on\r\n")
        shown.process.send_signal(signal.SIGINT)
        assert shown.wait() == 4

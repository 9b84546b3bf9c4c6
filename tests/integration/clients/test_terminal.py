"""Containers on a terminal: ``run -it``, ``exec -it`` and ``attach``, with a real one on our side."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from tests.support.engine import IMAGE
from tests.support.terminal import CTRL_C, CTRL_D, Terminal, terminal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.engine import Engine

pytestmark = [pytest.mark.root, pytest.mark.engines, pytest.mark.slow]


@contextmanager
def on_terminal(engine: Engine, *argv: str, rows: int = 30, columns: int = 90) -> Iterator[Terminal]:
    """A command of the engine on a terminal of this size."""
    with terminal(engine.host.sandbox.command(*engine.prefix, *argv), rows, columns) as opened:
        yield opened


@contextmanager
def run_shell(engine: Engine) -> Iterator[Terminal]:
    with (
        engine.named() as name,
        on_terminal(engine, "run", "--rm", "-it", "--env", "PS1=> ", "--name", name, IMAGE, "sh") as shell,
    ):
        shell.expect("> ")
        yield shell


def leave(shell: Terminal, code: int = 0) -> None:
    shell.line(f"exit {code}")
    assert shell.wait() == code


def test_stdin_and_stdout_are_a_terminal(engine: Engine) -> None:
    with run_shell(engine) as shell:
        shell.line("for fd in 0 1 2; do [ -t $fd ] && echo fd$((fd + 10)); done")
        for fd in ("fd10", "fd11", "fd12"):
            shell.expect(fd)
        leave(shell)


def test_the_terminal_is_the_containers_own(engine: Engine) -> None:
    with run_shell(engine) as shell:
        shell.line("tty; readlink /proc/self/fd/0; ls /dev/console | tr c C")
        shell.expect("/dev/pts/0")
        shell.expect("/dev/pts/0")
        shell.expect("/dev/Console")
        leave(shell)


def test_exit_code(engine: Engine) -> None:
    with run_shell(engine) as shell:
        leave(shell, 42)


def test_end_of_input(engine: Engine) -> None:
    with run_shell(engine) as shell:
        shell.send(CTRL_D)
        assert shell.wait() == 0


def test_size(engine: Engine) -> None:
    with run_shell(engine) as shell:
        _wait_for_size(shell, "30 90")
        leave(shell)


def test_resize(engine: Engine) -> None:
    with run_shell(engine) as shell:
        _wait_for_size(shell, "30 90")
        shell.resize(50, 132)
        _wait_for_size(shell, "50 132")
        leave(shell)


def _wait_for_size(shell: Terminal, size: str) -> None:
    """The engines tell the size some time after the start."""
    shell.line(f"until [ \"$(stty size)\" = '{size}' ]; do sleep 0.05; done; echo as''ked")
    shell.expect("asked")


def test_ctrl_c_interrupts_the_foreground(engine: Engine) -> None:
    with run_shell(engine) as shell:
        # It is the job that speaks: what is typed before it has the terminal would be the shell's.
        shell.line("sh -c \"echo star''ted; exec sleep 1000\"")
        shell.expect("started")
        shell.send(CTRL_C)
        shell.expect("> ")
        shell.line("echo code $?")
        shell.expect("code 130")
        leave(shell)


def test_exec_on_a_terminal(engine: Engine) -> None:
    with (
        engine.container() as container,
        on_terminal(engine, "exec", "-it", "--env", "PS1=> ", container.name, "sh") as shell,
    ):
        shell.expect("> ")
        _wait_for_size(shell, "30 90")
        shell.resize(40, 100)
        _wait_for_size(shell, "40 100")
        shell.line("tty")
        shell.expect("/dev/pts/")
        leave(shell, 3)


def test_attach_and_detach(engine: Engine) -> None:
    with engine.container("sh", options=("-it", "--env", "PS1=> ")) as container:
        with on_terminal(engine, "attach", container.name) as shell:
            shell.line("echo one$((1 + 1))")
            shell.expect("one2")
            detach(shell)
        assert container.status == "running"
        with on_terminal(engine, "attach", container.name) as shell:
            shell.line("exit 4")
            # podman 4.3 does not pass it on.
            assert shell.wait() == (4 if engine.is_docker else 0)
        assert container.wait() == 4


def detach(shell: Terminal) -> None:
    """Ctrl-P Ctrl-Q, as two keys: podman does not see them in one read. docker says 1 of being left."""
    shell.send("\x10")
    time.sleep(0.2)
    shell.send("\x11")
    assert shell.wait() in {0, 1}


def test_logs_of_a_terminal(engine: Engine) -> None:
    with engine.container("sh", "-c", "echo shown; tty", options=("--tty",)) as container:
        assert container.wait() == 0
        assert container.logs().replace("\r", "") == "shown\n/dev/pts/0\n"

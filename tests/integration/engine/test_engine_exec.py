"""Further processes in a container."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from runtime.engine.errors import CannotExecute, NotExecutable, StartFailed
from runtime.engine.options import ExecOptions
from runtime.linux.capabilities import NAMES, bounding_set, mask
from tests.support.enginehouse import PATIENCE_S
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runtime.engine.container import Container
    from tests.support.enginehouse import House

pytestmark = [pytest.mark.root]


@pytest.fixture(scope="module")
def running(house: House) -> Iterator[Container]:
    container = house.start("sleep", "1000", env=("OWN=1",), user="kim", workdir="/srv")
    yield container
    house.engine.containers.remove(container, force=True)


def test_it_is_as_the_container_s_own_process(house: House, running: Container) -> None:
    done = house.execute(running, 'echo "$OWN $FROM_IMAGE $HOME $(id -u) $(pwd)"; echo e >&2; exit 9')
    assert (done.code, done.stdout, done.stderr) == (9, "1 1 /home/kim 1000 /srv\n", "e\n")


def test_what_is_asked_for(house: House, running: Container) -> None:
    done = house.execute(running, 'echo "$OWN$NEW $(id -u) $(id -G) $HOME $(pwd)"', env=("OWN=2", "NEW=3"),
                         user="root:other", workdir="/tmp")  # fmt: skip
    assert done.stdout == "23 0 66 /root /tmp\n"


def test_privileges(house: House, running: Container) -> None:
    script = "sed -n 's/^CapEff:\\s*//p' /proc/self/status"
    told = house.execute(running, script, user="0").stdout, house.execute(running, script, user="0",
                                                                         privileged=True).stdout  # fmt: skip
    assert int(told[0], 16) != int(told[1], 16) == mask(NAMES) & bounding_set()


def test_input_reaches_it(house: House, running: Container) -> None:
    done = house.engine.containers.execute(running, ExecOptions(("cat",), stdin_open=True))
    assert done.stdin is not None
    os.write(done.stdin, b"hello")
    os.close(done.stdin)
    done.stdin = None
    with open(done.stdout, "rb", closefd=False) as file:
        assert file.read() == b"hello"
    assert done.wait() == 0
    done.close()


def test_without_input_there_is_an_end_of_file(house: House, running: Container) -> None:
    assert house.execute(running, "cat; echo over").stdout == "over\n"


def test_our_own_streams_are_ours_afterwards(house: House, running: Container) -> None:
    before = [os.readlink(f"/proc/self/fd/{fd}") for fd in range(3)]
    opened = set(os.listdir("/proc/self/fd"))
    house.execute(running, "true")
    assert [os.readlink(f"/proc/self/fd/{fd}") for fd in range(3)] == before
    assert set(os.listdir("/proc/self/fd")) == opened


def test_a_terminal(house: House, running: Container) -> None:
    options = ExecOptions(("/bin/sh", "-c", "tty; stty size; echo $TERM; read x; echo got $x"), tty=True, rows=20,
                          columns=70)  # fmt: skip
    done = house.engine.containers.execute(running, options)
    assert done.terminal is not None
    os.write(done.terminal, b"typed\n")
    told = b""
    with suppress(OSError):  # EIO: the other end is closed
        while piece := os.read(done.terminal, 4096):
            told += piece
    assert done.wait() == 0
    done.close()
    lines = told.decode().replace("\r", "").splitlines()
    assert {"20 70", "xterm", "got typed"} <= set(lines)


def test_detached(house: House, running: Container) -> None:
    done = house.engine.containers.execute(running, ExecOptions(("touch", "/tmp/done"), detach=True))
    path = Path(running.merged, "tmp/done")
    assert eventually(path.exists, PATIENCE_S)
    assert done.wait() == 0


@pytest.mark.parametrize(
    ("command", "kind", "words"),
    [
        (("nothing-here",), NotExecutable, "executable file not found"),
        (("/etc/passwd",), CannotExecute, "permission denied"),
    ],
)
def test_what_cannot_be_run(
    house: House, running: Container, command: tuple[str, ...], kind: type[StartFailed], words: str
) -> None:
    with pytest.raises(kind, match=words):
        house.engine.containers.execute(running, ExecOptions(command))


def test_a_user_that_is_not_there(house: House, running: Container) -> None:
    with pytest.raises(StartFailed, match="unable to find user nobody-here"):
        house.engine.containers.execute(running, ExecOptions(("true",), user="nobody-here"))

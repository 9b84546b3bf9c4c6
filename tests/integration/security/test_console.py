"""CVE-2025-52565: the terminal's device is looked up by a name that the container can replace.

A container with a terminal has it mounted on ``/dev/console``. A runtime that mounts ``/dev/pts/N`` there by name, in
a root whose ``/dev`` another can change, mounts what it finds, such as a link's target in ``/proc``, before masks and
read-only paths are made; and one that creates ``/dev/console`` by name creates what a link there leads to. The
descriptor that is sent to the console socket is what the host then reads from and writes to, so it must be a terminal.
"""

from __future__ import annotations

import fcntl
import os
import socket
import struct
import termios
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.attack import Swapper, call_quietly, naive_runtime

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.bundle import Bundle

pytestmark = pytest.mark.root

TIOCGPTN = 0x80045430
ROUNDS = 10


@contextmanager
def console_socket(directory: Path) -> Iterator[tuple[Path, socket.socket]]:
    path = directory / "console.sock"
    path.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        listener.settimeout(0.2)
        yield path, listener


def received(listener: socket.socket) -> int | None:
    """The descriptor that the runtime sent, if any."""
    try:
        connection, _ = listener.accept()
    except TimeoutError:
        return None
    with connection:
        connection.settimeout(5)
        _, fds, _, _ = socket.recv_fds(connection, 4096, 1)
    return fds[0] if fds else None


def create_with_terminal(box: Bundle, directory: Path, *args: str) -> tuple[str, int, int | None]:
    """A created container with a terminal: its id, the command's status, and the terminal."""
    box.config["process"] |= {"terminal": True, "args": list(args or ("sleep", "1000"))}
    box.write()
    name = box.new_id()
    with console_socket(directory) as (path, listener):
        options = ("--bundle", str(box.directory), "--console-socket", str(path), name)
        status = call_quietly(box, "create", *options)
        return name, status, received(listener)


def is_master(fd: int) -> bool:
    """Whether it is a pseudoterminal's master."""
    number = bytearray(4)
    try:
        fcntl.ioctl(fd, TIOCGPTN, number)
    except OSError:
        return False
    return struct.unpack("i", number)[0] >= 0 and termios.tcgetattr(fd) is not None


def mounted_consoles(pid: int) -> list[tuple[str, str]]:
    """What the container has mounted on /dev/console: kind of filesystem, and the path in it."""
    lines = [line.split(" - ") for line in Path(f"/proc/{pid}/mountinfo").read_text().splitlines()]
    return [(right.split()[0], left.split()[3]) for left, right in lines if left.split()[4] == "/dev/console"]


def test_a_terminal_is_one_and_is_the_console(box: Bundle, tmp_path: Path) -> None:
    name, status, fd = create_with_terminal(box, tmp_path)
    assert status == 0
    assert fd is not None
    assert is_master(fd)
    ((kind, path),) = mounted_consoles(box.state(name)["pid"])
    os.close(fd)  # which hangs up
    assert kind == "devpts"
    assert path.lstrip("/").isdigit()


def own_dev(box: Bundle, dev: Path) -> None:
    """/dev is a volume; devpts is mounted in it as usual."""
    for name in ("pts", "shm", "mqueue"):
        (dev / name).mkdir(parents=True)
    mounts = [entry for entry in box.config["mounts"] if entry["destination"] != "/dev"]
    volume = {"destination": "/dev", "source": str(dev), "options": ["rbind", "rw"]}
    box.config["mounts"] = [mounts[0], volume, *mounts[1:]]


LINKS = {"host": None, "proc": "/proc/sys/kernel/domainname", "climbing": None, "root": "/etc/passwd",
         "loop": "console"}  # fmt: skip


@pytest.mark.parametrize("kind", sorted(LINKS))
def test_a_console_that_is_a_link_covers_nothing_of_the_host_s_or_the_kernel_s(
    box: Bundle, tmp_path: Path, outside: Path, kind: str
) -> None:
    own_dev(box, tmp_path / "dev")
    targets = LINKS | {"host": f"{outside}/new", "climbing": "../" * 20 + f"{outside}/new".lstrip("/")}
    (tmp_path / "dev/console").symlink_to(str(targets[kind]))
    name, status, fd = create_with_terminal(box, tmp_path)
    assert os.listdir(outside) == ["secret"]
    if status == 0:
        mounts = Path(f"/proc/{box.state(name)['pid']}/mountinfo").read_text()
        assert " /proc/sys/kernel/domainname " not in mounts
    if fd is not None:
        assert is_master(fd)
        os.close(fd)


@pytest.mark.parametrize("what", ["file", "fifo", "link", "null"])
def test_a_devpts_of_the_image_s_own_is_no_terminal(box: Bundle, tmp_path: Path, outside: Path, what: str) -> None:
    own_dev(box, tmp_path / "dev")
    box.config["mounts"] = [entry for entry in box.config["mounts"] if entry["type" if "type" in entry else "source"]
                            != "devpts"]  # fmt: skip
    for ptmx in (tmp_path / "dev/ptmx", tmp_path / "dev/pts/ptmx"):
        if what == "file":
            ptmx.write_text("")
        elif what == "fifo":
            os.mkfifo(ptmx)
        elif what == "link":
            ptmx.symlink_to(outside / "secret")
        else:
            os.mknod(ptmx, 0o020666, os.makedev(1, 3))
    _, _, fd = create_with_terminal(box, tmp_path)
    if fd is not None:
        assert is_master(fd)
        os.close(fd)
    assert (outside / "secret").read_text() == "kept\n"


def race(box: Bundle, tmp_path: Path) -> tuple[list[list[tuple[str, str]]], int]:
    """Terminals made while /dev/console and /dev/pts/0 change places with links into /proc."""
    dev = tmp_path / "dev"
    own_dev(box, dev)
    (dev / "console").write_text("")
    (dev / "link").symlink_to("/proc/sys/kernel/domainname")
    consoles = []
    with Swapper(dev / "console", dev / "link") as swapper:
        for _ in range(ROUNDS):
            name, status, fd = create_with_terminal(box, tmp_path)
            if status == 0:
                consoles.append(mounts_of_terminals(box.state(name)["pid"]))
            if fd is not None:
                os.close(fd)
            box.call("delete", "--force", name)
    return consoles, swapper.swaps


def mounts_of_terminals(pid: int) -> list[tuple[str, str]]:
    """Where a single terminal, not a whole devpts, is mounted, and which."""
    lines = [line.split(" - ") for line in Path(f"/proc/{pid}/mountinfo").read_text().splitlines()]
    found = [(left.split()[4], left.split()[3]) for left, right in lines if right.startswith("devpts")]
    return [(where, path) for where, path in found if path != "/"]


def test_a_console_exchanged_during_create_never_lands_in_proc(box: Bundle, tmp_path: Path) -> None:
    consoles, swaps = race(box, tmp_path)
    assert swaps > ROUNDS * 100
    assert not [where for found in consoles for where, _ in found if where.startswith("/proc")]


def run_naively(box: Bundle, tmp_path: Path, script: str) -> str:
    """What a container of the naive runtime with a terminal prints, whose /dev/pts is of the volume."""
    box.config["mounts"] = [entry for entry in box.config["mounts"] if entry["destination"] != "/dev/pts"]
    box.config["process"]["terminal"] = True
    box.config["linux"]["readonlyPaths"] = []
    with naive_runtime(tmp_path):
        return box.shell(script).stdout


def test_the_naive_runtime_mounts_the_terminal_over_a_file_of_the_kernel_s(box: Bundle, tmp_path: Path) -> None:
    own_dev(box, tmp_path / "dev")
    (tmp_path / "dev/console").symlink_to("/proc/sys/kernel/domainname")
    for number in range(256):
        (tmp_path / f"dev/pts/{number}").write_text("a terminal\n")
    assert run_naively(box, tmp_path, "cat /proc/sys/kernel/domainname") == "a terminal\n"


def test_the_naive_runtime_makes_a_window_into_proc_of_a_terminal_that_is_a_link(box: Bundle, tmp_path: Path) -> None:
    own_dev(box, tmp_path / "dev")
    (tmp_path / "dev/console").write_text("")
    for number in range(256):
        (tmp_path / f"dev/pts/{number}").symlink_to("/proc/sys/kernel/domainname")
    script = "echo hijacked > /dev/console; cat /proc/sys/kernel/domainname"
    assert run_naively(box, tmp_path, script) == "hijacked\n"

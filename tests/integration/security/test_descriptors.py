"""CVE-2024-21626 and its kind: an open descriptor of the host's is a way out for whoever inherits it.

runc opened ``/sys/fs/cgroup`` without close-on-exec and changed to the configured working directory before it closed
what it had open: ``cwd: /proc/self/fd/7`` put the container's process outside its root, by ``run`` and by ``exec``. Any
descriptor that the caller of a runtime forgot to close is as good. Here the caller leaves a directory, a socket and a
memory file open, and the image tries all numbers.
"""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.attack import naive_runtime, run_detached
from tests.support.bundle import is_ours, runtime_path

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.support.bundle import Bundle

pytestmark = pytest.mark.root

NUMBERS = range(3, 65)


@pytest.fixture
def inherited(outside: Path) -> Iterator[tuple[int, ...]]:
    """Open descriptors that a careless caller leaves to the runtime: a directory, a socket, a memory file."""
    with contextlib.ExitStack() as stack:
        directory = os.open(outside, os.O_RDONLY | os.O_DIRECTORY)
        stack.callback(os.close, directory)
        memory = os.memfd_create("forgotten")
        stack.callback(os.close, memory)
        ours, theirs = socket.socketpair()
        stack.callback(ours.close)
        stack.callback(theirs.close)
        # Above all numbers that a runtime needs itself, where close_range(2) of a few would miss them.
        low = (directory, memory, ours.fileno())
        high = [os.dup2(fd, 60 + at) for at, fd in enumerate(low)]
        for fd in high:
            stack.callback(os.close, fd)
        yield (*low, *high)


def numbers_of(output: str) -> list[int]:
    return sorted(int(line.split()[0]) for line in output.splitlines())


def test_the_naive_runtime_leaves_its_caller_s_descriptors_open(
    box: Bundle, install: Callable[[str], str], tmp_path: Path, inherited: tuple[int, ...]
) -> None:
    program = install("fds")
    with naive_runtime(tmp_path):
        found = numbers_of(box.run(program, pass_fds=inherited).stdout)
    assert set(found) > {0, 1, 2, *inherited}


def test_a_first_process_has_its_three_streams_and_nothing_else(
    box: Bundle, install: Callable[[str], str], inherited: tuple[int, ...]
) -> None:
    done = box.run(install("fds"), pass_fds=inherited)
    assert (done.stderr, numbers_of(done.stdout)) == ("", [0, 1, 2])


def test_a_further_process_has_its_three_streams_and_nothing_else(
    box: Bundle, install: Callable[[str], str], inherited: tuple[int, ...]
) -> None:
    program = install("fds")
    name, _ = run_detached(box, "sleep", "1000")
    done = box.call("exec", name, program, pass_fds=inherited)
    assert (done.stderr, numbers_of(done.stdout)) == ("", [0, 1, 2])


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("verb", ["run", "exec"])
def test_exactly_so_many_descriptors_are_preserved_as_were_asked_for(
    box: Bundle, install: Callable[[str], str], outside: Path, verb: str, count: int
) -> None:
    program = install("fds")
    opened = [os.open(outside / "secret", os.O_RDONLY) for _ in range(5)]
    box.config["process"]["args"] = ["sleep", "1000"] if verb == "exec" else [program]
    name = run_detached(box)[0] if verb == "exec" else box.new_id()
    option = f"--preserve-fds={count}"
    created = ["run", option, "--bundle", str(box.directory), name]
    command = ["exec", option, name, program] if verb == "exec" else created
    box.write()
    try:
        # A caller's contract: 3, 4, …; five are open, so many more than asked for.
        done = subprocess.run(
            [runtime_path(), "--root", str(box.state_root), *command],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=30,
            preexec_fn=lambda: [os.dup2(fd, 3 + at) for at, fd in enumerate(opened)],
            close_fds=False,
        )  # fmt: skip
    finally:
        for fd in opened:
            os.close(fd)
    assert (done.stderr, numbers_of(done.stdout)) == ("", [*range(3 + count)])


HOOKS = ("prestart", "createRuntime", "poststart", "poststop")


def test_a_hook_has_its_three_streams_and_nothing_else(
    box: Bundle, tmp_path: Path, inherited: tuple[int, ...], programs: Callable[[str], Path]
) -> None:
    hooks: dict[str, list[dict[str, object]]] = {}
    for kind in HOOKS:
        script = tmp_path / f"{kind}.sh"
        script.write_text(f"#!/bin/sh\ncat > /dev/null\nexec {programs('fds')} > {tmp_path}/{kind}.out 3>&-\n")
        script.chmod(0o755)
        hooks[kind] = [{"path": str(script)}]
    box.config["hooks"] = hooks
    assert box.run("true", pass_fds=inherited).returncode == 0
    box.remove()
    # The shell keeps its script open while it executes the program: not the runtime's doing.
    for kind in HOOKS:
        lines = (tmp_path / f"{kind}.out").read_text().splitlines()
        foreign = [line for line in lines if int(line.split()[0]) > 2 and not line.endswith(f"{kind}.sh")]
        assert foreign == []


def test_the_process_that_waits_for_start_holds_nothing_of_the_host(
    box: Bundle, outside: Path, inherited: tuple[int, ...]
) -> None:
    name = box.create("true", pass_fds=inherited)
    pid = box.state(name)["pid"]
    held = [str(Path(f"/proc/{pid}/fd/{fd}").readlink()) for fd in os.listdir(f"/proc/{pid}/fd") if int(fd) > 2]
    assert not [path for path in held if path.startswith(str(outside)) or "forgotten" in path]
    directories = [fd for fd in os.listdir(f"/proc/{pid}/fd") if Path(f"/proc/{pid}/fd/{fd}").is_dir()]
    if is_ours():
        roots = {(root.st_dev, root.st_ino) for root in [Path(f"/proc/{pid}/root").stat()]}
        inside = [Path(f"/proc/{pid}/fd/{fd}").stat() for fd in directories]
        assert {(entry.st_dev, entry.st_ino) for entry in inside} <= roots
        box.call("start", name)


def escapes(box: Bundle, inherited: tuple[int, ...], *, by_exec: bool = False) -> list[int]:
    """The numbers whose directory, as a working directory, shows the host's secret."""
    reached = []
    assert box.run("true", pass_fds=inherited).returncode == 0
    (box.rootfs / "fd").symlink_to("/proc/self/fd")
    name = run_detached(box, "sleep", "1000")[0] if by_exec else ""
    if by_exec:
        assert box.call("exec", "--cwd", "/", name, "true", pass_fds=inherited).returncode == 0
    script = 'cat secret 2>/dev/null; [ "$(cat ../../../../../../../../etc/hostname 2>/dev/null)" ] && echo kept'
    for number in NUMBERS:
        cwd = f"/proc/self/fd/{number}" if number % 2 else f"/fd/{number}"
        if by_exec:
            done = box.call("exec", "--cwd", cwd, name, "sh", "-c", script, pass_fds=inherited)
        else:
            box.config["process"]["cwd"] = cwd
            done = box.shell(script, pass_fds=inherited)
        if "kept" in done.stdout:
            reached.append(number)
    return reached


def test_a_working_directory_leads_out_of_the_naive_runtime_s_root(
    box: Bundle, tmp_path: Path, inherited: tuple[int, ...]
) -> None:
    with naive_runtime(tmp_path):
        assert set(escapes(box, inherited)) >= {inherited[0], 60}


@pytest.mark.parametrize("by_exec", [False, True], ids=["run", "exec"])
def test_no_working_directory_leads_out_of_the_root(
    box: Bundle, inherited: tuple[int, ...], by_exec: bool
) -> None:
    assert escapes(box, inherited, by_exec=by_exec) == []


def test_a_working_directory_that_is_no_longer_in_the_root_is_refused(box: Bundle) -> None:
    box.config["process"]["cwd"] = "/proc/self/cwd"
    done = box.shell("pwd; ls -d /proc/1/cwd/etc/passwd")
    assert done.returncode != 0 or done.stdout.startswith("/\n")


@pytest.fixture
def process_of_the_host(outside: Path) -> Iterator[int]:
    """A process that stands in a directory of the host's."""
    with subprocess.Popen(("sleep", "100"), cwd=outside) as process:
        yield process.pid
        process.kill()


def stand_beside(box: Bundle, pid: int, *, by_exec: bool) -> str:
    """What a container that sees the host's processes finds in the working directory of one."""
    kinds = [entry for entry in box.config["linux"]["namespaces"] if entry["type"] != "pid"]
    box.config["linux"]["namespaces"] = kinds
    cwd = f"/proc/{pid}/cwd"
    assert box.run("true").returncode == 0
    if not by_exec:
        box.config["process"]["cwd"] = cwd
        return box.shell("cat secret").stdout
    name, _ = run_detached(box, "sleep", "1000")
    assert box.call("exec", "--cwd", "/", name, "true").returncode == 0
    return box.call("exec", "--cwd", cwd, name, "cat", "secret").stdout


def test_a_process_of_the_host_leads_out_of_the_naive_runtime_s_root(
    box: Bundle, tmp_path: Path, process_of_the_host: int
) -> None:
    with naive_runtime(tmp_path):
        assert stand_beside(box, process_of_the_host, by_exec=False) == "kept\n"


@pytest.mark.parametrize("by_exec", [False, True], ids=["run", "exec"])
def test_no_process_of_the_host_leads_out_of_the_root(
    box: Bundle, process_of_the_host: int, by_exec: bool
) -> None:
    """With the host's pid namespace, ``/proc/PID/cwd`` is as good as a descriptor that was left open."""
    assert stand_beside(box, process_of_the_host, by_exec=by_exec) == ""

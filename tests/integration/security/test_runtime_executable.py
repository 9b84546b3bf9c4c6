"""CVE-2019-5736: the image makes the runtime execute itself in the container, and overwrites what was executed.

Until a container's process executes its program, ``/proc/self/exe`` is the runtime's own file, whatever the root is.
An image that asks for that path, by name or in a ``#!`` line, or a process that waits in the container for one that
enters, gets a descriptor of it; as soon as nobody executes the file any more it can be written to, by root, and the
next command of the host runs the image's code. Ours executes a few kilobytes of sealed memory instead.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.attack import call_quietly, members, naive_runtime, run_detached, runtime_to_attack
from tests.support.bundle import is_ours, runtime_path, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tests.support.bundle import Bundle

pytestmark = pytest.mark.root

ALL_SEALS = 0xF  # of fcntl(2): SEAL, SHRINK, GROW and WRITE
LOADERS = ("lib64/ld-linux-x86-64.so.2", "lib/ld-linux-x86-64.so.2")
EPERM = 1
ENTRIES = ("argv", "link", "script", "script-in-path")


def digests(files: Iterable[Path]) -> dict[Path, str]:
    return {file: hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


@pytest.fixture
def hostile(box: Bundle, install: Callable[[str], str]) -> Bundle:
    """An image whose dynamic linker is the attacker, and in which four names lead to the runtime's executable."""
    install("overwrite")
    loader = install("loader")
    for name in LOADERS:
        (box.rootfs / name).parent.mkdir(exist_ok=True)
        shutil.copy(box.rootfs / loader.lstrip("/"), box.rootfs / name)
    (box.rootfs / "link").symlink_to("/proc/self/exe")
    for name in ("script", "bin/script-in-path"):
        (box.rootfs / name).write_text("#!/proc/self/exe\n")
        (box.rootfs / name).chmod(0o755)
    box.config["process"]["capabilities"] = {}
    return box


def entry_point(entry: str) -> str:
    return {"argv": "/proc/self/exe", "link": "/link", "script": "/script"}.get(entry, entry)


def result_of(box: Bundle, *, expected: bool) -> list[str]:
    """What the attacker reported: the path, the seals, the error of the write; empty if it never got a descriptor."""
    file = box.rootfs / "result"
    if expected:
        wait_until(lambda: file.exists() and file.read_text().endswith("\n"))
    return file.read_text().split() if file.exists() else []


@pytest.mark.parametrize("entry", ENTRIES)
def test_the_naive_runtime_is_overwritten_by_its_first_process(hostile: Bundle, tmp_path: Path, entry: str) -> None:
    with naive_runtime(tmp_path) as executable:
        before = executable.read_bytes()
        run_detached(hostile, entry_point(entry))
        *_, error = result_of(hostile, expected=True)
        assert error == "0"
        assert executable.read_bytes() == before + b"OVERWRITTEN"
        hostile.remove()


@pytest.mark.parametrize("entry", ENTRIES)
def test_the_runtime_is_not_overwritten_by_a_first_process(hostile: Bundle, tmp_path: Path, entry: str) -> None:
    with runtime_to_attack(tmp_path) as files:
        before = digests(files)
        name, status = run_detached(hostile, entry_point(entry))
        if status == 0:
            wait_until(lambda: hostile.state(name)["status"] == "stopped" or (hostile.rootfs / "result").exists())
        met = result_of(hostile, expected=False)
        assert met == [] or met[-1] != "0"
        hostile.remove()
        assert digests(files) == before


def enter_and_wait(box: Bundle, name: str, program: str) -> None:
    """Execute a further program, without waiting for it, and give the attack the time that it takes."""
    init = box.state(name)["pid"]
    assert box.call("exec", name, "/bin/busybox", "true").returncode == 0
    call_quietly(box, "exec", "--detach", name, program)
    wait_until(lambda: (box.rootfs / "result").exists() or members(init) <= {init})
    box.remove()


@pytest.mark.parametrize("entry", ENTRIES)
def test_the_runtime_is_not_overwritten_by_an_exec(hostile: Bundle, tmp_path: Path, entry: str) -> None:
    with runtime_to_attack(tmp_path) as files:
        before = digests(files)
        name, status = run_detached(hostile, "sleep", "1000")
        assert status == 0
        enter_and_wait(hostile, name, entry_point(entry))
        met = result_of(hostile, expected=False)
        assert met == [] or met[-1] != "0"
        assert digests(files) == before


def test_a_binary_replaced_while_the_container_runs_gains_nothing(hostile: Bundle, tmp_path: Path) -> None:
    """As ``docker exec … sh`` of an administrator, after ``sh`` has become a script for ``/proc/self/exe``."""
    with runtime_to_attack(tmp_path) as files:
        before = digests(files)
        name, _ = run_detached(hostile, "sh", "-c", "rm /bin/ls; cp /script /bin/ls; sleep 1000")
        ls = hostile.rootfs / "bin/ls"
        wait_until(lambda: not ls.is_symlink() and ls.exists() and ls.read_bytes()[:2] == b"#!")
        enter_and_wait(hostile, name, "ls")
        met = result_of(hostile, expected=False)
        assert met == [] or met[-1] != "0"
        assert digests(files) == before


# Gives the watcher the time to see what a further process is before it executes and while it gives up its rights.
SLOWLY = ("strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=execveat,setresuid", "-e",
          "inject=execveat:delay_enter=50000", "-e", "inject=setresuid:delay_enter=50000")  # fmt: skip


def watch(box: Bundle, install: Callable[[str], str], enough: int, execs: int) -> list[list[str]]:
    """Who was seen about to enter, by a process in the container with the right to look at all others."""
    install("watch")
    rights = ["CAP_SYS_PTRACE", "CAP_DAC_OVERRIDE"]
    box.config["process"]["capabilities"] = dict.fromkeys(("bounding", "effective", "permitted"), rights)
    name, status = run_detached(box, "/watch", str(enough))
    assert status == 0
    log = box.rootfs / "result"
    wait_until(log.exists)
    command = (*SLOWLY, runtime_path(), "--root", str(box.state_root), "exec", name, "true")
    for _ in range(execs):
        subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=30, check=True)
        if "end" in log.read_text():
            break
    box.remove()
    return [line.split() for line in log.read_text().splitlines()]


def test_whoever_enters_the_naive_runtime_s_container_is_caught(
    box: Bundle, install: Callable[[str], str], tmp_path: Path
) -> None:
    with naive_runtime(tmp_path) as executable:
        before = executable.read_bytes()
        seen = watch(box, install, enough=1, execs=20)
    assert any(line[0] == "caught" and line[-1] == "0" for line in seen)
    assert executable.read_bytes() == before + b"OVERWRITTEN"


def test_whoever_enters_shows_nothing_that_can_be_written(
    box: Bundle, install: Callable[[str], str], tmp_path: Path
) -> None:
    with runtime_to_attack(tmp_path) as files:
        before = digests(files)
        seen = watch(box, install, enough=3, execs=8)
        assert digests(files) == before
    caught = [line for line in seen if line[0] == "caught"]
    if is_ours():
        assert caught, "nobody was seen to enter"
        assert {line[1] for line in seen if line[0] != "end"} == {"/memfd:tare-init"}
        assert {(int(line[-2]) & ALL_SEALS, int(line[-1])) for line in caught} == {(ALL_SEALS, EPERM)}
    assert not [line for line in caught if line[-1] == "0"]


def test_the_process_that_waits_for_start_is_sealed_memory(box: Bundle, tmp_path: Path) -> None:
    with runtime_to_attack(tmp_path):
        pid = box.state(box.create("true"))["pid"]
        with Path(f"/proc/{pid}/exe").open("rb") as executable:
            if is_ours():
                assert fcntl.fcntl(executable, fcntl.F_GET_SEALS) & ALL_SEALS == ALL_SEALS
            with pytest.raises(OSError, match=r"not permitted|file busy|Read-only"):
                os.write(os.open(f"/proc/self/fd/{executable.fileno()}", os.O_WRONLY | os.O_APPEND), b"x")
        box.remove()

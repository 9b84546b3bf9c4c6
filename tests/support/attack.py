"""What attacks on a runtime are made of: small static programs, links that change all the time, a naive runtime."""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import subprocess
import sys
import threading
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Self

from tests.support.bundle import runtime_path

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.bundle import Bundle

PROGRAMS = Path(__file__).parents[1] / "integration/security/programs"
_NAIVE = Path(__file__).with_name("naive.py")
_AT_FDCWD, _RENAME_EXCHANGE = -100, 2
_LIBC = ctypes.CDLL(None, use_errno=True)
_serial = count()


def compile_program(name: str, into: Path) -> Path:
    """The C program of this name, static, so that it runs in any image; ``// flags:`` in its first line adds flags."""
    source = PROGRAMS / f"{name}.c"
    first = source.read_text().splitlines()[0]
    flags = first.removeprefix("// flags:").split() if first.startswith("// flags:") else []
    static = () if "-shared" in flags else ("-static",)
    subprocess.run(("gcc", "-O1", "-Wall", *static, *flags, "-o", into / name, source), check=True)
    return into / name


@contextmanager
def runtime(path: Path | str) -> Iterator[None]:
    """Make this the runtime under test."""
    before = os.environ.get("OCI_RUNTIME")
    os.environ["OCI_RUNTIME"] = str(path)
    try:
        yield
    finally:
        if before is None:
            del os.environ["OCI_RUNTIME"]
        else:
            os.environ["OCI_RUNTIME"] = before


@contextmanager
def naive_runtime(directory: Path) -> Iterator[Path]:
    """Make the naive runtime the one under test; yields its executable, a copy of the interpreter to be attacked."""
    home = directory / f"naive-{next(_serial)}"
    home.mkdir()
    interpreter = home / "python3"
    shutil.copy(Path(sys.executable).resolve(), interpreter)
    command = home / "naive"
    command.write_text(f'#!/bin/sh\nexec {interpreter} -I -S {_NAIVE} "$@"\n')
    command.chmod(0o755)
    with runtime(command):
        yield interpreter


@contextmanager
def runtime_to_attack(directory: Path) -> Iterator[list[Path]]:
    """What of the runtime under test an attack might overwrite; of a foreign one it is a copy."""
    command = Path(runtime_path())
    if command.read_bytes()[:4] == b"\x7fELF":
        copy = directory / command.name
        shutil.copy(command, copy)
        with runtime(copy):
            yield [copy]
    else:
        package = Path(__file__).parents[2] / "runtime"
        yield [command, Path("/usr/bin/python3").resolve(), *package.rglob("*.py"), *_libraries(sys.executable)]


def _libraries(program: str) -> list[Path]:
    listing = subprocess.run(("ldd", program), capture_output=True, text=True, check=True).stdout
    return [Path(word).resolve() for line in listing.splitlines() for word in line.split() if word.startswith("/")]


class Swapper:
    """Two names whose objects change places all the time, by renameat2(2) with ``RENAME_EXCHANGE``."""

    def __init__(self, one: Path, other: Path) -> None:
        self._names = (os.fsencode(one), os.fsencode(other))
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._swap)
        self.swaps = 0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ends.set()
        self._thread.join()

    def _swap(self) -> None:
        one, other = self._names
        while not self._ends.is_set():
            if _LIBC.renameat2(_AT_FDCWD, one, _AT_FDCWD, other, _RENAME_EXCHANGE) == 0:
                self.swaps += 1


def call_quietly(box: Bundle, *argv: str, timeout_s: float = 30) -> int:
    """The runtime's command line with null devices for streams, which a process left behind may keep; the status."""
    command = [runtime_path(), "--root", str(box.state_root), *argv]
    null = subprocess.DEVNULL
    return subprocess.run(command, stdin=null, stdout=null, stderr=null, timeout=timeout_s, check=False).returncode


def run_detached(box: Bundle, *args: str) -> tuple[str, int]:
    """``run --detach`` of a container: its id, and the command's status."""
    if args:
        box.config["process"]["args"] = list(args)
    box.write()
    name = box.new_id()
    return name, call_quietly(box, "run", "--detach", "--bundle", str(box.directory), name)


def members(pid: int) -> set[int]:
    """The living processes in this one's pid namespace, as the host numbers them."""
    found = set()
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            alive = entry.name.isdigit() and (entry / "stat").read_text().rpartition(")")[2].split()[0] != "Z"
            if alive and (entry / "ns/pid").samefile(f"/proc/{pid}/ns/pid"):
                found.add(int(entry.name))
    return found

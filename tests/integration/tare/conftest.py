"""`tare` as a user has it: processes, on a root directory of their own of which nothing is left afterwards."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING

import pytest

from runtime.engine.engine import Engine
from runtime.image.builder import build_image
from runtime.image.config import ImageConfig
from runtime.image.store import ImageStore
from tests.conftest import ROOT
from tests.support.containers import base_layer
from tests.support.terminal import Terminal, terminal
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

IMAGE = "busybox:latest"
_WITHIN_S = 60
_serial = count()


@dataclass(frozen=True, slots=True)
class Done:
    """How a command ended."""

    code: int
    out: str
    err: str


@dataclass(frozen=True, slots=True)
class Tare:
    """The command line on one root directory."""

    root: Path

    def command(self, *words: str) -> list[str]:
        """As it is executed; with the interpreter of the tests, which is what their environment is of."""
        return [sys.executable, "-IS", str(ROOT / "runtime/tare/tare"), "--root", str(self.root), *words]

    def __call__(self, *words: str, stdin: bytes = b"", env: dict[str, str] | None = None) -> Done:
        """Run it to its end, whatever that is."""
        environment = os.environ | (env or {})
        done = subprocess.run(
            self.command(*words), input=stdin, capture_output=True, check=False, timeout=_WITHIN_S, env=environment
        )
        return Done(done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace"))

    def says(self, *words: str, stdin: bytes = b"") -> str:
        """What it prints, without the end of the last line; it has to succeed."""
        done = self(*words, stdin=stdin)
        assert done.code == 0, f"{words}: {done}"
        return done.out.removesuffix("\n")

    def fails(self, code: int, *words: str) -> str:
        """What it complains of, without what every complaint begins with."""
        done = self(*words)
        assert done.code == code, f"{words}: {done}"
        return done.err.removeprefix("tare: ").removesuffix("\n")

    def start(self, *words: str, name: str = "") -> str:
        """The name of a container that runs in the background; `words` are flags, ``--`` and a command, or sleep."""
        name = name or new_name()
        flags, command = _split(words)
        self.says("run", "-d", "--name", name, *flags, IMAGE, *command)
        return name

    @contextmanager
    def running(self, *words: str, name: str = "") -> Iterator[str]:
        """The same, removed in the end."""
        started = self.start(*words, name=name)
        try:
            yield started
        finally:
            self("rm", "-f", "-v", started)

    @contextmanager
    def on_terminal(self, *words: str, rows: int = 24, columns: int = 80) -> Iterator[Terminal]:
        """It, with a terminal in front of it."""
        with terminal(self.command(*words), rows, columns) as shown:
            yield shown

    @contextmanager
    def beside(self, *words: str) -> Iterator[subprocess.Popen[bytes]]:
        """It, beside the test, until the test lets it go."""
        process = subprocess.Popen(
            self.command(*words), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        with process:
            try:
                yield process
            finally:
                process.kill()

    def field(self, name: str, template: str) -> str:
        """Of a container's document."""
        return self.says("inspect", "--type", "container", "-f", template, name)

    def reaches(self, name: str, status: str) -> bool:
        """Whether it comes to be that."""
        return eventually(lambda: self.field(name, "{{.State.Status}}") == status, timeout_s=_WITHIN_S)


def _split(words: tuple[str, ...]) -> tuple[list[str], list[str]]:
    if "--" not in words:
        return list(words), ["sleep", "1000"]
    place = words.index("--")
    return list(words[:place]), list(words[place + 1 :])


def new_name() -> str:
    """For a container."""
    return f"tare-test-{os.getpid()}-{next(_serial)}"


@pytest.fixture(scope="package")
def tare(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tare]:
    """With one image in its store, which is busybox."""
    root = tmp_path_factory.mktemp("tare")
    config = ImageConfig(cmd=("sh",), env=("PATH=/bin",), exposed_ports=("80/tcp",), labels={"made": "here"})
    build_image(ImageStore(root), IMAGE, (base_layer(),), config)
    try:
        yield Tare(root)
    finally:
        with Engine(str(root)) as engine:
            engine.system.reset()


@pytest.fixture
def name() -> str:
    """One that no other container has."""
    return new_name()

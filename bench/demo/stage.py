"""Where the demonstrations are given: a root of the engine, its command, a terminal, and what was found so far."""

from __future__ import annotations

import subprocess
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bench.command import tare_command, tare_environment
from bench.demo.step import Differs
from bench.demo.terminal import Terminal

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_COMMAND_S = 180.0


@dataclass(frozen=True, slots=True)
class Names:
    """What the demonstrations work with: images, and the ports of two registries."""

    image: str
    registry_image: str
    port: int
    layers: int

    @property
    def pushed(self) -> str:
        """The image's name in the private registry."""
        return f"localhost:{self.port}/{self.image.rpartition('/')[2]}"

    @property
    def repository(self) -> str:
        """The same without registry and tag."""
        return self.pushed.rpartition("/")[2].partition(":")[0]

    @property
    def committed(self) -> str:
        """What the image with the new file is called."""
        return f"localhost:{self.port}/{self.repository}:file1"


@dataclass(slots=True)
class Stage:
    """One giving of the demonstrations; close it, whatever happens."""

    root: Path
    names: Names
    program: Sequence[str] = field(default_factory=tare_command)
    facts: dict[str, str] = field(default_factory=dict)
    output: list[str] = field(default_factory=list)
    _stack: ExitStack = field(default_factory=ExitStack)
    _terminal: Terminal | None = None

    def tare(self, *arguments: str) -> str:
        """Run a command to its end; what it printed. Raises `Differs` if it fails."""
        command = (*self.program, *arguments)
        try:
            done = subprocess.run(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                text=True, errors="replace", env=self._environment(), check=False, timeout=_COMMAND_S,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            raise Differs(f"it has not ended after {_COMMAND_S:g} s") from None
        self.output.append(done.stdout)
        if done.returncode:
            lines = done.stdout.strip().splitlines() or ["and says nothing"]
            raise Differs(f"exit code {done.returncode}: {lines[-1]}")
        return done.stdout

    def open_terminal(self, *arguments: str) -> Terminal:
        """Run a command at a terminal; it is hung up when the stage is closed, at the latest."""
        terminal = self._stack.enter_context(Terminal((*self.program, *arguments), self._environment()))
        self._terminal = terminal
        return terminal

    @property
    def terminal(self) -> Terminal:
        """The terminal that was opened last."""
        if self._terminal is None:
            raise Differs("there is no terminal: an earlier command failed")
        return self._terminal

    def fact(self, name: str) -> str:
        """What an earlier step found out."""
        if name not in self.facts:
            raise Differs(f"the {name} is not known: an earlier command failed")
        return self.facts[name]

    def close(self) -> None:
        """Hang up. Idempotent."""
        self._stack.close()

    def _environment(self) -> dict[str, str]:
        return {**tare_environment(self.root), "TERM": "xterm", "LC_ALL": "C.UTF-8"}

"""`tare` as its users run it: a process with a root of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from runtime.image.check import check
from runtime.image.store import ImageStore

if TYPE_CHECKING:
    from collections.abc import Mapping

PROJECT = Path(__file__).parents[2]
COMMAND = (sys.executable, "-c", "from runtime.tare.main import main; main()")
# Quick to give up: what is tested is that it does, not how long it waits.
PATIENCE = {
    "connect_s": 5,
    "answer_s": 3,
    "minimum_bytes_per_s": 1024,
    "rate_window_s": 1,
    "attempts": 2,
    "backoff_s": 0.01,
    "longest_wait_s": 0.1,
}


@dataclass(frozen=True)
class Tare:
    """The command, for one root directory; credentials and settings are below it as well."""

    root: Path
    more: Mapping[str, str] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        """Nothing of the host's own settings."""
        kept = {name: text for name, text in os.environ.items() if not name.lower().endswith("_proxy")}
        home = self.root.parent / f"{self.root.name}-home"
        home.mkdir(exist_ok=True)
        settings = home / "registries.json"
        settings.write_text(json.dumps({"patience": PATIENCE}))
        ours = {"HOME": str(home), "TARE_REGISTRIES": str(settings), "PYTHONPATH": str(PROJECT)}
        return {**kept, **ours, "REGISTRY_AUTH_FILE": f"{home}/.docker/config.json", **self.more}

    def argv(self, *words: str | Path) -> tuple[str, ...]:
        """The whole command."""
        return (*COMMAND, "--root", str(self.root), *map(str, words))

    def start(self, *words: str | Path) -> subprocess.Popen[str]:
        """Begin it; whoever does so waits for it."""
        return subprocess.Popen(
            self.argv(*words), env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def run(self, *words: str | Path, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """To its end, whatever that is."""
        argv, environment = self.argv(*words), self.environment
        return subprocess.run(
            argv, env=environment, input=stdin, capture_output=True, text=True, timeout=120, check=False
        )

    def __call__(self, *words: str | Path, stdin: str = "") -> str:
        """What it says on stdout; it has to succeed."""
        done = self.run(*words, stdin=stdin)
        assert done.returncode == 0, f"tare {words}: exit code {done.returncode}: {done.stdout}{done.stderr}"
        return done.stdout

    def failure(self, *words: str | Path, stdin: str = "") -> str:
        """What it says on stderr; it has to fail with exit code 1, and say it in one line."""
        done = self.run(*words, stdin=stdin)
        assert done.returncode == 1, f"tare {words}: exit code {done.returncode}: {done.stdout}{done.stderr}"
        assert done.stderr.startswith("tare: "), done.stderr
        assert done.stderr.count("\n") == 1, done.stderr
        return done.stderr

    @property
    def store(self) -> ImageStore:
        """Its images, read without it."""
        return ImageStore(self.root)

    @property
    def is_sound(self) -> bool:
        """Whether every image on the list is there, byte for byte."""
        return check(self.store).is_sound

    @property
    def state(self) -> dict[str, str]:
        """What images there are: digests by name."""
        return {image.reference: image.digest for image in self.store.images()}

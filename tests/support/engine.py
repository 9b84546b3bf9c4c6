"""A container engine's command line in a sandbox, and containers that it makes.

A command that ends as nobody expected is shown with what the engine, its daemons and the runtime said.
"""

from __future__ import annotations

import shlex
import shutil
import signal
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.support.bundle import wait_until
from tests.support.sandbox import send

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from tests.support.sandbox import Sandbox

IMAGE = "localhost/tare-test:1"
# Debian's, whatever else is first on the caller's PATH.
_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
_serial = count()


def program(name: str) -> str:
    """The distribution's program of this name."""
    path = shutil.which(name, path=_PATH)
    assert path is not None, f"{name} is not installed: ./run pytest does it"
    return path


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a command of an engine ended."""

    code: int
    stdout: str
    stderr: str

    @property
    def text(self) -> str:
        """Its output without the last line's end."""
        return self.stdout.strip()


@dataclass(slots=True)
class Host:
    """The sandbox, the engines' directory, and what of them can be read when something failed."""

    sandbox: Sandbox
    directory: Path
    logs: list[Path] = field(default_factory=list)

    def call(self, *argv: str, code: int | None = 0, timeout_s: float = 60, **options: Any) -> Outcome:
        """Run a command; it must end with ``code``, if any is given."""
        sizes = {path: path.stat().st_size for path in self.logs}
        done = self.sandbox.run(*argv, timeout_s=timeout_s, **options)
        if code is not None and done.returncode != code:
            raise AssertionError(self._explain(argv, code, done, sizes))
        return Outcome(done.returncode, done.stdout, done.stderr)

    def _explain(
        self, argv: tuple[str, ...], code: int, done: subprocess.CompletedProcess[str], sizes: dict[Path, int]
    ) -> str:
        """All that is known of a failure: the command's words, the daemons' since then, and the runtime's own."""
        parts = [f"{shlex.join(argv)}: exit code {done.returncode}, not {code}", done.stdout, done.stderr]
        for path, size in sizes.items():
            parts += [f"--- {path.name}", *path.read_bytes()[size:].decode(errors="replace").splitlines()[-20:]]
        for name in ("log.json", "oci-log"):
            for path in (self.sandbox.root / "run").rglob(name):
                parts += [f"--- {path.parent.name}/{name}", path.read_text()[-4000:]]
        return "\n".join(part for part in parts if part)

    @contextmanager
    def daemon(self, name: str, *options: str, ready: tuple[str, ...]) -> Iterator[None]:
        """A daemon of the distribution; it has ended afterwards."""
        log = self.directory / f"{name}.log"
        with log.open("w") as output:
            process = self.sandbox.popen(program(name), *options, stdout=output, stderr=subprocess.STDOUT)
        try:
            wait_until(lambda: process.poll() is not None or self.sandbox.run(*ready).returncode == 0, timeout_s=30)
            assert process.poll() is None, f"{name} did not start: {log.read_text()[-4000:]}"
            self.logs.append(log)
            yield
        finally:
            send(process, signal.SIGTERM)
            process.wait(timeout=30)

    def read(self, path: str) -> str:
        """A file of the sandbox."""
        return (self.sandbox.root / path.lstrip("/")).read_text()

    def group(self, pid: int, v1: str, v2: str) -> str:
        """A value of a process's control group: ``memory.limit_in_bytes`` on version 1, ``memory.max`` on version 2."""
        groups: dict[str, str] = {}
        # Read by us, the paths are those of our own hierarchies.
        for line in self.read(f"/proc/{pid}/cgroup").splitlines():
            _, controllers, path = line.split(":", 2)
            groups |= dict.fromkeys(controllers.split(","), path)
        controller = v1.split(".", maxsplit=1)[0]
        if controller in groups:
            return (Path("/sys/fs/cgroup") / controller / groups[controller].lstrip("/") / v1).read_text().strip()
        return (Path("/sys/fs/cgroup") / groups[""].lstrip("/") / v2).read_text().strip()


@dataclass(slots=True)
class Engine:
    """docker, podman or tare: a command line that all of them understand."""

    name: str
    host: Host
    prefix: tuple[str, ...]

    def __call__(self, *argv: str, **options: Any) -> Outcome:
        """Run one of its commands."""
        return self.host.call(*self.prefix, *argv, **options)

    @property
    def is_docker(self) -> bool:
        """Whether it is docker or does as docker does, for the few things in which podman differs."""
        return self.name != "podman"

    def running(self, *argv: str) -> AbstractContextManager[subprocess.Popen[str]]:
        """One of its commands, with its input and output in pipes; it has ended afterwards."""
        return self.host.sandbox.running(*self.prefix, *argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def run(self, *argv: str, options: tuple[str, ...] = (), **more: Any) -> Outcome:
        """``run --rm``, of the test image."""
        return self("run", "--rm", *options, IMAGE, *argv, **more)

    def shell(self, script: str, *options: str, **more: Any) -> str:
        """What a shell script in a container says."""
        return self.run("sh", "-c", script, options=options, **more).text

    def remove(self, name: str, code: int | None = 0) -> None:
        """``rm --force``, at once."""
        self("rm", "--force", *(() if self.is_docker else ("--time", "0")), name, code=code)

    @contextmanager
    def named(self) -> Iterator[str]:
        """A name that no other container has; whatever has it afterwards is removed."""
        name = f"c{next(_serial)}"
        try:
            yield name
        finally:
            self.remove(name, code=None)

    @contextmanager
    def container(self, *argv: str, options: tuple[str, ...] = (), verb: str = "run") -> Iterator[Container]:
        """A container that runs in the background (or, with ``create``, is only made); gone afterwards."""
        detached = ("--detach",) if verb == "run" else ()
        with self.named() as name:
            self(verb, *detached, "--name", name, *options, IMAGE, *(argv or ("sleep", "1000")))
            yield Container(self, name)

    def names(self) -> list[str]:
        """Of all containers, running or not."""
        return self("ps", "--all", "--format", "{{.Names}}").stdout.split()


@dataclass(slots=True)
class Container:
    """A container of an engine."""

    engine: Engine
    name: str

    def exec(self, *argv: str, options: tuple[str, ...] = (), **more: Any) -> Outcome:
        """Run a further process."""
        return self.engine("exec", *options, self.name, *argv, **more)

    def shell(self, script: str, *options: str) -> str:
        """What a shell script, run as a further process, says."""
        return self.exec("sh", "-c", script, options=options).text

    def inspect(self, template: str) -> str:
        """A fact, by a template of Go."""
        return self.engine("inspect", "--format", template, self.name).text

    @property
    def pid(self) -> int:
        """Of the first process, in the sandbox."""
        return int(self.inspect("{{.State.Pid}}"))

    @property
    def status(self) -> str:
        """Such as ``running``."""
        return self.inspect("{{.State.Status}}")

    def wait(self) -> int:
        """The exit code, once it has ended."""
        return int(self.engine("wait", self.name).text)

    def logs(self, *options: str) -> str:
        """What it has said."""
        return self.engine("logs", *options, self.name).stdout

    def wait_for_log(self, text: str) -> None:
        """Until it has said this."""
        wait_until(lambda: text in self.logs())

    def group(self, v1: str, v2: str) -> str:
        """A value of its control group."""
        return self.engine.host.group(self.pid, v1, v2)

"""An engine as its user meets it: a command line, with or without daemons behind it."""

from __future__ import annotations

import os
import shutil
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Protocol

from bench.calibration.docker import start_docker
from bench.calibration.engine import program
from bench.calibration.podman import podman_environment
from bench.command import tare_command, tare_environment
from bench.demo.ending import end_engine
from bench.engines.materials import BASE, BIG, BUILT, PUSHED
from bench.engines.operation import DOCKER, OPERATIONS, PODMAN, SKOPEO, TARE
from bench.workload import WorkloadError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from bench.engines.ground import EngineGround

_SYSTEM_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
Calls = tuple[tuple[str, ...], ...]


class Candidate(Protocol):
    """What is asked of every one. Errors are `bench.workload.WorkloadError`."""

    name: str
    operations: tuple[str, ...]

    def absence(self) -> str | None:
        """Why it cannot be measured here; None if it can. Changes nothing."""

    def open(self) -> None:
        """Start it, and let it have the base image. Idempotent; never timed."""

    def prepare(self, operation: str) -> None:
        """Bring about what the operation begins with; never timed."""

    def measure(self, operation: str) -> int:
        """Carry the operation out; nanoseconds."""

    def close(self) -> None:
        """End it. Idempotent."""


class CommandLine:
    """What docker, podman and we have in common: the words."""

    name = ""
    operations: tuple[str, ...] = tuple(OPERATIONS)
    needs: tuple[str, ...] = ()

    def __init__(self, ground: EngineGround) -> None:
        self._ground = ground
        self._stack = ExitStack()
        self._opened = False
        self._environment: Mapping[str, str] = os.environ
        self._containers = 0

    def absence(self) -> str | None:
        """Whether its programs are installed."""
        missing = [name for name in self.needs if shutil.which(name, path=_SYSTEM_PATH) is None]
        return f"{missing[0]} is not installed" if missing else None

    def open(self) -> None:
        """Start it, and let it have the base image. Idempotent; never timed."""
        if self._opened:
            return
        self._opened = True
        self._directory = self._ground.directory(self.name)
        self._start()
        self._call("load", "--input", str(self._ground.places.base))

    def prepare(self, operation: str) -> None:
        """Bring about what the operation begins with; never timed."""
        if operation in {"pull", "load", "first-run"}:
            self._forget()
        elif operation == "push":
            self._call(*self._transfer("pull", BIG))
            self._call("tag", BIG, PUSHED)
            self._ground.target.start()
        elif operation == "rebuild":
            self._call(*self._build())
        elif operation == "ps":
            for _ in range(self._containers, self._ground.containers):
                self._call("create", *self._place(), BASE, "true")
                self._containers += 1

    def measure(self, operation: str) -> int:
        """Carry the operation out; nanoseconds."""
        calls = tuple((*self._prefix(), *words) for words in self._words(operation))
        return self._ground.sandbox.time(calls, self._environment, self._log)

    def close(self) -> None:
        """End it. Idempotent."""
        self._opened = False
        self._stack.close()

    def _words(self, operation: str) -> Calls:
        run = ("run", "--rm", *self._place())
        return {
            "pull": (self._transfer("pull", BIG),),
            "push": (self._transfer("push", PUSHED),),
            "load": (("load", "--input", str(self._ground.places.archive)),),
            "build": (self._build("--no-cache"),),
            "rebuild": (self._build(),),
            "run": ((*run, BASE, "true"),),
            "first-run": (self._transfer("pull", BIG), (*run, BIG, "true")),
            "ps": (("ps", "--all"),),
        }[operation]

    def _build(self, *options: str) -> tuple[str, ...]:
        return ("build", "--quiet", *options, "--tag", BUILT, str(self._ground.places.context))

    def _transfer(self, verb: str, reference: str) -> tuple[str, ...]:
        return verb, "--quiet", reference

    def _place(self) -> tuple[str, ...]:
        """Where its containers' control groups are, if it has to be told."""
        return ()

    def _forget(self) -> None:
        """Have nothing of the large image."""
        for name in (BIG, PUSHED):
            with suppress(WorkloadError):
                self._call("rmi", "--force", name)

    def _start(self) -> None:
        raise NotImplementedError

    def _prefix(self) -> Sequence[str]:
        raise NotImplementedError

    @property
    def _log(self) -> Path:
        return self._directory / "command.log"

    def _call(self, *words: str) -> None:
        self._ground.sandbox.time(((*self._prefix(), *words),), self._environment, self._log)


class Docker(CommandLine):
    """docker, with a dockerd and a containerd of our own."""

    name = DOCKER
    needs = ("docker", "dockerd", "containerd", "ctr")

    def _start(self) -> None:
        state = self._ground.state(self.name)
        log, group = self._directory / "daemons.log", f"/{self._ground.group(self.name)}"
        daemons, self._host = self._ground.sandbox.call(lambda: start_docker(state, self._directory, log, group))
        self._stack.callback(daemons.close)
        # Debian 12 has no buildx: this is the builder that docker has there.
        self._environment = {**os.environ, "DOCKER_BUILDKIT": "0"}

    def _prefix(self) -> Sequence[str]:
        return program("docker"), "--host", self._host


class Podman(CommandLine):
    """podman, with storage and networks of our own."""

    name = PODMAN
    needs = ("podman", "conmon", "runc")

    def _start(self) -> None:
        self._environment = podman_environment(self._ground.state(self.name), self._directory)

    def _prefix(self) -> Sequence[str]:
        return (program("podman"),)

    def _place(self) -> tuple[str, ...]:
        return "--cgroup-parent", f"/{self._ground.group(self.name)}"

    def _transfer(self, verb: str, reference: str) -> tuple[str, ...]:
        return verb, "--quiet", "--tls-verify=false", reference

    def _build(self, *options: str) -> tuple[str, ...]:
        # Not above the containers' groups, as the option says, but theirs itself: there can be no others below it.
        return super()._build("--cgroup-parent", f"/{self._ground.group('podman-build')}", *options)


class Tare(CommandLine):
    """Ours, with a root of its own."""

    name = TARE

    def _start(self) -> None:
        root = self._ground.engine
        self._environment = tare_environment(root)
        self._stack.callback(end_engine, root)

    def _prefix(self) -> Sequence[str]:
        return tare_command()

    def _forget(self) -> None:
        """What is no longer listed stays for a while, for those who pull it just now: have it collected at once."""
        super()._forget()
        self._ground.collect()


class Skopeo:
    """skopeo, to and from an image layout: it copies images, and neither unpacks nor runs them."""

    name = SKOPEO
    operations: tuple[str, ...] = ("pull", "push", "load")

    def __init__(self, ground: EngineGround) -> None:
        self._ground = ground

    def absence(self) -> str | None:
        """Whether it is installed."""
        return None if shutil.which("skopeo", path=_SYSTEM_PATH) else "skopeo is not installed"

    def open(self) -> None:
        """There is nothing to start."""

    def prepare(self, operation: str) -> None:
        """An empty layout, or one with the image in it."""
        shutil.rmtree(self._layout, ignore_errors=True)
        if operation == "push":
            self.measure("pull")
            self._ground.target.start()

    def measure(self, operation: str) -> int:
        """One copy."""
        layout = f"oci:{self._layout}:1"
        words = {
            "pull": ("--src-tls-verify=false", f"docker://{BIG}", layout),
            "push": ("--dest-tls-verify=false", layout, f"docker://{PUSHED}"),
            "load": (f"docker-archive:{self._ground.places.archive}", layout),
        }[operation]
        command = (program("skopeo"), "--insecure-policy", "copy", "--quiet", *words)
        log = self._ground.directory(self.name) / "command.log"
        return self._ground.sandbox.time((command,), os.environ, log)

    def close(self) -> None:
        """There is nothing to end."""

    @property
    def _layout(self) -> Path:
        return self._ground.directory(self.name) / "layout"

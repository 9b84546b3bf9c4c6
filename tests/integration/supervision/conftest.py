"""A bundle, and a supervisor with a root directory of its own, of which nothing is left afterwards."""

from __future__ import annotations

import os
import signal
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from runtime.linux import constants, syscalls
from runtime.supervision.client import Supervisor
from runtime.supervision.errors import SupervisionError
from runtime.supervision.restart import RestartPolicy
from runtime.supervision.terms import Terms
from tests.support.bundle import Bundle, bundle, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runtime.supervision.life import Phase
    from runtime.supervision.record import Record

_serial = count()


def alive(pid: int) -> bool:
    """Whether it is there, and more than a zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def is_supervisor(pid: int) -> bool:
    """One that has settled in, and is alive."""
    try:
        return Path(f"/proc/{pid}/comm").read_text() == "tare-supervisor\n" and alive(pid)
    except (FileNotFoundError, ProcessLookupError):
        return False


def parent(pid: int) -> int:
    """Its pid; 0 of a process that has gone."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except (FileNotFoundError, ProcessLookupError):
        return 0


def processes(*words: str) -> list[int]:
    """Those that have all these words in their command line."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            text = path.read_bytes().decode(errors="replace")
        except (FileNotFoundError, ProcessLookupError):
            continue
        if all(word in text for word in words):
            found.append(int(path.parts[2]))
    return found


def cgroups_of(container_id: str) -> list[str]:
    return [path for path, _, _ in os.walk("/sys/fs/cgroup") if container_id in path.split("/")]


@dataclass(slots=True)
class House:
    """A root directory, what is run below it, and a client."""

    root: Path
    bundle: Bundle
    client: Supervisor
    ids: list[str] = field(default_factory=list)

    def terms(self, *args: str, restart: str = "no", **options: Any) -> Terms:
        """Of a container that executes this, from a bundle of its own, on the same root file system."""
        container_id = f"tare-test-{os.getpid()}-s{next(_serial)}"
        directory = self.root.parent / container_id
        directory.mkdir()
        (directory / "rootfs").symlink_to(self.bundle.rootfs)
        config = self.bundle.config
        config["process"]["args"] = list(args)
        config["process"]["terminal"] = options.get("terminal", False)
        config["root"]["path"] = str(self.bundle.rootfs)
        self.bundle.write()
        (self.bundle.directory / "config.json").rename(directory / "config.json")
        self.ids.append(container_id)
        return Terms(container_id, str(directory), restart=RestartPolicy.parse(restart), **options)

    def shell(self, script: str, restart: str = "no", **options: Any) -> Terms:
        """The same for a shell script."""
        return self.terms("sh", "-c", script, restart=restart, **options)

    @property
    def go(self) -> Path:
        """A file that a hook waits for, which says by `begun` that it does."""
        return self.root.parent / "go"

    @property
    def begun(self) -> Path:
        """Whether it waits."""
        return self.root.parent / "begun"

    def add_hook(self, moment: str, status: int = 0) -> None:
        """To the containers to come: it waits for `go`, and ends with this status."""
        hook = self.root.parent / "hook"
        waits = f"touch {self.begun}; while [ ! -e {self.go} ]; do sleep 0.02; done"
        hook.write_text(f"#!/bin/sh\n{waits}; exit {status}\n")
        hook.chmod(0o755)
        self.bundle.config["hooks"] = {moment: [{"path": str(hook)}]}

    @property
    def supervisor(self) -> int | None:
        """Its pid; None while there is none."""
        found = [pid for pid in processes("runtime.supervision.main", str(self.root)) if is_supervisor(pid)]
        # A helper that was forked a moment ago still looks like its parent.
        found = [pid for pid in found if parent(pid) not in found]
        assert len(found) <= 1, "two supervisors at once"
        return found[0] if found else None

    def kill_supervisor(self) -> None:
        """As nobody can prevent it."""
        pid = self.supervisor
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        reap(pid)

    def wait_for(self, container_id: str, phase: Phase, timeout_s: float = 20) -> Record:
        """Its record once it is in this phase."""
        wait_until(lambda: self.client.inspect(container_id).life.phase is phase, timeout_s)
        return self.client.inspect(container_id)

    def told(self, container_id: str, stream: str = "stdout") -> bytes:
        """What it has written, as far as it is logged."""
        return b"".join(entry.content for entry in self.client.logs(container_id) if entry.stream == stream)

    def leftovers(self) -> list[str]:
        """Whatever there still is of the containers, on disk, in control groups and among processes."""
        files = [str(path) for name in ("runtime", "containers") for path in self.root.glob(f"{name}/*")]
        return files + [group for name in self.ids for group in cgroups_of(name)]

    def remove(self) -> None:
        """Everything, hooks that wait included; then the supervisor has nothing to do, and ends."""
        self.go.touch()
        for name in self.ids:
            try:
                self.client.remove(name, force=True)
            except SupervisionError as error:
                if "is not supervised here" not in str(error):
                    raise
        self.client.close()
        wait_until(lambda: self.supervisor is None)
        wait_until(lambda: processes("runtime.supervision.main", str(self.root)) == [])
        assert [pid for pid in processes("tare-keeper", str(self.root)) if alive(pid)] == []
        assert self.leftovers() == []


def reap(pid: int) -> None:
    """Wait for the end of a process that is an orphan, and so ours."""
    os.waitpid(pid, 0)
    assert not Path(f"/proc/{pid}").exists()


@contextmanager
def orphanage() -> Iterator[None]:
    """Orphans come to us, not to the host's init, which reaps them when it likes: a test says when."""
    syscalls.prctl(constants.PR_SET_CHILD_SUBREAPER, 1)
    try:
        yield
    finally:
        syscalls.prctl(constants.PR_SET_CHILD_SUBREAPER, 0)
        with suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with orphanage(), bundle(tmp_path) as made, Supervisor(str(tmp_path / "root"), idle_s=0.2) as client:
        built = House(tmp_path / "root", made, client)
        try:
            yield built
        finally:
            built.remove()
        errors = (built.root / "supervisor.log").read_text() if built.root.exists() else ""
        assert errors == ""

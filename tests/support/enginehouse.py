"""An engine below a directory of a test's own, with one small image, and proof that nothing of it is left."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from runtime.engine.engine import Engine
from runtime.engine.mountinfo import mount_points
from runtime.engine.options import CreateOptions, ExecOptions
from runtime.image.builder import Directory, File, LayerRecipe, build_image
from runtime.image.config import ImageConfig
from tests.support.containers import base_layer, require_root
from tests.support.leftovers import adopted_orphans
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from runtime.engine.container import Container

BOX = "box:1"
PATIENCE_S = 60.0
_USERS = "root:x:0:0:root:/root:/bin/sh\nkim:x:1000:1001::/home/kim:/bin/sh\n"
_GROUP = "root:x:0:\nkim:x:1001:\nextra:x:55:kim\nother:x:66:\n"


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a container or a process in one ended."""

    code: int
    stdout: str
    stderr: str


@dataclass(slots=True)
class House:
    """The engine, and the containers that were made here."""

    engine: Engine
    made: list[str] = field(default_factory=list)

    def create(self, *command: str, image: str = BOX, **options: Any) -> Container:
        """On no network unless one is named: that is quicker."""
        container = self.engine.containers.create(CreateOptions(image, command, **({"network": "none"} | options)))
        self.made.append(container.id)
        return container

    def start(self, *command: str, **options: Any) -> Container:
        """One that runs; a long sleep unless something else is given."""
        return self.engine.containers.start(self.create(*(command or ("sleep", "1000")), **options))

    def run(self, *command: str, **options: Any) -> Outcome:
        """To its end, and it is removed."""
        container = self.start(*command, **options)
        try:
            return self.outcome(container)
        finally:
            self.engine.containers.remove(container, force=True, volumes=True)

    def shell(self, script: str, **options: Any) -> str:
        """What a script prints, which must succeed."""
        done = self.run("/bin/sh", "-c", script, **options)
        assert done.code == 0, f"{script}: {done}"
        return done.stdout.strip()

    def outcome(self, container: Container) -> Outcome:
        """Once it has ended."""
        code = self.engine.containers.wait(container)
        return Outcome(code, self.told(container, "stdout"), self.told(container, "stderr"))

    def told(self, container: Container, stream: str = "stdout") -> str:
        """What it has written, as far as it is logged."""
        entries = self.engine.containers.logs(container)
        return b"".join(entry.content for entry in entries if entry.stream == stream).decode()

    def execute(self, container: Container, script: str, **options: Any) -> Outcome:
        """A script in one that runs."""
        done = self.engine.containers.execute(container, ExecOptions(("/bin/sh", "-c", script), **options))
        try:
            stdout, stderr = (_read_all(fd) for fd in (done.stdout, done.stderr))
            return Outcome(done.wait(), stdout, stderr)
        finally:
            done.close()

    def status(self, container: Container) -> str:
        """Now."""
        return self.engine.containers.find(container.id).state.status

    def wait_for(self, container: Container, status: str) -> Container:
        """Once it is so."""
        assert eventually(lambda: self.status(container) == status, PATIENCE_S), f"{self.status(container)}: {status}"
        return self.engine.containers.find(container.id)


def _read_all(fd: int) -> str:
    with open(fd, "rb", closefd=False) as file:
        return file.read().decode()


@contextmanager
def engine_house(root: Path) -> Iterator[House]:
    """Its directory is empty of everything of the engine's afterwards, and nothing is mounted in it."""
    require_root()
    with adopted_orphans(), Engine(str(root)) as engine:
        files = (Directory("etc"), File("etc/passwd", _USERS.encode()), File("etc/group", _GROUP.encode()))
        data = (Directory("data", mode=0o750, uid=1000), File("data/seed", b"seed", uid=1000))
        layers = [base_layer(), LayerRecipe((*files, *data), "files")]
        build_image(engine.images, BOX, layers, ImageConfig(env=("FROM_IMAGE=1",), cmd=("/bin/sh",)))
        house = House(engine)
        try:
            yield house
        finally:
            engine.system.reset()
        assert mount_points(str(root)) == ()
        left = [path for path in root.rglob("*") if path.name in house.made]
        assert left == []

"""Where a build keeps what is not an image yet, and how what a killed one has left is found and undone.

    ROOT/build/work/ID/         of one build, which holds a lock on it (flock(2)) as long as it lives
        N/{upper,work,merged}   of one instruction
        runtime/                the OCI runtime's state of what a RUN runs
    ROOT/build/cache/           what instructions have made before (`runtime.build.cache`)
"""

from __future__ import annotations

import fcntl
import hashlib
import os

from runtime.build.mounting import unmount
from runtime.engine.directories import locked
from runtime.unwinding import suppress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Self

GROUPS = "/tare-engine"
_ID_BYTES = 32


class Room:
    """The directories of one instruction, and the id of what it runs."""

    def __init__(self, directory: str, container_id: str = "") -> None:
        self.directory = directory
        self.container_id = container_id
        self.upper = f"{directory}/upper"
        self.work = f"{directory}/work"
        self.merged = f"{directory}/merged"

    def make(self) -> None:
        """All of them, empty."""
        os.mkdir(self.directory, 0o700)
        for path in (self.upper, self.work, self.merged):
            os.mkdir(path, 0o755)

    def close(self) -> None:
        """Unmount and remove. Idempotent."""
        unmount(self.merged)
        _remove(os.path.dirname(self.directory), os.path.basename(self.directory))


class Workspace:
    """One build's directory. A context manager: in the end it is gone, and so is what killed builds have left."""

    def __init__(self, root: str) -> None:
        self._base = f"{root}/build/work"
        self.id = os.urandom(_ID_BYTES).hex()
        self.directory = f"{self._base}/{self.id}"
        self.runtime = f"{self.directory}/runtime"
        self._lock = -1
        self._count = 0

    def __enter__(self) -> Self:
        sweep_base(self._base)
        os.makedirs(self._base, mode=0o700, exist_ok=True)
        with locked(self._base):
            os.mkdir(self.directory, 0o700)
            self._lock = os.open(self.directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            fcntl.flock(self._lock, fcntl.LOCK_EX)
        return self

    def __exit__(self, *_: object) -> None:
        try:
            _undo(self._base, self.id)
        finally:
            os.close(self._lock)

    def room(self) -> Room:
        """Directories for one more instruction."""
        self._count += 1
        return _made(Room(f"{self.directory}/{self._count}", container_id_of(self.id, self._count)))

    def side_room(self) -> Room:
        """Directories for what is mounted beside an instruction's own."""
        return _made(Room(f"{self.directory}/side-{os.urandom(8).hex()}"))

    def scratch(self) -> str:
        """An empty directory that goes with the build."""
        path = f"{self.directory}/scratch-{os.urandom(8).hex()}"
        os.mkdir(path, 0o755)
        return path


def _made(room: Room) -> Room:
    room.make()
    return room


def container_id_of(build_id: str, number: int) -> str:
    """The id of what the instruction of this number runs in that build."""
    return hashlib.sha256(f"{build_id}/{number}".encode()).hexdigest()


def sweep(root: str) -> tuple[str, ...]:
    """Undo what builds that were killed have left below the engine's root directory; their ids. Idempotent."""
    return sweep_base(f"{root}/build/work")


def sweep_base(base: str) -> tuple[str, ...]:
    """The same by the directory of the builds."""
    if not os.path.isdir(base):
        return ()
    swept: list[str] = []
    with locked(base):
        for name in sorted(os.listdir(base)):
            if _is_dead(f"{base}/{name}"):
                _undo(base, name)
                swept.append(name)
    return tuple(swept)


def _is_dead(directory: str) -> bool:
    try:
        fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(fd)
    return True


def _undo(base: str, name: str) -> None:
    """The processes first, then the mounts, then the files."""
    directory = f"{base}/{name}"
    entries = sorted(os.listdir(directory)) if os.path.isdir(directory) else []
    for entry in entries:
        if entry.isdecimal() and os.path.exists(f"{directory}/{entry}/config.json"):
            end_container(f"{directory}/runtime", container_id_of(name, int(entry)))
    for entry in entries:
        unmount(f"{directory}/{entry}/merged")
    _remove(base, name)


def end_container(runtime: str, container_id: str) -> None:
    """End what runs in it and forget it, whatever it had come to. Idempotent."""
    from runtime.cgroups.group import ContainerCgroup
    from runtime.container.delete import delete
    from runtime.container.store import Store

    # Known by its name alone, if whoever was making it died before anything was written down.
    group = ContainerCgroup.resolve(f"{GROUPS}/{container_id}", container_id)
    if any(os.path.isdir(directory) for directory in group.directories):
        group.kill()
    delete(Store(runtime), container_id, force=True)
    group.delete()


def _remove(base: str, name: str) -> None:
    from runtime.image.tree import remove

    with suppress(FileNotFoundError):
        fd = os.open(base, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            remove(fd, os.fsencode(name))
        finally:
            os.close(fd)

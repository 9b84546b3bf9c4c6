"""Where containers are remembered: a directory for each, which only its owner may enter, below the root directory.

    ROOT/ID/state.json   written aside and renamed, so that it is whole at any time
    ROOT/ID/config.json  as it was when the container was created: a later change of the bundle's has no effect
    ROOT/ID/start        a FIFO at which the first process waits; its absence says that it was started
    ROOT/ID/status       a FIFO into which it reports what fails
"""

from __future__ import annotations

import errno
import fcntl
import os

from runtime import jsontext
from runtime.container.errors import ContainerError, NotFound
from runtime.container.state import State, Status
from runtime.linux.processes import start_time_of
from runtime.spec.config import parse_config
from runtime.unwinding import contextmanager, suppress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from runtime.spec.config import Config

_ID_CHARACTERS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_+.-")
_LONGEST_ID = 1024
START, STATUS = "start", "status"


class Container:
    """One container's directory."""

    def __init__(self, directory: str, container_id: str) -> None:
        self.directory = directory
        self.id = container_id
        self._config: Config | None = None

    def path(self, name: str) -> str:
        """Of a file in the directory."""
        return f"{self.directory}/{name}"

    def state(self) -> State:
        """What is remembered; raises `NotFound` for one that is being made or removed."""
        try:
            with open(self.path("state.json"), encoding="utf-8") as file:
                return State.from_json(jsontext.loads(file.read()))
        except FileNotFoundError:
            raise NotFound(self.id) from None
        except (ValueError, KeyError, TypeError) as error:
            raise ContainerError(f"read {self.path('state.json')}: {error}") from error

    def write_state(self, state: State) -> None:
        """Replace what is remembered, at once."""
        self._replace("state.json", jsontext.dumps(state.to_json()))

    def config(self) -> Config:
        """As it was at creation."""
        if self._config is None:
            with open(self.path("config.json"), encoding="utf-8") as file:
                self._config = parse_config(jsontext.loads(file.read()))
        return self._config

    def write_config(self, text: str, config: Config) -> None:
        """Keep it: the text, and what it was found to say."""
        self._replace("config.json", text)
        self._config = config

    def _replace(self, name: str, text: str) -> None:
        temporary = self.path(f".{name}.{os.getpid()}")
        with open(temporary, "w", encoding="utf-8") as file:
            file.write(text)
        os.rename(temporary, self.path(name))

    def status(self, state: State) -> Status:
        """What can be seen, whatever is remembered."""
        if state.pid == 0 or start_time_of(state.pid) != state.start_time:
            return Status.STOPPED
        if os.path.exists(self.path(START)):
            return Status.CREATED
        return Status.PAUSED if state.group.is_frozen() else Status.RUNNING

    @contextmanager
    def locked(self) -> Iterator[None]:
        """One operation that changes it at a time."""
        try:
            fd = os.open(self.directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except FileNotFoundError:
            raise NotFound(self.id) from None
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            yield
        finally:
            os.close(fd)

    def remove(self) -> None:
        """Forget it."""
        for name in os.listdir(self.directory):
            with suppress(FileNotFoundError):
                os.unlink(self.path(name))
        os.rmdir(self.directory)


class Store:
    """All containers below one root directory."""

    def __init__(self, root: str) -> None:
        self.root = root

    def claim(self, container_id: str) -> Container:
        """A directory for a new container; raises `ContainerError` if the id is taken."""
        container = Container(self._directory(container_id), container_id)
        try:
            os.makedirs(self.root, mode=0o711, exist_ok=True)
            os.mkdir(container.directory, 0o700)
        except FileExistsError:
            raise ContainerError(f"create container: id {container_id!r} is already in use") from None
        except OSError as error:
            raise ContainerError(f"create {container.directory}: {os.strerror(error.errno or 0).lower()}") from error
        return container

    def find(self, container_id: str) -> Container:
        """One that is there; raises `NotFound`."""
        container = Container(self._directory(container_id), container_id)
        # A link would have the directory emptied that it leads to.
        if not os.path.isdir(container.directory) or os.path.islink(container.directory):
            raise NotFound(container_id)
        return container

    def all(self) -> tuple[Container, ...]:
        """In the order of their ids."""
        try:
            names = sorted(os.listdir(self.root))
        except OSError as error:
            if error.errno in {errno.ENOENT, errno.ENOTDIR}:
                return ()
            raise ContainerError(f"list {self.root}: {os.strerror(error.errno or 0).lower()}") from error
        return tuple(Container(f"{self.root}/{name}", name) for name in names if _is_id(name))

    def _directory(self, container_id: str) -> str:
        """An id is one name in a directory, and nothing that leads elsewhere."""
        if not _is_id(container_id):
            raise ContainerError(f"container id {container_id[:80]!r}: letters, digits and any of _ + . - make one")
        return f"{self.root}/{container_id}"


def _is_id(name: str) -> bool:
    return 0 < len(name) <= _LONGEST_ID and name not in {".", ".."} and _ID_CHARACTERS.issuperset(name)

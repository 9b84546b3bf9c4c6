"""What is remembered of a supervised container, in a directory of its own, and the root directory of all of them.

ROOT/lock                    held by the supervisor, of which there is one
ROOT/socket                  where it is spoken to
ROOT/supervisor.log          what went wrong with it
ROOT/keeper                  who holds the FIFOs
ROOT/runtime/ID/             the container as the OCI runtime sees it (``tare-runtime --root ROOT/runtime``)
ROOT/containers/ID/          ours:
    record.json              terms and life, whole at any time
    stdin, stdout, stderr    FIFOs, new for each start
    stdout.spool, …          bytes that have left a FIFO and are on their way to the log
    progress                 how far they are logged
    log.json, log.json.7, …  the log: the file that grows, and those that were put aside
"""

from __future__ import annotations

import fcntl
import os
import stat

from runtime import jsontext
from runtime.spec.reader import Reader, SpecError
from runtime.supervision.errors import SupervisionError, Unknown
from runtime.supervision.life import Life
from runtime.supervision.terms import Terms, parse_terms
from runtime.unwinding import contextmanager, suppress
from runtime.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

VERSION = 1
_RECORD = "record.json"


class Record(Value):
    """A container's terms and its life so far."""

    terms: Terms
    life: Life

    def to_json(self) -> dict[str, Any]:
        """For the file and for messages."""
        return {"version": VERSION, "terms": self.terms.to_json(), "life": self.life.to_json()}

    @classmethod
    def from_json(cls, document: Any, where: str) -> Record:
        """What `to_json` has written; raises `SupervisionError`, also for a later version's."""
        try:
            if document["version"] != VERSION:
                raise SupervisionError(f"read {where}: version {document['version']} is not {VERSION}")
            return cls(parse_terms(Reader(document["terms"], "terms")), Life.from_json(document["life"]))
        except (ValueError, KeyError, TypeError) as error:
            reason = str(error) if isinstance(error, SpecError) else repr(error)
            raise SupervisionError(f"read {where}: {reason}") from error


class Place:
    """The directory of one container."""

    def __init__(self, directory: str, container_id: str) -> None:
        self.directory = directory
        self.id = container_id

    def path(self, name: str) -> str:
        """Of a file in it."""
        return f"{self.directory}/{name}"

    def read(self) -> Record:
        """What is remembered; raises `Unknown`, or `SupervisionError` for a file that makes no sense."""
        try:
            with open(self.path(_RECORD), encoding="utf-8") as file:
                return Record.from_json(jsontext.loads(file.read()), self.path(_RECORD))
        except (FileNotFoundError, NotADirectoryError):
            raise Unknown(self.id) from None
        except ValueError as error:
            raise SupervisionError(f"read {self.path(_RECORD)}: {error}") from error

    def write(self, record: Record, *, durable: bool = False) -> None:
        """Replace what is remembered, at once; ``durable`` if it has to outlive the host's crash, too."""
        temporary = self.path(f".{_RECORD}")
        with open(temporary, "w", encoding="utf-8") as file:
            file.write(jsontext.dumps(record.to_json()))
            if durable:
                file.flush()
                os.fsync(file.fileno())
        os.rename(temporary, self.path(_RECORD))
        if durable:
            self._sync()

    def _sync(self) -> None:
        """A rename is in no file's data (fsync(2), notes)."""
        fd = os.open(self.directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)

    def lock(self) -> int | None:
        """A descriptor that holds the directory until the last copy of it is closed; None if somebody else does."""
        fd = os.open(self.directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(fd)
            return None
        return fd

    def remove(self) -> None:
        """Forget it, the record first. Idempotent."""
        with suppress(FileNotFoundError):
            os.unlink(self.path(_RECORD))
        with suppress(FileNotFoundError):
            for name in os.listdir(self.directory):
                os.unlink(self.path(name))
            os.rmdir(self.directory)


class Root:
    """The directory of one supervisor and all its containers, which nobody else may enter."""

    def __init__(self, path: str) -> None:
        self.path = os.path.abspath(path)
        self.runtime = f"{self.path}/runtime"
        self._containers = f"{self.path}/containers"

    def prepare(self) -> None:
        """Make it, or see that it is ours alone; raises `SupervisionError`."""
        try:
            # Its parents are as they may be; makedirs gives the mode to the last one only.
            os.makedirs(self.path, mode=0o700, exist_ok=True)
            os.makedirs(self._containers, mode=0o700, exist_ok=True)
            found = os.stat(self.path)
        except OSError as error:
            raise SupervisionError(f"make {self.path}: {os.strerror(error.errno or 0).lower()}") from error
        if found.st_uid != os.geteuid():
            raise SupervisionError(f"supervise below {self.path}: it belongs to user {found.st_uid}")
        if stat.S_IMODE(found.st_mode) & 0o022:
            raise SupervisionError(f"supervise below {self.path}: others may write to it")

    @contextmanager
    def address(self) -> Iterator[str]:
        """Of the socket, short whatever the path is: an address has room for 107 bytes (unix(7))."""
        try:
            fd = os.open(self.path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise SupervisionError(f"open {self.path}: {os.strerror(error.errno or 0).lower()}") from error
        try:
            yield f"/proc/self/fd/{fd}/socket"
        finally:
            os.close(fd)

    def place(self, container_id: str) -> Place:
        """Of a container, which need not be there."""
        return Place(f"{self._containers}/{container_id}", container_id)

    def claim(self, container_id: str) -> Place:
        """A directory for a new container; raises `SupervisionError` if the id is taken."""
        place = self.place(container_id)
        try:
            os.mkdir(place.directory, 0o700)
        except FileExistsError:
            raise SupervisionError(f"create container: id {container_id!r} is already in use") from None
        return place

    def places(self) -> tuple[Place, ...]:
        """Of all containers, in the order of their ids."""
        try:
            names = sorted(os.listdir(self._containers))
        except FileNotFoundError:
            return ()
        return tuple(self.place(name) for name in names)

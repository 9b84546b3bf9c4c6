"""Events: what happened to containers, images, networks and volumes, one line each, in the order in which it did.

    events/events.jsonl          the file that grows, appended to under flock(2)
    events/events.jsonl.1 …      those that were put aside, the latest first

A line is written whole or not at all as far as others see it: whoever finds half of one, of a killed writer, ends it.
"""

from __future__ import annotations

import fcntl
import os
import time

from runtime import jsontext
from runtime.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    from runtime.engine.engine import Engine
    from runtime.engine.filters import Filters

_NAME = "events.jsonl"
_MOST_BYTES = 1 << 20
_MOST_FILES = 4
_LOOK_S = 0.05
_ACTORS = ("container", "image", "network", "volume", "plugin", "daemon")
_FILTERS = (*_ACTORS, "type", "event", "label", "scope")


class Event(Value):
    """``kind`` is container, image, network or volume; ``actor_id`` an id, or a name where there is none."""

    kind: str
    action: str
    actor_id: str
    attributes: tuple[tuple[str, str], ...]
    time_ns: int

    def document(self) -> dict[str, Any]:
        """As `docker events --format json` has it."""
        document: dict[str, Any] = {"Type": self.kind, "Action": self.action}
        if self.kind in {"container", "image"}:
            attributes = dict(self.attributes)
            source = attributes.get("image") if self.kind == "container" else attributes.get("name")
            document |= {"status": self.action, "id": self.actor_id} | ({"from": source} if source else {})
        return document | {
            "Actor": {"ID": self.actor_id, "Attributes": dict(self.attributes)},
            "scope": "local",
            "time": self.time_ns // 1_000_000_000,
            "timeNano": self.time_ns,
        }


class Events:
    """The events of one root."""

    def __init__(self, engine: Engine) -> None:
        self._home = engine.home
        self._path = f"{engine.home.events}/{_NAME}"

    def tell(self, kind: str, action: str, actor_id: str, attributes: Mapping[str, str] | None = None) -> Event:
        """Write down that it has happened now."""
        self._home.make(self._home.events)
        fd = self._locked()
        try:
            event = Event(kind, action, actor_id, tuple(sorted((attributes or {}).items())), time.time_ns())
            _append(fd, _encode(event))
        finally:
            os.close(fd)
        return event

    def read(
        self, since_ns: int | None = None, until_ns: int | None = None, *, follow: bool = False,
        filters: Filters | None = None,
    ) -> Iterator[Event]:
        """What happened from ``since_ns`` to ``until_ns``; with ``follow`` what happens, too, until that moment.

        Raises `BadOption` for a filter that there is not, at once.
        """
        from runtime.engine.filters import refuse_unknown

        refuse_unknown(filters or {}, _FILTERS)
        return self._read(since_ns or 0, until_ns, follow=follow, filters=filters or {})

    def recent(self, since_ns: int | None, until_ns: int | None, filters: Filters | None = None) -> Iterator[Event]:
        """As `docker events` does: what is past only when asked for, and on from now unless the end has passed."""
        now_ns = time.time_ns()
        follow = until_ns is None or until_ns > now_ns
        return self.read(now_ns if since_ns is None else since_ns, until_ns, follow=follow, filters=filters)

    def _read(self, since_ns: int, until_ns: int | None, *, follow: bool, filters: Filters) -> Iterator[Event]:
        for event in self._events(until_ns, follow=follow):
            if until_ns is not None and event.time_ns > until_ns:
                return
            if event.time_ns >= since_ns and _matches(event, filters):
                yield event

    def _events(self, until_ns: int | None, *, follow: bool) -> Iterator[Event]:
        """Of all files, the oldest first, and on from the one that grows to the one that takes its place."""
        readers: list[_Reader] = []
        try:
            while True:
                is_last = not follow or (until_ns is not None and time.time_ns() > until_ns)
                # Looked for first: a file that was put aside before it is read does not grow any more.
                readers += self._newer(readers[-1] if readers else None)
                while readers:
                    yield from readers[0].events()
                    if len(readers) == 1:
                        break
                    readers.pop(0).close()
                if is_last:
                    return
                time.sleep(_LOOK_S)
        finally:
            for reader in readers:
                reader.close()

    def _newer(self, than: _Reader | None) -> list[_Reader]:
        """The files that came after that one, the oldest first; each is held open, whatever it is called later."""
        found: list[_Reader] = []
        for number in range(_MOST_FILES):
            reader = _Reader.of(f"{self._path}.{number}" if number else self._path)
            if reader is None:
                continue
            if found and reader.is_same(found[-1]):  # which has just been put aside
                reader.close()
                continue
            if than is not None and reader.is_same(than):
                reader.close()
                break
            found.append(reader)
        return found[::-1]

    def _is_current(self, fd: int) -> bool:
        try:
            return os.path.samestat(os.fstat(fd), os.stat(self._path))
        except FileNotFoundError:
            return False

    def _locked(self) -> int:
        """The file that grows, held alone; a new one if it has grown enough."""
        while True:
            fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX)
                if self._is_current(fd) and os.fstat(fd).st_size < _MOST_BYTES:
                    return fd
                if self._is_current(fd):
                    self._put_aside()
            except BaseException:
                os.close(fd)
                raise
            os.close(fd)

    def _put_aside(self) -> None:
        for number in range(_MOST_FILES - 1, 0, -1):
            source = f"{self._path}.{number - 1}" if number > 1 else self._path
            if os.path.exists(source):
                os.rename(source, f"{self._path}.{number}")


class _Reader:
    """The whole lines of a file, from where it was left."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._offset = 0

    @classmethod
    def of(cls, path: str) -> _Reader | None:
        """None if there is no such file."""
        try:
            return cls(os.open(path, os.O_RDONLY | os.O_CLOEXEC))
        except FileNotFoundError:
            return None

    def close(self) -> None:
        """Once."""
        os.close(self._fd)

    def is_same(self, other: _Reader) -> bool:
        """Whether it is the same file, whatever that is called."""
        return os.path.sameopenfile(self._fd, other._fd)

    def events(self) -> Iterator[Event]:
        """Those that have come since."""
        rest = b""
        while chunk := os.pread(self._fd, 1 << 16, self._offset + len(rest)):
            lines = (rest + chunk).split(b"\n")
            rest = lines.pop()
            for line in lines:
                self._offset += len(line) + 1
                event = _decode(line)
                if event is not None:
                    yield event


def _append(fd: int, line: bytes) -> None:
    size = os.fstat(fd).st_size
    if size and os.pread(fd, 1, size - 1) != b"\n":
        line = b"\n" + line
    while line:
        line = line[os.write(fd, line) :]


def _encode(event: Event) -> bytes:
    fields = [event.time_ns, event.kind, event.action, event.actor_id, dict(event.attributes)]
    return jsontext.dumps(fields).encode() + b"\n"


def _decode(line: bytes) -> Event | None:
    try:
        time_ns, kind, action, actor_id, attributes = jsontext.loads(line.decode())
        return Event(kind, action, actor_id, tuple(sorted(attributes.items())), int(time_ns))
    except (ValueError, TypeError, AttributeError):
        return None  # half of a line


def _matches(event: Event, filters: Filters) -> bool:
    """Of one name any of the values, of several names all; labels all (moby, daemon/events/filter.go)."""
    from runtime.engine.filters import matches_labels

    attributes = dict(event.attributes)
    for name, values in filters.items():
        if name == "label":
            fits = matches_labels(attributes, values)
        elif name == "event":
            fits = any(event.action == one or event.action.startswith(f"{one}:") for one in values)
        elif name in _ACTORS:
            fits = any(_is_actor(event, name, attributes, one) for one in values)
        else:
            fits = (event.kind if name == "type" else "local") in values
        if not fits:
            return False
    return True


def _is_actor(event: Event, kind: str, attributes: Mapping[str, str], wanted: str) -> bool:
    """By id, the beginning of one, or name; an image's own events and those of its containers."""
    if kind == "image" and event.kind in {"image", "container"}:
        names = (event.actor_id, attributes.get("name", "")) if event.kind == "image" else (attributes.get("image"),)
        return any(name and (name == wanted or name.partition(":")[0] == wanted) for name in names)
    named = attributes.get("name") == wanted or event.actor_id == wanted
    return event.kind == kind and (named or (len(wanted) >= 2 and event.actor_id.startswith(wanted)))

"""Volumes: directories that outlive the containers that use them.

    volumes/NAME/volume.json     what it is; written last, so a directory without it is none
    volumes/NAME/_data/          its content
    volumes/NAME/users/ID        a container that has it, which need not run
    volumes/NAME/mounted/ID      a container that runs with it, where the content has to be mounted (`type=`)
    volumes/NAME/filling         a copy from an image has begun, and has not ended

Changes hold the lock of the directory of all volumes, so that a volume does not go while somebody takes it.
"""

from __future__ import annotations

import os
import time

from runtime import jsontext
from runtime.engine import mounting
from runtime.engine.directories import entries, locked, remove_tree, write_whole
from runtime.engine.errors import BadOption, InUse, NoSuchVolume
from runtime.unwinding import suppress
from runtime.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    from runtime.engine.engine import Engine

ANONYMOUS = "com.docker.volume.anonymous"
_RECORD = "volume.json"
_FIRST = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")
_LETTERS = _FIRST | frozenset("_.-")
_LONGEST = 255
_OPTIONS = frozenset({"type", "device", "o"})


class Volume(Value):
    """A volume; ``mountpoint`` is its content on the host, ``options`` those of Docker's local driver."""

    name: str
    mountpoint: str
    created_ns: int
    labels: tuple[tuple[str, str], ...] = ()
    options: tuple[tuple[str, str], ...] = ()

    @property
    def is_anonymous(self) -> bool:
        """Whether it was made for a container that named none."""
        return any(name == ANONYMOUS for name, _ in self.labels)

    def document(self) -> dict[str, Any]:
        """As `docker volume inspect` has it."""
        from runtime.supervision.times import format_ns

        return {
            "CreatedAt": f"{format_ns(self.created_ns)[:19]}Z",
            "Driver": "local",
            "Labels": dict(self.labels) or None,
            "Mountpoint": self.mountpoint,
            "Name": self.name,
            "Options": dict(self.options) or None,
            "Scope": "local",
        }


class Volumes:
    """The volumes below one root."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._home = engine.home

    def create(
        self,
        name: str | None = None,
        labels: Mapping[str, str] | None = None,
        options: Mapping[str, str] | None = None,
    ) -> Volume:
        """The volume of this name, made unless it is there; without a name one of its own. Raises `BadOption`."""
        if name is None:
            name, labels = os.urandom(32).hex(), {ANONYMOUS: "", **(labels or {})}
        _check_name(name)
        _check_options(options or {})
        with locked(self._home.make(self._home.volumes)):
            return self._ensure(name, labels or {}, options or {})

    def use(self, name: str | None, container_id: str, labels: Mapping[str, str] | None = None) -> Volume:
        """The volume of this name, made unless it is there, with the container among its users.

        A user counts as long as the container has a directory, which has to be there before.
        """
        if name is None:
            name, labels = os.urandom(32).hex(), {ANONYMOUS: "", **(labels or {})}
        _check_name(name)
        with locked(self._home.make(self._home.volumes)):
            volume = self._ensure(name, labels or {}, {})
            _mark(f"{self._home.volume(name)}/users", container_id)
        return volume

    def leave(self, container_id: str, names: Iterable[str] | None = None, *, anonymous: bool = False) -> None:
        """The container uses these no more, or none; with ``anonymous`` those go that only it used and nobody named.

        Idempotent.
        """
        for name in entries(self._home.volumes) if names is None else tuple(names):
            if not _unmark(f"{self._home.volume(name)}/users", container_id):
                continue
            with suppress(InUse, NoSuchVolume):
                if anonymous and self.find(name).is_anonymous:
                    self.remove(name)

    def find(self, name: str) -> Volume:
        """The volume of this name; raises `NoSuchVolume`."""
        found = self._read(name) if _is_name(name) else None
        if found is None:
            raise NoSuchVolume(name)
        return found

    def list(self) -> tuple[Volume, ...]:
        """All, by name."""
        return tuple(volume for name in entries(self._home.volumes) if (volume := self._read(name)) is not None)

    def users(self, name: str) -> tuple[str, ...]:
        """The ids of the containers that have it."""
        ids = entries(f"{self._home.volume(name)}/users")
        return tuple(one for one in ids if os.path.isdir(self._home.container(one)))

    def remove(self, name: str, *, force: bool = False) -> None:
        """Remove it with its content; raises `InUse`, and `NoSuchVolume` unless ``force``."""
        with locked(self._home.make(self._home.volumes)):
            try:
                self.find(name)
            except NoSuchVolume:
                if force:
                    return
                raise
            users = self.users(name)
            if users:
                raise InUse(f"remove {name}: volume is in use - [{', '.join(users)}]")
            self._erase(name)

    def prune(self, *, everything: bool = False, labels: Iterable[str] = ()) -> tuple[tuple[str, ...], int]:
        """Remove anonymous volumes that nobody uses, with ``everything`` named ones too; names and bytes freed.

        ``labels`` are ``NAME``, ``NAME=VALUE``, or either after a ``!`` for what must not be there.
        """
        from runtime.engine.filters import matches_labels
        from runtime.engine.sizes import tree_bytes

        wanted, names, freed = tuple(labels), [], 0
        for volume in self.list():
            eligible = everything or volume.is_anonymous
            if not eligible or not matches_labels(dict(volume.labels), wanted) or self.users(volume.name):
                continue
            size = 0 if volume.options else tree_bytes(volume.mountpoint)
            with suppress(InUse, NoSuchVolume):  # somebody took or removed it meanwhile
                self.remove(volume.name)
                names.append(volume.name)
                freed += size
        return tuple(names), freed

    def mount(self, volume: Volume, container_id: str, attributes: Mapping[str, str] | None = None) -> None:
        """Have the content where it belongs while the container runs; raises `BadOption`. Idempotent."""
        _mark(f"{self._home.volume(volume.name)}/mounted", container_id)
        if volume.options:
            with locked(self._home.volumes):
                mounting.mount(volume)
        self._tell("mount", volume.name, {"container": container_id, **(attributes or {})})

    def unmount(self, container_id: str, names: Iterable[str] | None = None) -> None:
        """The container has ended: of these, or of all, what no other one needs mounted is unmounted. Idempotent."""
        for name in entries(self._home.volumes) if names is None else tuple(names):
            directory = f"{self._home.volume(name)}/mounted"
            if not _unmark(directory, container_id):
                continue
            volume = self._read(name)
            if volume is not None and volume.options:
                with locked(self._home.volumes):
                    if not entries(directory):
                        mounting.unmount(volume)
            self._tell("unmount", name, {"container": container_id})

    def _ensure(self, name: str, labels: Mapping[str, str], options: Mapping[str, str]) -> Volume:
        found = self._read(name)
        if found is not None:
            if options and dict(found.options) != dict(options):
                raise BadOption(f"create {name}: conflict: volume already exists with different options")
            return found
        directory = self._home.volume(name)
        remove_tree(self._home.volumes, name)  # what a killed creation left
        os.makedirs(f"{directory}/_data", mode=0o700)
        os.chmod(f"{directory}/_data", 0o755)  # noqa: S103 - as Docker has it; nobody gets to it but through a mount
        record = {"created": time.time_ns(), "labels": dict(labels), "options": dict(options)}
        write_whole(f"{directory}/{_RECORD}", jsontext.dumps(record))
        self._tell("create", name, {})
        return self.find(name)

    def _read(self, name: str) -> Volume | None:
        directory = self._home.volume(name)
        try:
            with open(f"{directory}/{_RECORD}", encoding="utf-8") as file:
                record = jsontext.loads(file.read())
            labels, options = (tuple(sorted(record[part].items())) for part in ("labels", "options"))
            return Volume(name, f"{directory}/_data", int(record["created"]), labels, options)
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None

    def _erase(self, name: str) -> None:
        """The record first: half a volume is none."""
        mounting.unmount(self.find(name))
        os.unlink(f"{self._home.volume(name)}/{_RECORD}")
        remove_tree(self._home.volumes, name)
        self._tell("destroy", name, {})

    def _tell(self, action: str, name: str, attributes: Mapping[str, str]) -> None:
        self._engine.events.tell("volume", action, name, {"driver": "local", **attributes})


def _is_name(name: str) -> bool:
    return 1 < len(name) <= _LONGEST and name[0] in _FIRST and _LETTERS.issuperset(name)


def _check_name(name: str) -> None:
    if not _is_name(name):
        raise BadOption(
            f'create {name}: "{name}" includes invalid characters for a local volume name, only '
            '"[a-zA-Z0-9][a-zA-Z0-9_.-]" are allowed. If you intended to pass a host directory, use absolute path'
        )


def _check_options(options: Mapping[str, str]) -> None:
    for name in options:
        if name not in _OPTIONS:
            raise BadOption(f'invalid option: "{name}"')
    if options and not options.get("type"):
        raise BadOption('missing required option: "type"')
    mounting.check(options)


def _mark(directory: str, container_id: str) -> None:
    os.makedirs(directory, mode=0o700, exist_ok=True)
    os.close(os.open(f"{directory}/{container_id}", os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))


def _unmark(directory: str, container_id: str) -> bool:
    try:
        os.unlink(f"{directory}/{container_id}")
    except FileNotFoundError:
        return False
    return True

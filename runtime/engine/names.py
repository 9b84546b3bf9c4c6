"""Names of containers: links to ids, of which each can be made by one only.

A name is its container's if that container's record says so, or if the container is being made or named at the moment,
which a lock on its directory shows. Any other link was left by somebody who was killed, and is taken over.
"""

from __future__ import annotations

import os

from runtime.engine.directories import is_locked, locked
from runtime.engine.errors import BadOption, NameInUse
from runtime.engine.madeup import made_up_name
from runtime.engine.records import read_record, remove_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runtime.engine.home import Home

_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")
_OTHERS = frozenset("_.-")
_LONGEST = 255
_ATTEMPTS = 64


def check_name(name: str) -> str:
    """The name without a slash before it; raises `BadOption` for one that a container cannot have."""
    bare = name.removeprefix("/")
    if len(bare) > 1 and len(bare) <= _LONGEST and bare[0] in _LETTERS and (_LETTERS | _OTHERS).issuperset(bare):
        return bare
    raise BadOption(
        f"Invalid container name ({name[:300]}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed"
    )


class Names:
    """Of all containers of a root."""

    def __init__(self, home: Home) -> None:
        self._home = home

    def take(self, name: str, container_id: str) -> str:
        """The name, which is this container's now; an empty one is made up. Raises `NameInUse` or `BadOption`.

        Whoever takes a name holds the lock on the container's directory until its record says so.
        """
        self._home.make(self._home.names)
        if name:
            return self._take(check_name(name), container_id)
        for attempt in range(_ATTEMPTS):
            made_up = made_up_name() + (str(attempt) if attempt > 2 else "")
            try:
                return self._take(made_up, container_id)
            except NameInUse:
                continue
        return self._take(container_id[:12], container_id)

    def _take(self, name: str, container_id: str) -> str:
        path = f"{self._home.names}/{name}"
        while True:
            try:
                os.symlink(container_id, path)
            except FileExistsError:
                self._take_away(name, container_id)
            else:
                return name

    def _take_away(self, name: str, container_id: str) -> None:
        """From nobody; raises `NameInUse` if there is somebody."""
        with locked(self._home.names):
            holder = self._target(name)
            if holder is None:
                return
            if holder == container_id or self._is_held(name, holder):
                raise NameInUse(name, holder)
            remove_file(f"{self._home.names}/{name}")

    def _is_held(self, name: str, holder: str) -> bool:
        record = read_record(self._home, holder)
        if record is not None and record["name"] == name:
            return True
        return is_locked(self._home.container(holder))

    def _target(self, name: str) -> str | None:
        try:
            return os.readlink(f"{self._home.names}/{name}")
        except OSError:
            return None

    def holder(self, name: str) -> str | None:
        """The id of the container that has the name; None if there is none."""
        bare = name.removeprefix("/")
        if not bare or "/" in bare or bare.startswith("."):
            return None
        return self._target(bare)

    def give_back(self, name: str, container_id: str) -> None:
        """Nobody has it any more, if this container had. Idempotent."""
        if not os.path.isdir(self._home.names):
            return
        with locked(self._home.names):
            if self._target(name) == container_id:
                remove_file(f"{self._home.names}/{name}")

"""Whom a container's process runs as: looked up in its own root, which is hostile, at each start."""

from __future__ import annotations

from runtime.engine.errors import StartFailed
from runtime.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_PASSWD_BYTES = 1 << 20
_HOME_FIELD = 5


class Identity(Value):
    """Ids in the container, and the home directory that its /etc/passwd names."""

    uid: int = 0
    gid: int = 0
    groups: tuple[int, ...] = ()
    home: str = "/"


def identify(root: str, user: str, groups: Sequence[str] = ()) -> Identity:
    """``USER[:GROUP]``, and further groups, in the root at a path of the host; raises `StartFailed`."""
    from pathlib import Path

    from runtime.image.errors import ImageError
    from runtime.image.user import resolve_user

    layers = (Path(root),)
    try:
        found = resolve_user(user, layers)
        more = tuple(resolve_user(f"0:{group}", layers).gid for group in groups)
    except ImageError as error:
        raise StartFailed(_in_dockers_words(user, str(error))) from error
    # The first group is a further one as well, or giving it up would take its denials away (CVE-2023-25173).
    every = dict.fromkeys((found.gid, *found.groups, *more))
    return Identity(found.uid, found.gid, tuple(every), _home(layers, found.uid))


def _home(layers: Sequence[Path], uid: int) -> str:
    """Of the first entry of this id; the root directory where there is none, as runc has it."""
    from runtime.image.union import read_file

    content = read_file(layers, "/etc/passwd", _PASSWD_BYTES) or b""
    for line in content.decode(errors="replace").splitlines():
        fields = line.split(":")
        if len(fields) > _HOME_FIELD and fields[2] == str(uid):
            return fields[_HOME_FIELD] or "/"
    return "/"


def _in_dockers_words(user: str, message: str) -> str:
    if "/etc/passwd" in message:
        return f"unable to find user {user.partition(':')[0]}: no matching entries in passwd file"
    if "/etc/group" in message:
        return f"unable to find group {user.partition(':')[2]}: no matching entries in group file"
    return message

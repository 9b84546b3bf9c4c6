"""Whom an image's process runs as: ``USER[:GROUP]`` of its configuration, by number or by the image's own files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from runtime.image.errors import ImageError
from runtime.image.union import read_file

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

# The kernel's ids have 32 bits, and all ones means *leave it as it is* to setresuid(2): who gets that stays root.
# Half the range, as other runtimes take, leaves no doubt about signs either.
_HIGHEST_ID = (1 << 31) - 1
_LIMIT_BYTES = 1 << 20
_PASSWD_FIELDS, _GROUP_FIELDS = 7, 4


class UserError(ImageError):
    """The image names a user or group that it does not have, or that cannot be."""


@dataclass(frozen=True, slots=True)
class User:
    """Numeric ids, as the kernel takes them."""

    uid: int
    gid: int
    groups: tuple[int, ...] = ()


def resolve_user(user: str, layers: Sequence[Path]) -> User:
    """The ids of ``user`` in an image whose layers, bottom first, are unpacked at ``layers``; empty is root.

    A user without a group has the one that /etc/passwd says, and those of which /etc/group says that it is a member.
    """
    name, _, group = user.partition(":")
    name = name or "0"
    passwd = [row for row in _rows(layers, "/etc/passwd", _PASSWD_FIELDS) if _is_number(row[3])]
    entry = next((row for row in passwd if row[0] == name or row[2] == name), None)
    if entry is None and not _is_number(name):
        raise UserError(f"find user {name!r}: not in the image's /etc/passwd")
    uid = _id(entry[2] if entry else name, "user")
    if group:
        return User(uid, _group(group, layers))
    if entry is None:
        return User(uid, 0)
    return User(uid, _id(entry[3], "group"), _memberships(entry[0], layers))


def _group(group: str, layers: Sequence[Path]) -> int:
    for row in _rows(layers, "/etc/group", _GROUP_FIELDS):
        if row[0] == group:
            return _id(row[2], "group")
    if not _is_number(group):
        raise UserError(f"find group {group!r}: not in the image's /etc/group")
    return _id(group, "group")


def _memberships(name: str, layers: Sequence[Path]) -> tuple[int, ...]:
    rows = _rows(layers, "/etc/group", _GROUP_FIELDS)
    return tuple(_id(row[2], "group") for row in rows if name in row[3].split(","))


def _id(text: str, kind: str) -> int:
    number = int(text)
    if number > _HIGHEST_ID:
        raise UserError(f"find {kind} {text}: ids end at {_HIGHEST_ID}")
    return number


def _rows(layers: Sequence[Path], path: str, width: int) -> list[list[str]]:
    """The rows of passwd(5) or group(5) that are well formed; none if the image has no such file."""
    content = read_file(layers, path, _LIMIT_BYTES) or b""
    rows = (line.split(":") for line in content.decode(errors="replace").splitlines())
    return [row for row in rows if len(row) == width and _is_number(row[2])]


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal()

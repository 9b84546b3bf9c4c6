"""Who an image's process runs as: ``user[:group]``, by number or by the image's own passwd and group files."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class UserError(Exception):
    """The image names a user or group that it does not have."""


@dataclass(frozen=True, slots=True)
class User:
    """Numeric ids, as the kernel takes them."""

    uid: int
    gid: int
    groups: tuple[int, ...] = ()


def resolve_user(user: str, layers: tuple[Path, ...]) -> User:
    """The ids of ``user`` in an image whose layers, bottom first, are unpacked at ``layers``; empty is root."""
    name, _, group = user.partition(":")
    passwd = list(_records(layers, "etc/passwd", 7))
    entry = next((row for row in passwd if row[0] == name or (name.isdigit() and row[2] == name)), None)
    if name and entry is None and not name.isdigit():
        raise UserError(f"find user {name!r}: not in the image's /etc/passwd")
    uid = int(entry[2]) if entry else int(name or 0)
    gid = _resolve_group(group, layers) if group else int(entry[3]) if entry else 0
    return User(uid, gid, _supplementary(entry[0], layers) if entry and not group else ())


def _resolve_group(group: str, layers: tuple[Path, ...]) -> int:
    if group.isdigit():
        return int(group)
    for row in _records(layers, "etc/group", 4):
        if row[0] == group:
            return int(row[2])
    raise UserError(f"find group {group!r}: not in the image's /etc/group")


def _supplementary(name: str, layers: tuple[Path, ...]) -> tuple[int, ...]:
    return tuple(int(row[2]) for row in _records(layers, "etc/group", 4) if name in row[3].split(","))


def _records(layers: tuple[Path, ...], file: str, width: int) -> Iterator[list[str]]:
    """The rows of the topmost layer's copy; the file is the image's, so it is never followed through a symlink."""
    for layer in reversed(layers):
        try:
            descriptor = os.open(layer / file, os.O_RDONLY | os.O_NOFOLLOW)
        except OSError:
            continue
        with open(descriptor, encoding="utf-8", errors="replace") as lines:  # noqa: PTH123 - a descriptor, not a path
            for line in lines:
                row = line.rstrip("\n").split(":")
                if len(row) >= width and row[2].isdigit():
                    yield row
        return

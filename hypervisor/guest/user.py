"""Whom an image's process runs as: ``USER[:GROUP]`` of its config, made into numbers with the image's own files."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

from hypervisor.errors import GuestError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_NAME, _ID, _GID = 0, 2, 3


def resolve_user(user: str, layers: Sequence[Path]) -> tuple[int, int]:
    """(uid, gid) for an image-spec ``User``: empty is root; names are looked up in /etc/passwd and /etc/group."""
    name, _, group = user.partition(":")
    passwd = _rows(layers, "etc/passwd")
    uid = _number(name or "0", passwd, f"user {name}")
    if group:
        return uid, _number(group, _rows(layers, "etc/group"), f"group {group}")
    primary = next((row[_GID] for row in passwd if row[_ID] == str(uid)), "0")
    return uid, _number(primary, (), f"group {primary}")


def _number(name: str, rows: Sequence[Sequence[str]], what: str) -> int:
    if name.isdecimal():
        return int(name)
    for row in rows:
        if row[_NAME] == name:
            return int(row[_ID])
    raise GuestError(f"the image's {what} is not in the image")


def _rows(layers: Sequence[Path], name: str) -> list[list[str]]:
    rows = (line.split(":") for line in _topmost(layers, name).splitlines())
    return [row for row in rows if len(row) > _GID and row[_ID].isdecimal()]


def _topmost(layers: Sequence[Path], name: str) -> str:
    """The file as the union of the layers shows it; empty if there is none, or one that leads out of its layer."""
    for layer in reversed(layers):
        path = layer / name
        try:
            kind = path.lstat().st_mode
        except OSError:
            continue
        inside = path.resolve().is_relative_to(layer.resolve())
        return path.read_text(errors="replace") if stat.S_ISREG(kind) and inside else ""
    return ""

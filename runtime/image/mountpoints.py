"""What a container's root has to have so that something can be mounted there: a layer between image and container.

An image need not have an ``/etc/hosts``. If the runtime made it in the container's upper directory, ``diff`` would name
it and ``commit`` would take it along; Docker has a layer for that, too (moby, daemon/initlayer/setup_unix.go). It
depends on the image alone, and so is made once, beside the image's top layer.
"""

from __future__ import annotations

import os
import secrets
import shutil
import stat
from typing import TYPE_CHECKING

from runtime.image.view import View

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from runtime.image.tree import TreePath
    from runtime.image.view import Node

NAME = "mountpoints"
_DIRECTORIES: tuple[TreePath, ...] = ((b"dev",), (b"etc",), (b"proc",), (b"sys",))
_FILES: tuple[TreePath, ...] = ((b"etc", b"hostname"), (b"etc", b"hosts"), (b"etc", b"resolv.conf"))


def make_mountpoints(layers: Sequence[Path]) -> Path:
    """The directory with what the union of ``layers``, bottom first, lacks; made unless it is there."""
    place = layers[-1].with_name(NAME)
    if place.is_dir():
        return place
    partial = place.with_name(f".{NAME}-{secrets.token_hex(4)}")
    partial.mkdir(0o755)
    try:
        with View.of(layers) as view:
            _fill(view, partial)
        partial.rename(place)
    except OSError:
        if not place.is_dir():  # somebody else was faster
            raise
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return place


def _fill(view: View, target: Path) -> None:
    for path in (path for path in _DIRECTORIES if view.node(path) is None):
        _at(target, path).mkdir()
        os.utime(_at(target, path), ns=(0, 0))
    for path in (path for path in _FILES if view.node(path) is None):
        parent = view.node(path[:-1])
        if parent is not None and not parent.is_directory:
            continue  # a link, or what nobody can mount in
        directory = _at(target, path[:-1])
        directory.mkdir(exist_ok=True)
        _at(target, path).touch(0o644)
        os.utime(_at(target, path), ns=(0, 0))
        _adorn(view, directory, parent)
    _adorn(view, target, view.root)


def _at(target: Path, path: TreePath) -> Path:
    return target / os.fsdecode(b"/".join(path))


def _adorn(view: View, directory: Path, node: Node | None) -> None:
    """As it is below: the upper one of two directories says what they are."""
    if node is not None:
        os.chown(directory, node.status.st_uid, node.status.st_gid)
        directory.chmod(stat.S_IMODE(node.status.st_mode))
        for name, value in view.xattrs(node).items():
            os.setxattr(directory, name, value)
    os.utime(directory, ns=(0, node.status.st_mtime_ns if node is not None else 0))

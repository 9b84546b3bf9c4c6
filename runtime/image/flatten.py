"""Unpacked layers merged into one plain directory, as overlayfs would show them."""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_OPAQUE = "trusted.overlay.opaque"


def flatten(layers: tuple[Path, ...], target: Path) -> None:
    """Copy the layers, bottom first, into ``target``, which must not exist: modes, owners, times and links kept.

    Whiteouts (character device 0:0) and opaque directories hide what lies below them
    (Documentation/filesystems/overlayfs.rst). Hard links become files of their own.
    """
    target.mkdir(mode=0o755)
    for layer in layers:
        _merge(layer, target)


def _merge(source: Path, target: Path) -> None:
    if _is_opaque(source):
        shutil.rmtree(target)
        target.mkdir()
    for entry in os.scandir(source):
        destination = target / entry.name
        if entry.is_dir(follow_symlinks=False):
            if not destination.is_dir() or destination.is_symlink():
                _remove(destination)
                destination.mkdir()
            _merge(source / entry.name, destination)
            continue
        _remove(destination)
        if not _is_whiteout(entry):
            _copy(source / entry.name, destination)
    _copy_metadata(source, target)


def _copy(source: Path, destination: Path) -> None:
    status = source.lstat()
    if stat.S_ISREG(status.st_mode) or stat.S_ISLNK(status.st_mode):
        shutil.copy2(source, destination, follow_symlinks=False)
    else:
        os.mknod(destination, status.st_mode, status.st_rdev)
    _copy_metadata(source, destination)


def _copy_metadata(source: Path, destination: Path) -> None:
    status = source.lstat()
    os.chown(destination, status.st_uid, status.st_gid, follow_symlinks=False)
    shutil.copystat(source, destination, follow_symlinks=False)
    with contextlib.suppress(OSError):
        os.removexattr(destination, _OPAQUE, follow_symlinks=False)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _is_whiteout(entry: os.DirEntry[str]) -> bool:
    status = entry.stat(follow_symlinks=False)
    return stat.S_ISCHR(status.st_mode) and status.st_rdev == 0


def _is_opaque(directory: Path) -> bool:
    try:
        return os.getxattr(directory, _OPAQUE, follow_symlinks=False) == b"y"
    except OSError:
        return False

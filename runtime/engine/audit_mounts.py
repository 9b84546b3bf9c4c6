"""Mounts below the root that nobody uses, and directories that others could look into."""

from __future__ import annotations

import os
import stat
from functools import partial

from runtime.engine.findings import Finding
from runtime.engine.home import is_id
from runtime.engine.mountinfo import mount_points, unmount_below
from runtime.engine.states import read_state

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from runtime.engine.engine import Engine
    from runtime.engine.home import Home

_OTHERS = 0o077


def audit(engine: Engine) -> Iterator[Finding]:
    """What is wrong with any of them."""
    home = engine.home
    if os.path.isdir(home.containers):
        for point in mount_points(home.containers):
            container_id = os.path.relpath(point, os.path.realpath(home.containers)).partition("/")[0]
            if is_id(container_id) and not _is_used(home, container_id):
                yield Finding(f"mount {point}: container {container_id[:12]} does not run", partial(_unmount, point))
    for directory in (home.containers, home.volumes, home.layers, home.supervision):
        yield from _mode(directory)


def _is_used(home: Home, container_id: str) -> bool:
    from runtime.engine.directories import is_locked

    return read_state(home, container_id).is_active or is_locked(home.container(container_id))


def _mode(directory: str) -> Iterator[Finding]:
    """Files in there may be setuid, and are the containers' own: nobody but root gets near them."""
    try:
        mode = stat.S_IMODE(os.stat(directory).st_mode)
    except FileNotFoundError:
        return
    if mode & _OTHERS:
        yield Finding(f"{directory}: others may enter it (mode {mode:04o})", partial(os.chmod, directory, 0o700))


def _unmount(point: str) -> None:
    unmount_below(point)

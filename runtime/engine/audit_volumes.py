"""Volumes: their records, their content, and who is said to have them."""

from __future__ import annotations

import os
from functools import partial

from runtime.engine.directories import entries, remove_tree
from runtime.engine.errors import NoSuchVolume
from runtime.engine.findings import Finding, readable
from runtime.engine.states import read_state

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from runtime.engine.engine import Engine


def audit(engine: Engine) -> Iterator[Finding]:
    """What is wrong with any of them."""
    for name in entries(engine.home.volumes):
        yield from _volume(engine, name)
    for container in readable(engine):
        for mount in container.mounts:
            if mount.name and not os.path.isdir(engine.home.volume(mount.name)):
                yield Finding(f"container {container.name}: its volume {mount.name} is missing", None,
                              f"create volume {mount.name}; what it held is lost")  # fmt: skip


def _volume(engine: Engine, name: str) -> Iterator[Finding]:
    directory = engine.home.volume(name)
    if not os.path.isdir(directory):
        yield Finding(f"{directory}: it is nothing of ours", None, "remove it, if it is not needed")
        return
    try:
        volume = engine.volumes.find(name)
    except NoSuchVolume:
        yield _without_record(engine, name)
        return
    if not os.path.isdir(volume.mountpoint):
        yield Finding(f"volume {name}: its content {volume.mountpoint} is missing", lambda: _make(volume.mountpoint))
    if os.path.exists(f"{directory}/filling"):
        yield Finding(f"volume {name}: a copy from an image has not ended", None,
                      "the next start of a container that has it copies again")  # fmt: skip
    yield from _marks(engine, name)


def _without_record(engine: Engine, name: str) -> Finding:
    """One that was half made, or half removed, is empty; nothing else is taken away."""
    message = f"volume {name}: its record cannot be read"
    content = f"{engine.home.volume(name)}/_data"
    if os.path.isdir(content) and os.listdir(content):
        return Finding(message, None, f"copy what is needed from {content}, and remove the directory")
    return Finding(message, lambda: remove_tree(engine.home.volumes, name))


def _marks(engine: Engine, name: str) -> Iterator[Finding]:
    directory = engine.home.volume(name)
    for one in entries(f"{directory}/users"):
        if not os.path.isdir(engine.home.container(one)):
            yield Finding(f"volume {name}: its user, container {one[:12]}, is not there",
                          partial(engine.volumes.leave, one, (name,)))  # fmt: skip
    for one in entries(f"{directory}/mounted"):
        if not read_state(engine.home, one).is_active:
            yield Finding(f"volume {name}: it is mounted for container {one[:12]}, which does not run",
                          partial(engine.volumes.unmount, one, (name,)))  # fmt: skip


def _make(path: str) -> None:
    os.makedirs(path, exist_ok=True)
    os.chmod(path, 0o755)  # noqa: S103 - as a new volume has it

"""What is made on the host for a container that runs, and taken away when it has ended.

Its root is an overlay at ``merged``, its network a namespace that is pinned and attached to networks, and a few files
say what it and its neighbours are called.
"""

from __future__ import annotations

import os

from runtime import jsontext
from runtime.engine.bundle import Ground, make_bundle
from runtime.engine.called import files_of, hostname_of
from runtime.engine.container import ATTACHED, Container
from runtime.engine.errors import EngineError, StartFailed
from runtime.engine.identity import identify
from runtime.engine.modes import joined
from runtime.engine.records import remove_file, write_file
from runtime.engine.states import read_state
from runtime.rootfs.overlay import Overlay, is_mounted, mount_overlay, unmount

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runtime.engine.attachments import Attachments
    from runtime.engine.home import Home
    from runtime.engine.volumes import Volumes

_INITS = ("/usr/bin/docker-init", "/usr/bin/tini-static", "/usr/bin/catatonit", "/usr/bin/tini")
_PLACES = ("upper", "work", "merged")


def set_up(container: Container, attachments: Attachments, volumes: Volumes) -> None:
    """Everything, and its config.json last. Whatever an earlier start has left is taken away first."""
    clear(container.home, container.id)
    config = container.config
    _mount_root(container)
    _mount_volumes(container, volumes)
    shm = _mount_shm(container)
    network = attachments.attach(container)
    ground = Ground(
        identity=identify(container.merged, config.user, config.group_add),
        hostname=hostname_of(container),
        network=network,
        pid=_namespace(container.home, config.pid, "pid"),
        ipc=_namespace(container.home, config.ipc, "ipc"),
        files=files_of(container, attachments.networks),
        shm=shm,
        init=_init() if config.init else "",
    )
    write_file(f"{container.directory}/config.json", jsontext.dumps(make_bundle(container, ground)))


def _mount_root(container: Container) -> None:
    for name in _PLACES:
        directory = f"{container.directory}/{name}"
        if not os.path.isdir(directory):
            os.mkdir(directory, 0o700 if name == "work" else 0o755)
    _make_mountpoints(container)
    config = container.config
    # Who is given rules for devices makes the nodes by itself; what they do not allow the control group denies.
    overlay = Overlay(
        container.lowers, container.upper, f"{container.directory}/work", container.merged,
        devices=config.privileged or bool(config.device_rules),
    )  # fmt: skip
    mount_overlay(overlay)


def _make_mountpoints(container: Container) -> None:
    """Not in the upper directory, which has what the container itself has changed."""
    if container.layers and container.lowers == container.layers:
        from pathlib import Path

        from runtime.image.mountpoints import make_mountpoints

        make_mountpoints(tuple(map(Path, container.layers)))


def _mount_volumes(container: Container, volumes: Volumes) -> None:
    """A volume that is empty begins with what the image has at its place."""
    from runtime.engine.populate import populate

    for point in container.mounts:
        if point.kind != "volume":
            continue
        volume = volumes.find(point.name)
        volumes.mount(volume, container.id)
        if point.copy:
            populate(volume, container.merged, point.target)


def _mount_shm(container: Container) -> str:
    """Shared memory that other containers may join is a mount of the host's; that of others is theirs."""
    config = container.config
    if config.ipc == "host":
        return "/dev/shm"  # noqa: S108 - its name
    target = joined(config.ipc)
    if target is not None:
        return _shared_shm(container.home, target)
    if config.ipc != "shareable":
        return ""
    from runtime.linux import constants as c
    from runtime.linux.interpreter import perform
    from runtime.linux.program import Call

    path = f"{container.directory}/shm"
    os.makedirs(path, exist_ok=True)
    data = f"mode=1777,size={config.shm_size_bytes}".encode()
    flags = c.MS_NOSUID | c.MS_NODEV | c.MS_NOEXEC
    perform((Call(f"mount shm on {path}", "mount", (b"shm", os.fsencode(path), b"tmpfs", flags, data)),))
    return path


def _shared_shm(home: Home, target: str) -> str:
    path = f"{home.container(target)}/shm"
    if not is_mounted(path):
        raise StartFailed(
            f"cannot join IPC of container {target}: non-shareable IPC "
            "(hint: use IpcMode:shareable for the donor container)"
        )
    return path


def _namespace(home: Home, mode: str, kind: str) -> str | None:
    """Empty for one of its own, None for the host's."""
    if mode == "host":
        return None
    target = joined(mode)
    return "" if target is None else namespace_of(home, target, kind)


def namespace_of(home: Home, target: str, kind: str) -> str:
    """The namespace of another container, which has to run; raises `StartFailed`."""
    state = read_state(home, target)
    if not state.is_running:
        raise StartFailed(f"cannot join the {kind} namespace of a non running container: {target}")
    return f"/proc/{state.pid}/ns/{kind}"


def _init() -> str:
    for path in _INITS:
        if os.access(path, os.X_OK):
            return path
    raise EngineError("an init for containers is missing on this host: install tini or docker-init")


def take_down(home: Home, container_id: str, attachments: Attachments, volumes: Volumes) -> None:
    """It has ended. Idempotent."""
    attachments.ended(container_id)
    clear(home, container_id)
    container = Container.read(home, container_id)
    volumes.unmount(container_id, None if container is None else volume_names(container))


def volume_names(container: Container) -> tuple[str, ...]:
    """Of the volumes that it has."""
    return tuple(dict.fromkeys(point.name for point in container.mounts if point.name))


def clear(home: Home, container_id: str) -> None:
    """Unmount what is mounted, and forget what it had. Idempotent."""
    directory = home.container(container_id)
    for name in ("merged", "shm"):
        if is_mounted(f"{directory}/{name}"):
            unmount(f"{directory}/{name}")
    remove_file(f"{directory}/{ATTACHED}")


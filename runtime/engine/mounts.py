"""What is mounted in a container: decided once, when it is made, so that it is the same at each start.

Volumes of other containers come first, then what was asked for, then a volume for each place that the image names; of
two at one place the later kind gives way, except that what was asked for replaces what comes from another container.
"""

from __future__ import annotations

import os

from runtime.engine.container import MountPoint
from runtime.engine.errors import BadOption
from runtime.values import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runtime.engine.engine import Engine
    from runtime.engine.options import CreateOptions, MountOption

_MODES = {"": None, "rw": False, "ro": True, "z": None, "Z": None}
_PROPAGATIONS = frozenset({"", "private", "rprivate", "shared", "rshared", "slave", "rslave"})
_KINDS = frozenset({"bind", "volume", "tmpfs"})


def decide_mounts(engine: Engine, container_id: str, config: CreateOptions) -> tuple[MountPoint, ...]:
    """In the order in which they are mounted: what is nearer to the root first. Raises `BadOption`."""
    points: dict[str, MountPoint] = {}
    for reference in config.volumes_from:
        for point in _of_another(engine, container_id, reference):
            points[point.target] = point
    own: set[str] = set()
    for option in (*config.mounts, *_tmpfs(config)):
        target = _target(option.target)
        if target in own:
            raise BadOption(f"Duplicate mount point: {target}")
        own.add(target)
        points[target] = _decide(engine, container_id, option, target)
    for path in config.volumes:
        target = _target(path)
        if target not in points:
            volume = engine.volumes.use(None, container_id)
            points[target] = MountPoint("volume", volume.mountpoint, target, volume.name, anonymous=True, copy=True)
    return tuple(sorted(points.values(), key=lambda point: point.target.count("/")))


def _target(path: str) -> str:
    if not path.startswith("/"):
        raise BadOption(f"invalid mount path: '{path}' mount path must be absolute")
    target = os.path.normpath(path).replace("//", "/")
    if target == "/":
        raise BadOption("invalid specification: destination can't be '/'")
    return target


def _tmpfs(config: CreateOptions) -> tuple[MountOption, ...]:
    from runtime.engine.options import MountOption

    return tuple(
        MountOption("tmpfs", target, data=tuple(word for word in options.split(",") if word))
        for target, options in config.tmpfs
    )


def _of_another(engine: Engine, container_id: str, reference: str) -> list[MountPoint]:
    """Its volumes and binds; ``REFERENCE:ro`` has them read-only."""
    name, _, mode = reference.partition(":")
    if mode not in _MODES:
        raise BadOption(f"invalid mode: {mode}")
    points = [point for point in engine.containers.find(name).mounts if point.kind != "tmpfs"]
    for point in points:
        if point.name:
            engine.volumes.use(point.name, container_id)
    read_only = _MODES[mode]
    # A volume that belongs to the other goes with that one; what is copied up was copied up for that one.
    changes = {"anonymous": False, "copy": False} | ({} if read_only is None else {"read_only": read_only})
    return [replace(point, **changes) for point in points]


def _decide(engine: Engine, container_id: str, option: MountOption, target: str) -> MountPoint:
    if option.kind not in _KINDS:
        raise BadOption(f'invalid mount config: mount type unknown: "{option.kind}"')
    if option.propagation not in _PROPAGATIONS:
        raise BadOption(f"invalid propagation mode: {option.propagation}")
    if option.kind == "bind":
        return _bind(option, target)
    if option.kind == "tmpfs":
        return MountPoint("tmpfs", "", target, read_only=option.read_only, data=tmpfs_data(option))
    volume = engine.volumes.use(option.source or None, container_id, dict(option.labels))
    return MountPoint(
        "volume", volume.mountpoint, target, volume.name,
        read_only=option.read_only, anonymous=not option.source, copy=option.copy,
    )  # fmt: skip


def _bind(option: MountOption, target: str) -> MountPoint:
    """``-v`` makes what is missing, as Docker has always done; ``--mount`` says so."""
    if not option.source.startswith("/"):
        raise BadOption(f"invalid mount path: '{option.source}' mount path must be absolute")
    source = os.path.normpath(option.source).replace("//", "/")
    if option.make_source and not os.path.exists(source):
        _make_source(source)
    if not os.path.exists(source):
        raise BadOption(f'invalid mount config for type "bind": bind source path does not exist: {source}')
    return MountPoint(
        "bind", source, target, read_only=option.read_only, propagation=option.propagation or "rprivate",
        recursive=option.recursive,
    )  # fmt: skip


def _make_source(source: str) -> None:
    try:
        os.makedirs(source, exist_ok=True)
    except OSError as error:
        reason = os.strerror(error.errno or 0).lower()
        raise BadOption(f"error while creating mount source path '{source}': mkdir {source}: {reason}") from error


def tmpfs_data(option: MountOption) -> tuple[str, ...]:
    """Options of a memory filesystem; Docker's own defaults come first, and what was asked for after them."""
    sizes = (f"size={option.size_bytes}",) if option.size_bytes else ()
    mode = (f"mode={option.mode:o}",) if option.mode else ()
    return ("noexec", "nosuid", "nodev", *option.data, *sizes, *mode)

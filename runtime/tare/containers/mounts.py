"""``--volume`` and ``--mount`` (docker, cli/compose/loader and opts/mount.go)."""

from __future__ import annotations

import os

from runtime.engine.options import MountOption
from runtime.tare.errors import UsageError
from runtime.values import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from runtime.tare.flags import Given

_PROPAGATIONS = frozenset({"private", "rprivate", "shared", "rshared", "slave", "rslave"})
_NAME = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-")
_IGNORED = frozenset({"z", "Z", "cached", "delegated", "consistent", "default", "consistency"})
_YES, _NO = frozenset({"1", "t", "true"}), frozenset({"0", "f", "false"})


def mounts_of(given: Given) -> tuple[MountOption, ...]:
    """All of ``-v`` that is no bare path, and ``--mount``."""
    volumes = [parse_volume(text) for text in given.many("volume")]
    return (*volumes, *map(parse_mount, given.many("mount")))


def parse_volume(text: str) -> MountOption:
    """``[SOURCE:]TARGET[:OPTIONS]``; raises `UsageError`."""
    parts = text.split(":")
    if len(parts) > 3 or not all(parts):
        raise UsageError(f"invalid spec: {text}: {'empty section between colons' if len(parts) <= 3 else 'too many'}")
    if len(parts) == 1:
        return MountOption("volume", _target(text, text))
    source, target = parts[0], _target(parts[1], text)
    mount = _with_source(source, target, text)
    for option in parts[2].split(",") if len(parts) == 3 else ():
        mount = _with_option(mount, option, text)
    return mount


def _target(path: str, text: str) -> str:
    if not path.startswith("/"):
        raise UsageError(f"invalid volume specification: '{text}': mount path must be absolute")
    if os.path.normpath(path) in {"/", "//"}:
        raise UsageError(f"invalid volume specification: '{text}': destination can't be '/'")
    return path


def _with_source(source: str, target: str, text: str) -> MountOption:
    """A path is bound, and made if it is missing; anything else is a volume's name."""
    if source.startswith(("/", ".", "~")) and source != "~":
        return MountOption("bind", target, os.path.abspath(os.path.expanduser(source)), make_source=True)
    if not _NAME.issuperset(source) or source[0] in "_.-" or len(source) < 2:
        raise UsageError(
            f'{text}: "{source}" includes invalid characters for a local volume name, only '
            '"[a-zA-Z0-9][a-zA-Z0-9_.-]" are allowed. If you intended to pass a host directory, use absolute path'
        )
    return MountOption("volume", target, source)


def _with_option(mount: MountOption, option: str, text: str) -> MountOption:
    if option in {"ro", "rw"}:
        return replace(mount, read_only=option == "ro")
    if option == "nocopy" and mount.kind == "volume":
        return replace(mount, copy=False)
    if option in _PROPAGATIONS and mount.kind == "bind":
        return replace(mount, propagation=option)
    if option in _IGNORED:
        return mount
    raise UsageError(f"invalid mode: {option} in {text}")


def parse_mount(text: str) -> MountOption:
    """``type=bind,source=PATH,target=PATH,…``; raises `UsageError`."""
    fields: list[tuple[str, str, bool]] = []
    for part in _csv(text):
        key, equals, content = part.partition("=")
        fields.append((key.strip().lower(), content, bool(equals)))
    kind = next((content for key, content, _ in fields if key == "type"), "volume")
    if kind not in {"bind", "volume", "tmpfs"}:
        raise UsageError(f"mount type {kind!r} is not supported; there are bind, volume and tmpfs")
    mount = MountOption(kind, "")
    for key, content, has_value in fields:
        mount = _with_field(mount, key, content if has_value else None, text)
    return _checked(mount, text)


def _checked(mount: MountOption, text: str) -> MountOption:
    if not mount.target:
        raise UsageError(f'invalid argument "{text}" for "--mount" flag: target is required')
    if mount.kind == "bind":
        if not mount.source:
            raise UsageError(f'invalid argument "{text}" for "--mount" flag: source is required for a bind mount')
        return replace(mount, source=os.path.abspath(mount.source))
    if mount.kind == "tmpfs" and mount.source:
        raise UsageError(f'invalid argument "{text}" for "--mount" flag: a tmpfs has no source')
    return mount


def _with_field(mount: MountOption, key: str, content: str | None, text: str) -> MountOption:
    if key in {"type", "consistency", "bind-nonrecursive", "bind-recursive"}:
        return _recursion(mount, key, content)
    if key in {"readonly", "ro", "volume-nocopy"}:
        value = _switch(key, content)
        return replace(mount, copy=not value) if key == "volume-nocopy" else replace(mount, read_only=value)
    field = _FIELDS.get(key)
    if field is None:
        raise UsageError(f"invalid argument \"{text}\" for \"--mount\" flag: unexpected key '{key}' in '{text}'")
    if content is None:
        raise UsageError(
            f'invalid argument "{text}" for "--mount" flag: invalid field \'{key}\' must be a key=value pair'
        )
    for_kind, set_field = field
    if for_kind and mount.kind != for_kind:
        raise UsageError(f"cannot mix '{for_kind}-*' options with mount type '{mount.kind}'")
    return set_field(mount, content)


def _recursion(mount: MountOption, key: str, content: str | None) -> MountOption:
    if key == "bind-nonrecursive":
        return replace(mount, recursive=not _switch(key, content))
    return replace(mount, recursive=content != "disabled") if key == "bind-recursive" else mount


def _switch(key: str, content: str | None) -> bool:
    """A key alone is as good as ``=true``."""
    if content is None or content.lower() in _YES:
        return True
    if content.lower() in _NO:
        return False
    raise UsageError(f"invalid value for {key}: {content}")


def _label(mount: MountOption, content: str) -> MountOption:
    name, _, value = content.partition("=")
    return replace(mount, labels=(*mount.labels, (name, value)))


def _propagation(mount: MountOption, content: str) -> MountOption:
    if content not in _PROPAGATIONS:
        raise UsageError(f"invalid bind-propagation: {content}")
    return replace(mount, propagation=content)


def _tmpfs_size(mount: MountOption, content: str) -> MountOption:
    from runtime.tare.output.sizes import parse_memory

    try:
        return replace(mount, size_bytes=parse_memory(content))
    except ValueError:
        raise UsageError(f"invalid value for tmpfs-size: {content}") from None


def _tmpfs_mode(mount: MountOption, content: str) -> MountOption:
    try:
        return replace(mount, mode=int(content, 8))
    except ValueError:
        raise UsageError(f"invalid value for tmpfs-mode: {content}") from None


def _source(mount: MountOption, content: str) -> MountOption:
    return replace(mount, source=content)


def _mount_target(mount: MountOption, content: str) -> MountOption:
    if not content.startswith("/"):
        raise UsageError(f"invalid mount target: {content}: mount path must be absolute")
    return replace(mount, target=content)


_FIELDS: dict[str, tuple[str, Callable[[MountOption, str], MountOption]]] = {
    "source": ("", _source),
    "src": ("", _source),
    "target": ("", _mount_target),
    "dst": ("", _mount_target),
    "destination": ("", _mount_target),
    "bind-propagation": ("bind", _propagation),
    "volume-label": ("volume", _label),
    "volume-driver": ("volume", lambda mount, _: mount),
    "volume-opt": ("volume", lambda mount, content: replace(mount, data=(*mount.data, content))),
    "tmpfs-size": ("tmpfs", _tmpfs_size),
    "tmpfs-mode": ("tmpfs", _tmpfs_mode),
}


def _csv(text: str) -> list[str]:
    """Fields between commas, one with a comma in quotes."""
    if '"' not in text:
        return text.split(",")
    import csv

    return next(csv.reader([text]), [])

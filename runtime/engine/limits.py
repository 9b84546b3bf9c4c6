"""``linux.resources`` and ``process.rlimits`` of a container, from its options (runtime-spec, config-linux.md)."""

from __future__ import annotations

import os
import stat

from runtime.engine.errors import BadOption

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from runtime.engine.options import CreateOptions, DeviceOption, Limits

_PERIOD_US = 100_000
_UNLIMITED = (1 << 64) - 1
_ACCESS = frozenset("rwm")


def resources(config: CreateOptions, devices: list[dict[str, Any]]) -> dict[str, Any]:
    """All limits; ``devices`` are those of the host that the container has."""
    everything = {"allow": bool(config.privileged), "access": "rwm"}
    rules = [everything, *(_rule(device, access) for device, access in zip(devices, _accesses(config), strict=False))]
    own = [parse_rule(text) for text in config.device_rules]
    return limits(config) | {"devices": [everything] if config.privileged else [*rules, *own]}


def _accesses(config: CreateOptions) -> list[str]:
    return [access for option in config.devices for access in [option.access] * len(_nodes(option))]


def limits(config: CreateOptions | Limits) -> dict[str, Any]:
    """What `update` can change, too; without what was not asked for."""
    memory = {
        "limit": config.memory_bytes or None,
        "swap": _swap(config),
        "reservation": config.memory_reservation_bytes or None,
        "swappiness": _if_given(getattr(config, "memory_swappiness", -1)),
        "disableOOMKiller": getattr(config, "oom_kill_disable", False) or None,
    }
    cpu = {
        "shares": config.cpu_shares or None,
        "quota": round(config.cpus * _PERIOD_US) if config.cpus else config.cpu_quota or None,
        "period": _PERIOD_US if config.cpus else config.cpu_period or None,
        "cpus": config.cpuset_cpus or None,
        "mems": config.cpuset_mems or None,
    }
    found = {
        "memory": _given(memory),
        "cpu": _given(cpu),
        "pids": {"limit": config.pids_limit} if config.pids_limit else {},
        "blockIO": {"weight": config.blkio_weight} if config.blkio_weight else {},
    }
    return {name: content for name, content in found.items() if content}


def _swap(config: CreateOptions | Limits) -> int | None:
    """Memory and swap together: without a word of it as much swap as memory, as Docker has it."""
    if config.memory_swap_bytes:
        return config.memory_swap_bytes
    return 2 * config.memory_bytes if config.memory_bytes and config.memory_bytes > 0 else None


def _if_given(swappiness: int) -> int | None:
    return None if swappiness < 0 else swappiness


def _given(content: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in content.items() if value is not None}


def rlimits(config: CreateOptions) -> list[dict[str, Any]]:
    """Docker's names are the kernel's in lower case."""
    return [
        {"type": f"RLIMIT_{one.name.upper()}", "soft": _number(one.soft), "hard": _number(one.hard)}
        for one in config.ulimits
    ]


def _number(limit: int) -> int:
    return _UNLIMITED if limit < 0 else limit


def devices(config: CreateOptions) -> list[dict[str, Any]]:
    """Nodes that are made in the container's /dev; a privileged one has the host's. Raises `BadOption`."""
    if config.privileged:
        return _host_devices()
    return [_device(path, target) for option in config.devices for path, target in _nodes(option)]


def _nodes(option: DeviceOption) -> list[tuple[str, str]]:
    """A device, or all that are in a directory; their paths on the host and in the container."""
    target = option.target or option.source
    if not os.path.isdir(option.source):
        return [(option.source, target)]
    found = sorted(
        path
        for directory, _, names in os.walk(option.source)
        for path in (f"{directory}/{name}" for name in names)
        if _is_device(path)
    )
    return [(path, target + path.removeprefix(option.source)) for path in found]


def _host_devices() -> list[dict[str, Any]]:
    """What is in /dev, without what is the container's own (oci/devices_linux.go of containerd)."""
    skipped = frozenset({"pts", "shm", "fd", "mqueue", ".lxc", ".lxd-mounts", ".udev"})
    found: list[dict[str, Any]] = []
    for directory, folders, names in os.walk("/dev"):
        folders[:] = [name for name in folders if name not in skipped]
        paths = (f"{directory}/{name}" for name in names if name != "console")
        found += [_device(path, path) for path in paths if _is_device(path)]
    return found


def _is_device(path: str) -> bool:
    try:
        mode = os.lstat(path).st_mode
    except OSError:
        return False
    return stat.S_ISCHR(mode) or stat.S_ISBLK(mode)


def _device(path: str, target: str) -> dict[str, Any]:
    try:
        found = os.stat(path)
    except OSError as error:
        reason = os.strerror(error.errno or 0).lower()
        raise BadOption(f'error gathering device information while adding custom device "{path}": {reason}') from error
    if not (stat.S_ISCHR(found.st_mode) or stat.S_ISBLK(found.st_mode)):
        raise BadOption(f'error gathering device information while adding custom device "{path}": not a device node')
    return {
        "path": target,
        "type": "c" if stat.S_ISCHR(found.st_mode) else "b",
        "major": os.major(found.st_rdev),
        "minor": os.minor(found.st_rdev),
        "fileMode": stat.S_IMODE(found.st_mode),
        "uid": found.st_uid,
        "gid": found.st_gid,
    }


def _rule(device: dict[str, Any], access: str) -> dict[str, Any]:
    return {"allow": True, "type": device["type"], "major": device["major"], "minor": device["minor"], "access": access}


def parse_rule(text: str) -> dict[str, Any]:
    """``c 42:* rwm``, as ``--device-cgroup-rule`` has it; raises `BadOption`."""
    kind, _, rest = text.partition(" ")
    numbers, _, access = rest.partition(" ")
    major, colon, minor = numbers.partition(":")
    valid = kind in {"a", "b", "c"} and colon and access and _ACCESS.issuperset(access)
    if not (valid and all(part == "*" or (part.isascii() and part.isdigit()) for part in (major, minor))):
        raise BadOption(f"invalid device cgroup rule format: '{text}'")
    named = {name: int(part) for name, part in (("major", major), ("minor", minor)) if part != "*"}
    return {"allow": True, "type": kind, "access": access, **named}

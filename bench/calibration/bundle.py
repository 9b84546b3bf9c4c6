"""An OCI bundle that asks for the container that our launcher makes, as far as a bundle can: its root is a directory.

runc, crun and our own command all get the same ``config.json``.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from runtime.cgroups.cgroup import CPU_PERIOD_US
from runtime.linux import capabilities, seccomp
from runtime.spec.defaults import MASKED_PATHS, READONLY_PATHS
from runtime.spec.profile import default_profile

if TYPE_CHECKING:
    from pathlib import Path

    from runtime.linux.seccomp import Rule
    from runtime.spec.container import ContainerSpec

Json = dict[str, Any]

_NAMESPACES = ("pid", "network", "ipc", "uts", "mount", "cgroup")
_QUIET = ["nosuid", "noexec", "nodev"]
_MOUNTS: tuple[tuple[str, str, list[str]], ...] = (
    ("/proc", "proc", _QUIET),
    ("/dev", "tmpfs", ["nosuid", "noexec", "mode=755", "size=64k"]),
    ("/dev/pts", "devpts", ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"]),
    ("/dev/shm", "tmpfs", [*_QUIET, "mode=1777", "size=64m"]),  # noqa: S108 - its name
    ("/dev/mqueue", "mqueue", _QUIET),
    ("/sys", "sysfs", [*_QUIET, "ro"]),
)


def write_bundle(directory: Path, root: Path, spec: ContainerSpec) -> None:
    """Make the directory and its ``config.json``."""
    directory.mkdir()
    (directory / "config.json").write_text(json.dumps(bundle_config(root, spec)), encoding="utf-8")


def bundle_config(root: Path, spec: ContainerSpec) -> Json:
    """``config.json`` for this container, on a root directory that it shares with others."""
    process = spec.process
    kept = [name for number, name in enumerate(capabilities.NAMES) if process.capabilities >> number & 1]
    effective = kept if process.uid == 0 else []
    return {
        "ociVersion": "1.0.2",
        "process": {
            "terminal": False,
            "user": {"uid": process.uid, "gid": process.gid, "additionalGids": list(process.groups)},
            "args": list(process.argv),
            "env": list(process.env),
            "cwd": process.cwd,
            "capabilities": {"bounding": kept, "effective": effective, "permitted": effective},
            "noNewPrivileges": process.no_new_privs,
        },
        "root": {"path": str(root), "readonly": False},
        "hostname": spec.hostname,
        "mounts": [
            {"destination": path, "type": kind, "source": kind, "options": options} for path, kind, options in _MOUNTS
        ],
        "linux": {
            "cgroupsPath": f"/{spec.cgroup}",
            "resources": _resources(spec),
            "namespaces": [{"type": kind} for kind in _NAMESPACES],
            "maskedPaths": list(MASKED_PATHS),
            "readonlyPaths": list(READONLY_PATHS),
            "seccomp": _seccomp(),
        },
    }


def _resources(spec: ContainerSpec) -> Json:
    limits = spec.resources
    resources: Json = {"devices": [{"allow": False, "access": "rwm"}]}
    if limits.memory_bytes is not None:
        resources["memory"] = {"limit": limits.memory_bytes}
    if limits.pids is not None:
        resources["pids"] = {"limit": limits.pids}
    if limits.cpus is not None:
        resources["cpu"] = {"quota": round(limits.cpus * CPU_PERIOD_US), "period": CPU_PERIOD_US}
    return resources


def _seccomp() -> Json:
    profile = default_profile(capabilities.DEFAULT)
    return {
        "defaultAction": "SCMP_ACT_ERRNO",
        "defaultErrnoRet": profile.default_action & 0xFFFF,
        "architectures": list(profile.architectures),
        "syscalls": [_rule(rule) for rule in profile.rules],
    }


def _rule(rule: Rule) -> Json:
    action: Json = {"action": "SCMP_ACT_ALLOW"}
    if rule.action != seccomp.RET_ALLOW:
        action = {"action": "SCMP_ACT_ERRNO", "errnoRet": rule.action & 0xFFFF}
    arguments = [
        {"index": one.index, "op": f"SCMP_CMP_{one.op.upper()}", "value": one.value, "valueTwo": one.value_two}
        for one in rule.arguments
    ]
    return {"names": list(rule.names), **action, "args": arguments}

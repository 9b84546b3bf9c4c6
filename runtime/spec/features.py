"""What this runtime knows and has, as the specification wants it told (runtime-spec, features.md)."""

from __future__ import annotations

import os

from runtime.linux import capabilities, libseccomp
from runtime.rootfs.options import known_options
from runtime.spec.config import MOMENTS
from runtime.spec.linux import MEMORY_FLAGS, MEMORY_MODES
from runtime.spec.namespaces import TYPES
from runtime.spec.seccomp import ACTIONS, FLAGS, OPERATORS
from runtime.spec.version import NEWEST, OLDEST

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def features() -> dict[str, Any]:
    """The document, to be printed as JSON."""
    return {
        "ociVersionMin": OLDEST,
        "ociVersionMax": NEWEST,
        "hooks": list(MOMENTS),
        "mountOptions": sorted(known_options()),
        "linux": {
            "namespaces": sorted(TYPES),
            "capabilities": list(capabilities.NAMES),
            "cgroup": {"v1": True, "v2": True, "systemd": False, "systemdUser": False, "rdma": True},
            "seccomp": _seccomp(),
            "apparmor": {"enabled": os.path.exists("/sys/module/apparmor")},
            "selinux": {"enabled": os.path.exists("/sys/fs/selinux/enforce")},
            "intelRdt": {"enabled": True, "schemata": True, "monitoring": True},
            "memoryPolicy": {"modes": list(MEMORY_MODES), "flags": list(MEMORY_FLAGS)},
            "mountExtensions": {"idmap": {"enabled": True}},
            "netDevices": {"enabled": True},
        },
        "potentiallyUnsafeConfigAnnotations": [],
    }


def _seccomp() -> dict[str, Any]:
    return {
        "enabled": os.path.exists("/proc/sys/kernel/seccomp"),
        "actions": sorted(ACTIONS),
        "operators": sorted(OPERATORS),
        "archs": sorted(libseccomp.NAMES),
        "knownFlags": sorted(FLAGS),
        "supportedFlags": sorted(FLAGS),
    }

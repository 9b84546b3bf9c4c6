"""The default seccomp profile, read from ``seccomp.toml`` for a given set of capabilities."""

from __future__ import annotations

import errno
import os

from runtime.linux import libseccomp, seccomp
from runtime.linux.seccomp import Argument, Rule, Seccomp

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet
    from typing import Any


def default_profile(capabilities: AbstractSet[str]) -> Seccomp:
    """What a container with these capabilities may ask of the kernel; everything else fails with EPERM.

    It holds for all architectures that a process can call as on this machine; raises `SeccompError` for one not known.
    """
    import tomllib

    # Beside this file, and not by importlib.resources, which does not know the finder of a cold command's modules.
    with open(os.path.join(os.path.dirname(__file__), "seccomp.toml"), "rb") as file:
        document = tomllib.load(file)
    allowed = tuple(_allow(names) for names in document["allow"].values())
    gained = tuple(_allow(names) for capability, names in document["when"].items() if capability in capabilities)
    rules = tuple(_rule(entry) for entry in document["rule"] if not capabilities & set(entry.get("unless", ())))
    architectures = tuple(architecture.name for architecture in libseccomp.family())
    return Seccomp(seccomp.RET_ERRNO | errno.EPERM, allowed + gained + rules, architectures)


def _allow(names: str) -> Rule:
    return Rule(tuple(names.split()), seccomp.RET_ALLOW)


def _rule(entry: dict[str, Any]) -> Rule:
    action = seccomp.RET_ERRNO | getattr(errno, entry["errno"]) if "errno" in entry else seccomp.RET_ALLOW
    arguments = tuple(Argument(**argument) for argument in entry.get("arguments", ()))
    return Rule(tuple(entry["names"].split()), action, arguments)

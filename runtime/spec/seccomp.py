"""The default seccomp profile, read from ``seccomp.toml`` for a given set of capabilities."""

from __future__ import annotations

import errno
import tomllib
from importlib import resources
from typing import TYPE_CHECKING, Any

from runtime.linux.libseccomp import Argument, Profile, Rule

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet


def default_profile(capabilities: AbstractSet[str]) -> Profile:
    """What a container with these capabilities may ask of the kernel; everything else fails with EPERM."""
    document = tomllib.loads(resources.files(__package__).joinpath("seccomp.toml").read_text(encoding="utf-8"))
    allowed = tuple(Rule(tuple(names.split())) for names in document["allow"].values())
    gained = tuple(Rule(tuple(names.split())) for cap, names in document["when"].items() if cap in capabilities)
    return Profile(errno.EPERM, allowed + gained + tuple(_rule(entry) for entry in document["rule"]))


def _rule(entry: dict[str, Any]) -> Rule:
    number = getattr(errno, entry["errno"]) if "errno" in entry else None
    arguments = tuple(Argument(**argument) for argument in entry.get("arguments", ()))
    return Rule(tuple(entry["names"].split()), number, arguments)

"""A config.json of the OCI runtime specification 1.3, as values (runtime-spec, config.md)."""

from __future__ import annotations

from dataclasses import dataclass

from runtime.spec.execution import OciProcess
from runtime.spec.linux import Linux
from runtime.spec.namespaces import IdMapping


@dataclass(frozen=True, slots=True)
class Root:
    """The root filesystem; a ``path`` that is not absolute starts at the bundle."""

    path: str
    readonly: bool = False


@dataclass(frozen=True, slots=True)
class Mount:
    """``destination`` is absolute; a ``source`` of a bind mount that is not absolute starts at the bundle."""

    destination: str
    type: str | None = None
    source: str | None = None
    options: tuple[str, ...] = ()
    uid_mappings: tuple[IdMapping, ...] = ()
    gid_mappings: tuple[IdMapping, ...] = ()


@dataclass(frozen=True, slots=True)
class Hook:
    """A program at a moment of the life cycle; ``timeout`` in seconds. ``args`` has argv[0], and may be empty."""

    path: str
    args: tuple[str, ...] = ()
    env: tuple[str, ...] = ()
    timeout: int | None = None


@dataclass(frozen=True, slots=True)
class Hooks:
    """By moment, in the order in which they are run."""

    prestart: tuple[Hook, ...] = ()
    create_runtime: tuple[Hook, ...] = ()
    create_container: tuple[Hook, ...] = ()
    start_container: tuple[Hook, ...] = ()
    poststart: tuple[Hook, ...] = ()
    poststop: tuple[Hook, ...] = ()


@dataclass(frozen=True, slots=True)
class Config:
    """The whole file; what is absent is None, empty or false."""

    oci_version: str
    root: Root
    process: OciProcess | None = None
    hostname: str | None = None
    domainname: str | None = None
    mounts: tuple[Mount, ...] = ()
    hooks: Hooks = Hooks()
    annotations: tuple[tuple[str, str], ...] = ()
    linux: Linux = Linux()

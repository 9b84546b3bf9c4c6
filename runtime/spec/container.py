"""What a container is asked to be. Values only: made by the caller, carried to the launcher, never changed."""

from __future__ import annotations

from dataclasses import dataclass

_NO_ID = (1 << 32) - 1


@dataclass(frozen=True, slots=True)
class Process:
    """What is executed, as whom, with what rights.

    ``capabilities`` is a bit set (`runtime.linux.capabilities.mask`) that bounds the process for ever; a process whose
    ``uid`` is not 0 starts with none of them. ``seccomp`` is a compiled filter, None for none.
    """

    argv: tuple[str, ...]
    env: tuple[str, ...]
    cwd: str = "/"
    uid: int = 0
    gid: int = 0
    groups: tuple[int, ...] = ()
    capabilities: int = 0
    no_new_privs: bool = True
    seccomp: bytes | None = None

    def __post_init__(self) -> None:
        """Refuse ids that the kernel reads as others: cut off to 32 bits, or as *leave it as it is* (setresuid(2))."""
        for number in (self.uid, self.gid, *self.groups):
            if not 0 <= number < _NO_ID:
                raise ValueError(f"a process of id {number}: ids are from 0 to {_NO_ID - 1}")
        if not self.argv:
            raise ValueError("a process without a program to execute")


@dataclass(frozen=True, slots=True)
class Rootfs:
    """An overlay: ``lower`` bottom layer first; ``upper`` and ``work`` are made by the launcher."""

    lower: tuple[str, ...]
    upper: str
    work: str


@dataclass(frozen=True, slots=True)
class Resources:
    """Limits; None is unlimited. ``cpus`` is a quota in processors (1.5 is 150 ms in every 100 ms)."""

    memory_bytes: int | None = None
    cpus: float | None = None
    pids: int | None = None


@dataclass(frozen=True, slots=True)
class Network:
    """Ready netlink requests: ``host`` is sent on the host's side, ``guest`` inside, where the link is ``link``."""

    link: str
    host: tuple[bytes, ...]
    guest: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class ContainerSpec:
    """A whole container. ``directory`` is its own on the host: upper and work live in it, and the log."""

    id: str
    hostname: str
    directory: str
    cgroup: str
    process: Process
    rootfs: Rootfs
    resources: Resources
    network: Network | None = None

    @property
    def log_path(self) -> str:
        """Where stdout and stderr go."""
        return f"{self.directory}/log"

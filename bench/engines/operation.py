"""What is measured, and what is to be reached."""

from __future__ import annotations

from dataclasses import dataclass

TARE, DOCKER, PODMAN, SKOPEO = "tare", "docker", "podman", "skopeo"


@dataclass(frozen=True, slots=True)
class Target:
    """``peer`` takes at least ``times`` as long as we do; or, without a peer, we take less than ``below_s``."""

    peer: str = ""
    times: float = 0.0
    below_s: float = 0.0

    def __str__(self) -> str:
        return f"{self.times:g} x {self.peer}" if self.peer else f"< {self.below_s:g} s"


@dataclass(frozen=True, slots=True)
class Operation:
    """One thing that users do; ``target`` is what we want of ours."""

    name: str
    what: str
    target: Target


_DOCKER = Target(DOCKER, 3.0)
_SKOPEO = Target(SKOPEO, 1.0)

OPERATIONS: dict[str, Operation] = {
    one.name: one
    for one in (
        Operation("pull", "pull an image of ten layers from a registry on loopback", _SKOPEO),
        Operation("push", "push the same image, as it was pulled, to an empty registry", _SKOPEO),
        Operation("load", "load the same image from an archive", _DOCKER),
        Operation("build", "build a Dockerfile of ten steps without cache", _DOCKER),
        Operation("rebuild", "build it again, all of it cached", _DOCKER),
        Operation("run", "run --rm of true", _DOCKER),
        Operation("first-run", "pull an image that is not there, and run true in it", _DOCKER),
        Operation("ps", "ps -a with many containers", Target(below_s=0.15)),
    )
}


@dataclass(frozen=True, slots=True)
class Key:
    """One treatment: an engine and what it does."""

    engine: str
    operation: str

    def __str__(self) -> str:
        return f"{self.engine} {self.operation}"

    @classmethod
    def parse(cls, text: str) -> Key:
        """From its written form."""
        engine, _, operation = text.partition(" ")
        return cls(engine, operation)

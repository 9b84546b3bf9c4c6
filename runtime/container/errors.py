"""Errors of the operations on containers.

    ContainerError           one sentence: verb, object, reason
    +-- HookFailed           a hook failed, and the container is none any more
    +-- NotFound             there is no container of this id
    +-- WrongStatus          the container is in a state in which this cannot be done
"""

from __future__ import annotations


class ContainerError(Exception):
    """An operation could not be done, and changed nothing."""


class HookFailed(ContainerError):
    """A hook failed or took too long; what is said afterwards of the end of the container is said with it."""

    def with_complaints(self, complaints: tuple[str, ...]) -> HookFailed:
        """The same, and what poststop hooks complained of."""
        return HookFailed("; ".join((str(self), *complaints)))


class NotFound(ContainerError):
    """No container has this id."""

    def __init__(self, container_id: str) -> None:
        super().__init__(f"container {container_id!r} does not exist")


class WrongStatus(ContainerError):
    """The container is not in a state in which this may be done."""

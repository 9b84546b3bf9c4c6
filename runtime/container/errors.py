"""Errors of the operations on containers.

    ContainerError           one sentence: verb, object, reason
    +-- NotFound             there is no container of this id
    +-- WrongStatus          the container is in a state in which this cannot be done
"""

from __future__ import annotations


class ContainerError(Exception):
    """An operation could not be done, and changed nothing."""


class NotFound(ContainerError):
    """No container has this id."""

    def __init__(self, container_id: str) -> None:
        super().__init__(f"container {container_id!r} does not exist")


class WrongStatus(ContainerError):
    """The container is not in a state in which this may be done."""

"""What is remembered of a container, and what can be seen of it (runtime-spec, runtime.md, "State")."""

from __future__ import annotations

import os
import time

from runtime.cgroups.group import ContainerCgroup
from runtime.linux.processes import start_time_of
from runtime.spec.version import NEWEST
from runtime.values import Value, fields_of, replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any


class Status:
    """Where in its life a container is; ``paused`` is a running one whose processes are frozen.

    There is one object of each, as in an enumeration, without the module for those.
    """

    CREATING: Status
    CREATED: Status
    RUNNING: Status
    PAUSED: Status
    STOPPED: Status

    def __init__(self, value: str) -> None:
        self.value = value


for _value in ("creating", "created", "running", "paused", "stopped"):
    setattr(Status, _value.upper(), Status(_value))


class State(Value):
    """As it is on disk; ``start_time`` is the process's, in clock ticks since boot, because pids are used again.

    ``purposes`` are what the calls are for that the first process makes after its start, ``listener_fd`` is where its
    seccomp notifications will be.
    """

    id: str
    bundle: str
    rootfs: str
    created: str
    owner: int
    pid: int
    start_time: int
    annotations: tuple[tuple[str, str], ...]
    cgroup: dict[str, Any]
    purposes: dict[int, str]
    listener_fd: int | None = None

    @classmethod
    def fresh(cls, container_id: str, bundle: str, rootfs: str, annotations: tuple[tuple[str, str], ...]) -> State:
        """Of a container that is being made by us, now."""
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        return cls(container_id, bundle, rootfs, now, os.geteuid(), 0, 0, annotations, {}, {})

    def born(
        self, pid: int, cgroup: dict[str, Any], purposes: dict[int, str] | None = None, listener_fd: int | None = None
    ) -> State:
        """The same with a process."""
        start_time = start_time_of(pid) or 0
        return replace(
            self, pid=pid, start_time=start_time, cgroup=cgroup, purposes=purposes or {}, listener_fd=listener_fd
        )

    def to_json(self) -> dict[str, Any]:
        """For the file."""
        document = fields_of(self) | {"annotations": dict(self.annotations)}
        document["purposes"] = {str(place): what for place, what in self.purposes.items()}
        return document

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> State:
        """What `to_json` has written."""
        annotations = tuple(document["annotations"].items())
        purposes = {int(place): what for place, what in document["purposes"].items()}
        return cls(**{**document, "annotations": annotations, "purposes": purposes})

    @property
    def group(self) -> ContainerCgroup:
        """Its control group."""
        return ContainerCgroup.from_json(self.cgroup)


def oci_state(state: State, status: Status) -> dict[str, Any]:
    """The state as the specification has it, with what engines expect besides."""
    known: dict[str, Any] = {
        "ociVersion": NEWEST,
        "id": state.id,
        "status": status.value,
        "pid": 0 if status is Status.STOPPED else state.pid,
        "bundle": state.bundle,
        "rootfs": state.rootfs,
        "created": state.created,
        "owner": "" if state.owner == 0 else str(state.owner),
    }
    return known | ({"annotations": dict(state.annotations)} if state.annotations else {})

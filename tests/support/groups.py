"""Real control groups of containers, with real processes in them, and nothing left afterwards."""

from __future__ import annotations

import os
import subprocess
from contextlib import ExitStack, contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runtime.cgroups.cgroup import remove_directory
from runtime.cgroups.group import ContainerCgroup
from runtime.cgroups.hierarchy import UNIFIED, CgroupError
from runtime.spec.resources import Resources, parse_resources

if TYPE_CHECKING:
    from collections.abc import Iterator

MIB = 1 << 20
_serial = count()


def resources(**parts: Any) -> Resources:
    """As in a config.json."""
    return parse_resources(parts, "linux.resources")


def new_path() -> str:
    """A place that nobody else has."""
    return f"/tare-test-group-{os.getpid()}-{next(_serial)}"


@contextmanager
def made_group(path: str | None = None, **parts: Any) -> Iterator[ContainerCgroup]:
    """A group with these limits; all of it ends with the body, and so do the parents that it needed."""
    group = ContainerCgroup.resolve(path or new_path(), "test")
    above = [parent for directory in group.directories for parent in Path(directory).parents]
    missing = [parent for parent in above if not parent.exists()]
    with ExitStack() as stack:
        for parent in reversed(missing):
            stack.callback(remove_directory, str(parent))
        group.create(resources(**parts))
        stack.enter_context(removed_afterwards(group))
        yield group


@contextmanager
def removed_afterwards(group: ContainerCgroup) -> Iterator[None]:
    """Whatever is in it, and however the body ends."""
    try:
        yield
    finally:
        end(group)
        group.delete()


@contextmanager
def start(group: ContainerCgroup, script: str) -> Iterator[subprocess.Popen[str]]:
    """A shell in the group, whose two outputs are one pipe; all of the group ends with the body."""
    command = ("sh", "-c", script)
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        preexec_fn=lambda: _enter(group),  # noqa: PLW1509
    ) as process:
        try:
            yield process
        finally:
            end(group)


def end(group: ContainerCgroup) -> None:
    """Kill whatever is in it, even what is frozen."""
    with suppress(CgroupError):
        group.thaw()
    group.kill()


def _enter(group: ContainerCgroup) -> None:
    with group.entrance() as entrance:
        for fd in entrance.tasks:
            os.write(fd, b"0")
    if UNIFIED in group.paths:  # where a container is born, but a child of Python's own cannot be
        with open(f"{group.paths[UNIFIED]}/cgroup.procs", "w", encoding="ascii") as file:
            file.write("0")


def run(group: ContainerCgroup, script: str, timeout_s: float = 60) -> tuple[int, str]:
    """A shell in the group until it ends: its status and what it said."""
    with start(group, script) as process:
        output, _ = process.communicate(timeout=timeout_s)
        return process.returncode, output

"""A container's class of service and monitoring group in resctrl (runtime-spec, config-linux.md, "IntelRdt").

The kernel's side is Documentation/filesystems/resctrl.rst: a directory is a class, its ``schemata`` are its share, its
``tasks`` are who is in it, and its ``mon_groups`` count for some of them.
"""

from __future__ import annotations

import os

from runtime.cgroups.hierarchy import read_mountinfo
from runtime.spec.reader import SpecError, show
from runtime.unwinding import ExitStack, suppress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runtime.spec.rdt import IntelRdt

_WHERE = "linux.intelRdt"


def resctrl_of(mountinfo: str | None = None) -> str:
    """Where it is mounted; raises `SpecError` where it is not."""
    for line in (read_mountinfo() if mountinfo is None else mountinfo).splitlines():
        head, _, tail = line.partition(" - ")
        if tail.startswith("resctrl "):
            return head.split(" ")[4]
    raise SpecError(_WHERE, "no resctrl filesystem is mounted on this host")


def enter_class(undo: ExitStack, top: str, container_id: str, rdt: IntelRdt, pid: int) -> None:
    """Put the process into its class of service, made if need be; raises `SpecError`. ``undo`` takes it back."""
    try:
        directory = _class_of(undo, top, container_id, rdt)
        _write(f"{directory}/tasks", str(pid))
        if rdt.monitoring:
            group = f"{directory}/mon_groups/{container_id}"
            os.mkdir(group)
            undo.callback(_remove, group)
            _write(f"{group}/tasks", str(pid))
    except OSError as error:
        raise SpecError(_WHERE, f"{error.filename or top}: {os.strerror(error.errno or 0).lower()}") from error


def leave_class(top: str, container_id: str, rdt: IntelRdt) -> None:
    """Remove what was made for this container: its monitoring group, and the class if it bears the container's id."""
    directory = _directory(top, container_id, rdt)
    if rdt.monitoring:
        _remove(f"{directory}/mon_groups/{container_id}")
    if rdt.clos_id is None:
        _remove(directory)


def _class_of(undo: ExitStack, top: str, container_id: str, rdt: IntelRdt) -> str:
    directory = _directory(top, container_id, rdt)
    if rdt.clos_id is not None and os.path.isdir(directory):
        _compare(directory, rdt.schemata)
        return directory
    if rdt.clos_id is not None and not rdt.schemata:
        raise SpecError(f"{_WHERE}.closID", f"there is no class of service {show(rdt.clos_id)}, and none is described")
    os.mkdir(directory)
    undo.callback(_remove, directory)
    for line in rdt.schemata:
        _write(f"{directory}/schemata", line + "\n")
    return directory


def _directory(top: str, container_id: str, rdt: IntelRdt) -> str:
    return top if rdt.clos_id == "/" else f"{top}/{rdt.clos_id or container_id}"


def _compare(directory: str, wanted: tuple[str, ...]) -> None:
    """A class that is there is shared: it is taken as it is, or not at all."""
    with open(f"{directory}/schemata", encoding="ascii") as file:
        there = _shares(file.read().splitlines())
    for resource, shares in _shares(wanted).items():
        if any(there.get(resource, {}).get(domain) != share for domain, share in shares.items()):
            raise SpecError(f"{_WHERE}.closID", f"{show(directory)} is there already, with another share of {resource}")


def _shares(lines: tuple[str, ...] | list[str]) -> dict[str, dict[str, str]]:
    """By resource and domain: ``L3:0=7f0;1=1f``; the kernel pads masks with zeros."""
    shares: dict[str, dict[str, str]] = {}
    for line in lines:
        resource, _, entries = line.strip().partition(":")
        pairs = (entry.partition("=") for entry in entries.split(";") if "=" in entry)
        shares[resource] = {domain.strip(): share.strip().lower().lstrip("0") for domain, _, share in pairs}
    return shares


def _write(path: str, content: str) -> None:
    # All these files are there, and the kernel takes every write for a line more.
    fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        os.write(fd, content.encode())
    except OSError as error:
        error.filename = path
        raise
    finally:
        os.close(fd)


def _remove(directory: str) -> None:
    with suppress(OSError):
        os.rmdir(directory)

"""The writes of a plan, made: in an order that the kernel takes, and with the property in the error."""

from __future__ import annotations

import errno
import os

from runtime.cgroups.files import write_raw
from runtime.cgroups.hierarchy import CgroupError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from runtime.cgroups.limits import Write


def make_writes(writes: Sequence[Write], directories: Mapping[str, str]) -> None:
    """Make them in turn; ``directories`` has the group's by controller. Raises `CgroupError` for what is refused.

    What the kernel finds invalid may only be so beside a value that a later write of the plan replaces: it is tried
    again after the others, as long as that gets any further.
    """
    pending: Sequence[Write] = writes
    while pending:
        refused = [(write, error) for write in pending if (error := _attempt(write, directories)) is not None]
        if len(refused) == len(pending):
            raise _failure(*refused[0], directories)
        pending = [write for write, _ in refused]


def _attempt(write: Write, directories: Mapping[str, str]) -> OSError | None:
    """The error that may pass; any other is raised."""
    directory = directories.get(write.controller)
    if directory is None:
        if write.optional:
            return None
        raise CgroupError(f"{write.origin}: controller {write.controller} is not there for this container")
    for file, content in ((write.file, write.content), *write.otherwise):
        try:
            write_raw(f"{directory}/{file}", content)
        except FileNotFoundError:
            continue
        except OSError as error:
            if error.errno == errno.EINVAL:
                return error
            raise _failure(write, error, directories) from error
        return None
    if write.optional and os.path.isdir(directory):
        return None
    raise CgroupError(f"{write.origin}: this kernel has no {write.file} in {directory}")


def _failure(write: Write, error: OSError, directories: Mapping[str, str]) -> CgroupError:
    directory = directories[write.controller]
    reason = os.strerror(error.errno or 0).lower()
    usage = _usage(write, directory) if error.errno == errno.EBUSY else ""
    return CgroupError(f"{write.origin}: write {write.content} to {directory}/{write.file}: {reason}{usage}")


def _usage(write: Write, directory: str) -> str:
    """Version 1 refuses a limit below what is used and cannot be taken back (cgroup-v1/memory.rst)."""
    if write.controller != "memory":
        return ""
    with open(f"{directory}/memory.usage_in_bytes", encoding="ascii") as file:
        return f", {file.read().strip()} bytes are in use"

"""Files of control groups: read, written and taken apart, with the kernel's answer in the error."""

from __future__ import annotations

import os

from runtime.cgroups.hierarchy import CgroupError
from runtime.unwinding import contextmanager

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def doing(what: str) -> Iterator[None]:
    """Turn an `OSError` of the body into a `CgroupError` that begins with what was being done."""
    try:
        yield
    except OSError as error:
        raise CgroupError(f"{what}: {os.strerror(error.errno or 0).lower()}") from error


def read(path: str) -> str:
    """The whole file."""
    with doing(f"read {path}"), open(path, encoding="ascii") as file:
        return file.read()


def read_if_there(path: str) -> str | None:
    """The whole file; None where this kernel, or this group, has none."""
    try:
        with open(path, encoding="ascii") as file:
            return file.read()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise CgroupError(f"read {path}: {os.strerror(error.errno or 0).lower()}") from error


def write(path: str, content: str) -> None:
    """Write in one piece."""
    with doing(f"write {content} to {path}"):
        write_raw(path, content)


def write_raw(path: str, content: str) -> None:
    """Write in one piece; raises `OSError`. The file is never made: a directory without it has no such limit."""
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(fd, content.encode())
    finally:
        os.close(fd)


def pairs(text: str) -> dict[str, int]:
    """A flat-keyed file: a name and a number on each line (cgroup-v2.rst, "Format")."""
    fields = (line.split() for line in text.splitlines())
    return {name: int(number) for name, number in (field for field in fields if len(field) == 2)}

"""The context: a directory, or an archive on standard input, and the Dockerfile that belongs to it."""

from __future__ import annotations

import os
import sys

from runtime.build.errors import ContextError
from runtime.build.ignore import Ignore

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import BinaryIO

_DEFAULT = "Dockerfile"
_IGNORE = ".dockerignore"
_LIMIT_BYTES = 16 << 20
_BLOCK_BYTES = 512
_MAGICS = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ\x00", b"\x28\xb5\x2f\xfd")


class Context:
    """A directory whose files may be copied, but for what its .dockerignore names; and the text to build by."""

    def __init__(self, directory: str, name: str, text: str, ignore: Ignore) -> None:
        self.directory = directory
        self.name = name
        self.text = text
        self.ignore = ignore


def open_context(place: str, file: str | None, scratch: str, stdin: BinaryIO | None = None) -> Context:
    """``place`` is a directory, or ``-``; ``file`` the Dockerfile, ``-`` for standard input. Raises `ContextError`.

    What comes by standard input is put below ``scratch``, an empty directory.
    """
    stream = stdin or sys.stdin.buffer
    if place == "-":
        if file == "-":
            raise ContextError("invalid argument: can't use stdin for both build context and dockerfile")
        return _from_stream(stream, file, scratch)
    if not os.path.isdir(place):
        raise ContextError(f"unable to prepare context: path {place!r} not found" if not os.path.exists(place) else
                           f"unable to prepare context: {place!r} is no directory")  # fmt: skip
    if file == "-":
        text = _decoded(stream.read(_LIMIT_BYTES + 1), "the Dockerfile of standard input")
        return Context(place, _DEFAULT, text, _ignore(place, None))
    path = _dockerfile(place) if file is None else file
    return Context(place, os.path.basename(path), _read(path), _ignore(place, path))


def _from_stream(stream: BinaryIO, file: str | None, scratch: str) -> Context:
    head = stream.read(_BLOCK_BYTES)
    while len(head) < _BLOCK_BYTES and (more := stream.read(_BLOCK_BYTES - len(head))):
        head += more
    if not is_archive(head):
        text = _decoded(head + stream.read(_LIMIT_BYTES), "the Dockerfile of standard input")
        return Context(scratch, _DEFAULT, text, Ignore())
    from runtime.build.extraction import Joined, extract
    from runtime.build.placing import Placer

    with Placer(scratch) as placer:
        extract(placer, (), Joined(head, stream), "the context of standard input")
    # A name in an archive leads nowhere but into it.
    text = _inside(scratch, file or _DEFAULT)
    return Context(scratch, file or _DEFAULT, text, _ignore_text(_inside_or_none(scratch, _IGNORE)))


def _inside(directory: str, name: str) -> str:
    text = _inside_or_none(directory, name)
    if text is None:
        raise ContextError(f"unable to prepare context: the archive has no {name}")
    return text


def _inside_or_none(directory: str, name: str) -> str | None:
    from pathlib import Path

    from runtime.image.union import read_file

    content = read_file((Path(directory),), name, _LIMIT_BYTES)
    return None if content is None else _decoded(content, name)


def is_archive(head: bytes) -> bool:
    """Whether content begins like an archive of tar(5), compressed or not."""
    if head.startswith(_MAGICS):
        return True
    return len(head) >= _BLOCK_BYTES and _has_checksum(head)


def _has_checksum(head: bytes) -> bool:
    """Which a header without a magic number has, too, as the first tar wrote it."""
    field = head[148:156].strip(b" \0")
    if not field or not set(field) <= set(b"01234567"):
        return False
    return sum(head[:148]) + sum(b" " * 8) + sum(head[156:_BLOCK_BYTES]) == int(field, 8)


def _dockerfile(place: str) -> str:
    for name in (_DEFAULT, _DEFAULT.lower()):
        if os.path.exists(f"{place}/{name}"):
            return f"{place}/{name}"
    raise ContextError(f"unable to evaluate symlinks in Dockerfile path: lstat {os.path.abspath(place)}/{_DEFAULT}: "
                       "no such file or directory")  # fmt: skip


def _ignore(place: str, dockerfile: str | None) -> Ignore:
    """A Dockerfile may have one of its own beside it."""
    own = None if dockerfile is None else f"{dockerfile}{_IGNORE}"
    path = own if own and os.path.isfile(own) else f"{place}/{_IGNORE}"
    return _ignore_text(_read(path) if os.path.isfile(path) else None)


def _ignore_text(text: str | None) -> Ignore:
    return Ignore(text or "")


def _read(path: str) -> str:
    try:
        with open(path, "rb") as file:
            return _decoded(file.read(_LIMIT_BYTES + 1), path)
    except OSError as error:
        reason = os.strerror(error.errno or 0).lower()
        raise ContextError(f"unable to prepare context: open {path}: {reason}") from error


def _decoded(content: bytes, name: str) -> str:
    if len(content) > _LIMIT_BYTES:
        raise ContextError(f"read {name}: more than {_LIMIT_BYTES} bytes")
    return content.decode("utf-8", "surrogateescape")

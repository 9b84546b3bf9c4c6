"""The files of a container: what it has changed, all of it as an archive, and copies in and out.

Copies follow ``docker cp``: what ends in ``/.`` is what is in a directory, a destination that is no directory yet gives
the copy its name. What comes in belongs to root, what goes out to whoever copies, unless owners are to be kept.
"""

from __future__ import annotations

import os

from runtime.engine.errors import Conflict, EngineError, NoSuchPath
from runtime.engine.reach import reading, root_view, writing
from runtime.unwinding import contextmanager

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from runtime.engine.container import Container
    from runtime.image.archives import Writable
    from runtime.image.changes import Change
    from runtime.image.copying import Found, PathStat
    from runtime.image.digest import Readable
    from runtime.image.view import View

_ROOT = (0, 0)


def changes(container: Container) -> tuple[Change, ...]:
    """What it has added, changed and deleted."""
    from pathlib import Path

    from runtime.image.changes import changes as changes_of

    if not os.path.isdir(container.upper):
        return ()
    return changes_of(Path(container.upper), tuple(map(Path, container.lowers)))


def export(container: Container, stream: Writable) -> None:
    """Write its root as an archive; what is mounted in it is not of it."""
    from runtime.image.archives import write_all
    from runtime.image.members import tree_members
    from runtime.image.tarwriter import archive

    with root_view(container) as view:
        for chunk in archive(tree_members(view, view.root)):
            write_all(stream, chunk)


def stat(container: Container, path: str) -> PathStat:
    """What is at a path, of a link itself; raises `NoSuchPath`."""
    from runtime.image.copying import path_stat

    with reading(container, path) as (view, place), _translated(container, path):
        return path_stat(view, place)


def read(container: Container, path: str, stream: Writable, *, follow: bool = False) -> None:
    """Write what is at a path as an archive (``cp CONTAINER:PATH -``); ``follow`` a link there."""
    from runtime.image.archives import write_all
    from runtime.image.copying import find, read_tree

    with reading(container, path) as (view, place):
        with _translated(container, path):
            found = find(view, place, follow=follow)
        for chunk in read_tree(view, found):
            write_all(stream, chunk)


def write(container: Container, path: str, stream: Readable, *, keep_owner: bool = True) -> None:
    """Put an archive's files into a directory of the container (``cp - CONTAINER:PATH``)."""
    from runtime.image.copying import write_tree

    with writing(container, path) as (view, tree, place):
        node = view.resolve(place)
        if node is None:
            raise NoSuchPath(path, container.name)
        if not node.is_directory:
            raise Conflict(f"extraction point is not a directory: {path}")
        with _translated(container, path):
            write_tree(tree, node.path, stream, owner=None if keep_owner else _ROOT)


def copy_out(
    container: Container, source: str, destination: str, *, follow: bool = False, keep_owner: bool = False
) -> None:
    """``cp CONTAINER:SOURCE DESTINATION``, a path of this host."""
    from runtime.image.copying import copy, find, host, host_path, plan

    owner = None if keep_owner else (os.geteuid(), os.getegid())
    with reading(container, source) as (view, place), host() as (here, tree), _translated(container, source):
        found = find(view, place, follow=follow)
        copy(view, found, tree, plan(here, host_path(destination), found), owner)


def copy_in(
    container: Container, source: str, destination: str, *, follow: bool = False, keep_owner: bool = False
) -> None:
    """``cp SOURCE CONTAINER:DESTINATION``, from a path of this host."""
    from runtime.image.copying import copy, host, host_path, plan

    owner = None if keep_owner else _ROOT
    with (
        host() as (here, _),
        writing(container, destination) as (view, tree, place),
    ):
        found = _find_here(here, host_path(source), follow=follow)
        with _translated(container, destination):
            copy(here, found, tree, plan(view, place, found), owner)


def _find_here(here: View, path: str, *, follow: bool) -> Found:
    """What is to be copied, on this host; raises `EngineError`."""
    from runtime.image.copying import CopyError, NoSuchPath, find

    try:
        return find(here, path, follow=follow)
    except NoSuchPath as error:
        raise EngineError(f"lstat {path}: no such file or directory") from error
    except CopyError as error:
        raise EngineError(str(error)) from error


@contextmanager
def _translated(container: Container, path: str) -> Iterator[None]:
    """The errors of a copy in the engine's words."""
    from runtime.image import copying
    from runtime.image.errors import ImageError

    try:
        yield
    except copying.NoSuchPath as error:
        raise NoSuchPath(path, container.name) from error
    except ImageError as error:
        raise EngineError(str(error)) from error
    except OSError as error:
        raise EngineError(f"copy {path}: {error.strerror}") from error

"""Find modules in the one file that `runtime.cli.modules` makes: for the scripts that start a cold command.

A source that has changed since is imported as usual, and the file made anew by the next command.
"""

from __future__ import annotations

import marshal
import os
import sys
from _frozen_importlib import ModuleSpec

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection
    from types import CodeType, ModuleType

    Entry = tuple[str, int, int, bytes]


class Finder:
    """Finds and loads the modules of the file (importlib.abc)."""

    def __init__(self, path: str, above: str, entries: dict[str, Entry]) -> None:
        self._path = path
        self._above = above
        self._entries = entries

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        """None for what is not in the file, or not as it was."""
        del path, target
        entry = self._entries.get(name)
        if entry is None:
            return None
        source = f"{self._above}/{entry[0]}"
        if not _is_current(source, entry):
            self._forget()
            return None
        spec = ModuleSpec(name, self, origin=source, is_package=source.endswith("/__init__.py"))  # type: ignore[arg-type]
        if spec.submodule_search_locations is not None:
            spec.submodule_search_locations.append(os.path.dirname(source))
        spec.has_location = True
        return spec

    def create_module(self, spec: ModuleSpec) -> None:
        """As usual."""
        del spec

    def exec_module(self, module: ModuleType) -> None:
        """Run its code."""
        code: CodeType = marshal.loads(self._entries[module.__name__][3])  # noqa: S302 - a file of our own
        exec(code, module.__dict__)  # noqa: S102 - which is what importing is

    def _forget(self) -> None:
        try:
            os.unlink(self._path)
        except OSError:  # somebody else did
            return


def _is_current(source: str, entry: Entry) -> bool:
    try:
        status = os.stat(source)
    except OSError:
        return False
    return status.st_mtime_ns == entry[1] and status.st_size == entry[2]


def use_modules(package: str, program: str, left_out: Collection[str] = ()) -> None:
    """Use the file of the program; or make it, of the modules of ``package``, for the next command."""
    path = f"{package}/__pycache__/{program}.{sys.implementation.cache_tag}.modules"
    try:
        with open(path, "rb") as file:
            entries: dict[str, Entry] = dict(marshal.load(file))  # noqa: S302 - a file of our own
    except (OSError, ValueError, EOFError, TypeError):
        from runtime.cli.modules import write

        write(package, path, left_out)
    else:
        sys.meta_path.insert(0, Finder(path, os.path.dirname(package), entries))

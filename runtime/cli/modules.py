"""Keep all modules of a cold command compiled in one file, as Python keeps each in a .pyc of its own.

Eighty modules are eighty searches, stats, opens and reads. `runtime.cli.finder` reads the file that `write` makes. A
source that is of another time or size than it was then is imported as usual, and the file made anew.
"""

from __future__ import annotations

import marshal
import os

from runtime.unwinding import suppress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

_NO_DOCSTRINGS = 2


def write(package: str, path: str, left_out: Collection[str] = ()) -> None:
    """Compile the modules of the package, a directory, into one file; where that cannot be done, do not.

    Folders that are ``left_out`` are not looked into.
    """
    temporary, above = f"{path}.{os.getpid()}", os.path.dirname(package)
    with suppress(OSError, SyntaxError):  # a source that is being written: who needs it will say so
        content = marshal.dumps({name: _entry(source, above) for name, source in _sources(package, left_out)})
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(temporary, "wb") as file:
            file.write(content)
        os.rename(temporary, path)


def _sources(package: str, left_out: Collection[str]) -> Iterator[tuple[str, str]]:
    """Names of modules and the files that they are in."""
    above = os.path.dirname(package)
    for directory, folders, files in os.walk(package):
        folders[:] = [folder for folder in folders if folder != "__pycache__" and folder not in left_out]
        for file in files:
            if file.endswith(".py"):
                source = f"{directory}/{file}"
                name = os.path.relpath(source, above).removesuffix(".py").replace("/", ".")
                yield name.removesuffix(".__init__"), source


def _entry(source: str, above: str) -> tuple[str, int, int, bytes]:
    """Where it is below what may be moved or copied, when it was changed, its size, and what it compiles to."""
    with open(source, "rb") as file:
        status = os.fstat(file.fileno())
        code = compile(file.read(), source, "exec", dont_inherit=True, optimize=_NO_DOCSTRINGS)
    return os.path.relpath(source, above), status.st_mtime_ns, status.st_size, marshal.dumps(code)

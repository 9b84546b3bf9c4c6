"""COPY and ADD as they are written: where from, what is picked, and where it goes."""

from __future__ import annotations

import os
from pathlib import Path

from runtime.build.commands import owner_of
from runtime.build.errors import BuildError
from runtime.build.ignore import Ignore
from runtime.build.lines import heredoc_name
from runtime.build.words import expand
from runtime.unwinding import contextmanager
from runtime.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from runtime.build.context import Context
    from runtime.build.instructions import Instruction
    from runtime.build.sources import Picked, Place
    from runtime.build.workspace import Room

_URLS = ("http://", "https://")
_SEVERAL = "more than one source file, the destination must be a directory and end with a /"


class Transfer(Value):
    """A COPY or ADD whose sources are known: ``words`` go to the history, and decide with the parent what it makes."""

    place: Place
    picked: tuple[Picked, ...]
    destination: str
    chown: str
    mode: int | None
    extracts: bool
    words: str

    def perform(self, room: Room) -> None:
        """Copy into the mounted layers."""
        from runtime.build.copying import Copy, copy

        owner = owner_of(self.chown, room.merged) if self.chown else None if self.place.keeps_owners else (0, 0)
        copy(self.place, self.picked, Copy(self.destination, owner, self.mode, self.extracts), room.merged)


class Transfers:
    """Those of one build. ``layers_of`` finds the layers of a stage or image, ``scratch`` makes an empty directory."""

    def __init__(
        self, context: Context, layers_of: Callable[[str], tuple[str, ...]], scratch: Callable[[], str], escape: str
    ) -> None:
        self._context = context
        self._layers_of = layers_of
        self._scratch = scratch
        self._escape = escape

    @contextmanager
    def open(self, instruction: Instruction, variables: Mapping[str, str], working_dir: str) -> Iterator[Transfer]:
        """While the body runs; raises `BuildError` and ValueError."""
        from runtime.build.sources import digest_of

        def expanded(word: str) -> str:
            return expand(word, variables, self._escape)

        words = [expanded(word) if heredoc_name(word) is None else word for word in instruction.words]
        *sources, target = words
        chown = expanded(instruction.flag("chown") or "")
        mode = _mode(expanded(instruction.flag("chmod") or ""))
        with self._place(instruction, sources, variables) as (place, names):
            picked = place.pick(names)
            destination = _destination(target, working_dir)
            if len(picked) > 1 and not destination.endswith("/"):
                raise BuildError(f"When using {instruction.keyword} with {_SEVERAL}")
            local = not any(source.startswith(_URLS) for source in sources)
            digest = digest_of(place, picked, chown, str(mode))
            owner = f"--chown={chown}" if chown else ""  # without a blank after it, as docker writes it
            words_of = f"{instruction.keyword} {owner}{digest} in {target} "
            yield Transfer(place, picked, destination, chown, mode, instruction.keyword == "ADD" and local, words_of)

    @contextmanager
    def _place(
        self, instruction: Instruction, sources: list[str], variables: Mapping[str, str]
    ) -> Iterator[tuple[Place, list[str]]]:
        from runtime.build.sources import Place
        from runtime.image.view import View

        origin = instruction.flag("from")
        made = self._made(instruction, sources, variables)
        if origin is not None:
            directories, keeps, ignore = self._layers_of(origin), True, Ignore()
        elif made is not None:
            directories, keeps, ignore = (made,), False, Ignore()
            sources = os.listdir(made) if len(sources) == 1 else [_file_name(source) for source in sources]
        else:
            directories, keeps, ignore = (self._context.directory,), False, self._context.ignore
        if instruction.all("exclude"):
            ignore = ignore.with_lines(instruction.all("exclude"))
        with View.of(tuple(map(Path, directories))) as view:
            yield Place(view, ignore, keeps_owners=keeps), sources

    def _made(self, instruction: Instruction, sources: list[str], variables: Mapping[str, str]) -> str | None:
        """A directory with what is not there as files yet: here-documents and downloads."""
        heredocs = {heredoc.name: heredoc for heredoc in instruction.line.heredocs}
        named = [heredoc_name(source) for source in sources]
        remote = [source.startswith(_URLS) and instruction.keyword == "ADD" for source in sources]
        if not any(remote) and not any(name in heredocs for name in named if name):
            return None
        if not all(is_url or (name in heredocs) for is_url, name in zip(remote, named, strict=True)):
            raise BuildError("files of the context and others cannot be copied by one instruction")
        directory = self._scratch()
        for source, name in zip(sources, named, strict=True):
            if name in heredocs:
                heredoc = heredocs[name]
                content = expand_text(heredoc.content, variables) if heredoc.expand else heredoc.content
                _write(f"{directory}/{name}", content)
            else:
                from runtime.build.download import download

                download(source, f"{directory}/{_file_name(source)}")
        return directory


def expand_text(text: str, variables: Mapping[str, str]) -> str:
    """A here-document's text with its variables in place; quotes and backslashes are text."""
    quoted = text.replace("\\", "\\\\").replace('"', '\\"')
    return expand(f'"{quoted}"', variables)


def _file_name(source: str) -> str:
    from urllib.parse import unquote, urlsplit

    name = heredoc_name(source)
    if name is not None:
        return name
    name = os.path.basename(unquote(urlsplit(source).path))
    if not name or name in {".", ".."}:
        raise BuildError(f"cannot determine filename from url: {source}")
    return name


def _destination(target: str, working_dir: str) -> str:
    """Absolute, with the slash at its end that says that it is a directory."""
    path = os.path.normpath(os.path.join(working_dir, target)).replace("//", "/")
    directory = target.endswith(("/", "/.")) or target in {".", ""}
    return f"{path.rstrip('/')}/" if directory else path


def _mode(text: str) -> int | None:
    if not text:
        return None
    if not (0 < len(text) <= 5 and set(text) <= set("01234567")) or int(text, 8) > 0o7777:
        raise BuildError(f"invalid chmod parameter: {text!r}. it should be octal string and between 0 and 07777")
    return int(text, 8)


def _write(path: str, text: str) -> None:
    with open(path, "w", encoding="utf-8", errors="surrogateescape", newline="") as file:
        os.fchmod(file.fileno(), 0o644)
        file.write(text)
    os.utime(path, (0, 0))

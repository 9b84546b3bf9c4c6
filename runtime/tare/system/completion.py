"""``completion``: a script for the shell, which asks `tare __complete` what may come next.

What may come next is known from the catalogue, from the flags of the verb, and from what its usage calls its arguments:
an IMAGE, CONTAINER, NETWORK or VOLUME is one that there is.
"""

from __future__ import annotations

import re

from runtime.tare import catalogue
from runtime.tare.errors import FAILED, UsageError
from runtime.tare.verb import Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from runtime.tare.context import Session
    from runtime.tare.flags import Given

_BASH = """\
_tare() {
    local IFS=$'\\n'
    COMPREPLY=($(compgen -W "$(tare __complete -- "${COMP_WORDS[@]:1:COMP_CWORD-1}" 2>/dev/null)" \\
        -- "${COMP_WORDS[COMP_CWORD]}"))
}
complete -o default -F _tare tare
"""
_ZSH = """\
#compdef tare
_tare() {
    local -a found
    found=("${(@f)$(tare __complete -- "${(@)words[2,CURRENT-1]}" 2>/dev/null)}")
    compadd -- $found || _files
}
compdef _tare tare
"""
_FISH = """\
complete -c tare -f -a '(tare __complete -- (commandline -opc)[2..-1] 2>/dev/null)'
"""
_SCRIPTS = {"bash": _BASH, "zsh": _ZSH, "fish": _FISH}
_ARGUMENT = re.compile(r"\b(CONTAINER|IMAGE|SOURCE_IMAGE|NAME|NETWORK|VOLUME)\b")


def perform(session: Session, given: Given) -> None:
    """The script, to be sourced."""
    shell = given.arguments[0]
    if shell not in _SCRIPTS:
        raise UsageError(f'unknown shell "{shell}": must be one of {", ".join(_SCRIPTS)}', FAILED)
    session.write(_SCRIPTS[shell].encode())


def perform_complete(session: Session, given: Given) -> None:
    """One candidate a line; ``arguments`` are the words before the one that is being written."""
    for candidate in sorted(_candidates(session, given.arguments)):
        session.say(candidate)


def _candidates(session: Session, words: list[str]) -> Iterable[str]:
    entry, rest = _entry(words)
    if entry is None:
        return _names(tuple(rest))
    from runtime.tare.group import load

    verb = load(entry)
    flags = {f"--{flag.name}" for flag in verb.flags if not flag.hidden}
    return {*flags, *_objects(session, verb.usage)}


def _entry(words: list[str]) -> tuple[catalogue.Entry | None, list[str]]:
    """The verb that the words begin with; the words themselves if there is none yet."""
    for length in (2, 1):
        found = catalogue.find(tuple(words[:length])) if len(words) >= length else None
        if found is not None:
            return found, words[length:]
    return None, words


def _names(path: tuple[str, ...]) -> Iterable[str]:
    """The groups and verbs, or the verbs of a group."""
    if path and path[0] not in catalogue.GROUPS:
        return ()
    names = {entry.path[-1] for entry in catalogue.ENTRIES if entry.path[:-1] == path and not entry.hidden}
    return names if path else names | set(catalogue.GROUPS)


def _objects(session: Session, usage: str) -> Iterable[str]:
    found = _ARGUMENT.search(usage)
    return _LISTS[found[1]](session) if found else ()


def _images(session: Session) -> Iterable[str]:
    from runtime.tare.images.names import named_entries, store_of

    return [entry.ref_name for entry in named_entries(store_of(session))]


def _containers(session: Session) -> Iterable[str]:
    return [container.name for container in session.engine.containers.list()]


def _networks(session: Session) -> Iterable[str]:
    return [network.name for network in session.engine.networks.list()]


def _volumes(session: Session) -> Iterable[str]:
    return [volume.name for volume in session.engine.volumes.list()]


_LISTS: dict[str, Callable[[Session], Iterable[str]]] = {
    "CONTAINER": _containers,
    "IMAGE": _images,
    "SOURCE_IMAGE": _images,
    "NAME": _images,
    "NETWORK": _networks,
    "VOLUME": _volumes,
}

COMPLETION = Verb(
    "completion SHELL", "Generate the autocompletion script for the specified shell", perform, least=1, most=1
)
COMPLETE = Verb("__complete WORD...", "Say what may come next", perform_complete, most=None, interspersed=False)

"""Seccomp profiles as config.json has them: ours, or a file in Docker's form (profiles/seccomp/seccomp.go)."""

from __future__ import annotations

from runtime.engine.errors import BadOption

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from runtime.linux.seccomp import Rule

_ARCHES = {"amd64": "x86_64", "x86": "i386", "arm64": "aarch64"}
_DATA = 0xFFFF
_known: dict[tuple[str, ...], dict[str, Any]] = {}


def default_profile(capabilities: tuple[str, ...]) -> dict[str, Any]:
    """Ours, for these capabilities; kept for the next container with the same."""
    if capabilities not in _known:
        from runtime.spec.profile import default_profile as make

        profile = make(frozenset(capabilities))
        _known[capabilities] = {
            **_action(profile.default_action, "defaultAction", "defaultErrnoRet"),
            "architectures": list(profile.architectures),
            "syscalls": [_syscall(rule) for rule in profile.rules],
        }
    return _known[capabilities]


def _action(number: int, name: str, data_name: str) -> dict[str, Any]:
    from runtime.linux.seccomp import RET_ERRNO
    from runtime.spec.seccomp import ACTIONS

    kind = next(action for action, value in ACTIONS.items() if value == number & ~_DATA)
    return {name: kind} | ({data_name: number & _DATA} if ACTIONS[kind] == RET_ERRNO else {})


def _syscall(rule: Rule) -> dict[str, Any]:
    from runtime.spec.seccomp import OPERATORS

    operators = {short: name for name, short in OPERATORS.items()}
    arguments = [
        {"index": one.index, "value": one.value, "valueTwo": one.value_two, "op": operators[one.op]}
        for one in rule.arguments
    ]
    return {"names": list(rule.names), **_action(rule.action, "action", "errnoRet"), "args": arguments}


def read_profile(path: str, capabilities: tuple[str, ...]) -> dict[str, Any]:
    """That of a file, for a container with these capabilities on this machine; raises `BadOption`."""
    import json

    try:
        with open(path, encoding="utf-8") as file:
            document = json.load(file)
    except OSError as error:
        raise BadOption(f"opening seccomp profile ({path}) failed: {error.strerror}") from error
    except ValueError as error:
        raise BadOption(f"Decoding seccomp profile failed: {error}") from error
    if not isinstance(document, dict):
        raise BadOption("Decoding seccomp profile failed: it is no object")
    return for_capabilities(document, capabilities)


def for_capabilities(document: dict[str, Any], capabilities: Sequence[str]) -> dict[str, Any]:
    """Docker's form has conditions, and names of architectures by machine; what is left is the specification's."""
    if document.get("archMap") and document.get("architectures"):
        raise BadOption("use either 'architectures' or 'archMap' in the seccomp profile, but not both")
    made = {name: content for name, content in document.items() if name not in {"archMap", "syscalls"}}
    if document.get("archMap"):
        made["architectures"] = _architectures(document["archMap"])
    made["syscalls"] = [
        _plain(entry) for entry in document.get("syscalls") or () if _applies(entry, frozenset(capabilities))
    ]
    return made


def _architectures(maps: Any) -> list[str]:
    import os

    native = f"SCMP_ARCH_{os.uname().machine.upper()}"
    found = (entry for entry in maps if entry["architecture"] == native)
    return [name for entry in found for name in (entry["architecture"], *(entry.get("subArchitectures") or ()))]


def _plain(entry: dict[str, Any]) -> dict[str, Any]:
    """Without conditions and comments; ``name`` is an older form of ``names``."""
    made = {name: entry[name] for name in ("names", "action", "errnoRet", "args") if entry.get(name) is not None}
    if "name" in entry and not made.get("names"):
        made["names"] = [entry["name"]]
    return made


def _applies(entry: dict[str, Any], capabilities: frozenset[str]) -> bool:
    includes, excludes = entry.get("includes") or {}, entry.get("excludes") or {}
    if not capabilities.issuperset(includes.get("caps") or ()) or capabilities & set(excludes.get("caps") or ()):
        return False
    if includes.get("arches") and not _is_native(includes["arches"]):
        return False
    if excludes.get("arches") and _is_native(excludes["arches"]):
        return False
    return not includes.get("minKernel") or _kernel() >= _version(includes["minKernel"])


def _is_native(arches: list[str]) -> bool:
    import os

    return any(_ARCHES.get(arch, arch) == os.uname().machine for arch in arches)


def _kernel() -> tuple[int, int]:
    import os

    return _version(os.uname().release)


def _version(text: str) -> tuple[int, int]:
    major, _, rest = text.partition(".")
    digits = ""
    for character in rest:
        if not character.isdigit():
            break
        digits += character
    return int(major), int(digits or 0)

"""What a container may: its capabilities and its security options, as Docker reads them (oci/caps, daemon_unix.go)."""

from __future__ import annotations

from runtime.engine.errors import BadOption
from runtime.linux.capabilities import DEFAULT, NAMES
from runtime.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runtime.engine.options import CreateOptions

_ALL = "ALL"
_IGNORED = frozenset({"apparmor", "label"})
"""Of security modules that Debian's hosts need not have; what is asked of them has no effect here."""


class Security(Value):
    """``seccomp`` is empty for the default profile, ``unconfined``, or the path of a file of a profile's text."""

    no_new_privileges: bool = False
    seccomp: str = ""
    unconfined_paths: bool = False


def check_rights(options: CreateOptions) -> None:
    """Raise `BadOption` for names of capabilities and options that there are not."""
    capabilities_of(options)
    security_of(options)


def capabilities_of(options: CreateOptions) -> tuple[str, ...]:
    """Those that the container has, by number."""
    added, dropped = _names(options.cap_add, "cap-add"), _names(options.cap_drop, "cap-drop")
    if options.privileged:
        return NAMES
    if _ALL in added:
        kept = set(NAMES) - dropped
    elif _ALL in dropped:
        kept = added
    else:
        kept = (set(DEFAULT) - dropped) | added
    return tuple(name for name in NAMES if name in kept)


def _names(given: tuple[str, ...], option: str) -> set[str]:
    names = set()
    for text in given:
        upper = text.upper()
        name = upper if upper == _ALL or upper.startswith("CAP_") else f"CAP_{upper}"
        if name != _ALL and name not in NAMES:
            raise BadOption(f'invalid {option}: unknown capability: "{name}"')
        names.add(name)
    return names


def security_of(options: CreateOptions) -> Security:
    """The options, sorted; a privileged container is not confined."""
    no_new, seccomp, unconfined = False, "unconfined" if options.privileged else "", options.privileged
    for option in options.security_opt:
        name, separator, content = _split(option)
        if name == "no-new-privileges":
            if content not in {"", "true", "false"}:
                raise BadOption(f'invalid --security-opt 2: "{option}"')
            no_new = content != "false"
        elif name == "seccomp" and separator and content:
            seccomp = "" if content == "builtin" else content
        elif name == "systempaths" and content == "unconfined":
            unconfined = True
        elif name not in _IGNORED or not separator:
            raise BadOption(f'invalid --security-opt 2: "{option}"')
    return Security(no_new, seccomp, unconfined)


def _split(option: str) -> tuple[str, str, str]:
    """``name=content``, or ``name:content`` as it was written once."""
    return option.partition("=") if "=" in option else option.partition(":")

"""What --help prints, in docker's shape."""

from __future__ import annotations

from runtime.tare import catalogue

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from runtime.tare.flags import Flag
    from runtime.tare.verb import Verb

_WIDTH = 80


def top_help(flags: Sequence[Flag]) -> str:
    """All verbs and groups."""
    top = {entry.path[0]: entry.purpose for entry in catalogue.ENTRIES if len(entry.path) == 1 and not entry.hidden}
    others = sorted(name for name in top if name not in catalogue.COMMON)
    parts = [
        "Usage:  tare [OPTIONS] COMMAND",
        "The engine of containers and images",
        _section("Common Commands", ((name, top[name]) for name in catalogue.COMMON)),
        _section("Management Commands", sorted(catalogue.GROUPS.items())),
        _section("Commands", ((name, top[name]) for name in others)),
        _options("Global Options", flags),
        "Run 'tare COMMAND --help' for more information on a command.",
    ]
    return "\n\n".join(parts)


def group_help(group: str) -> str:
    """The verbs of a group."""
    members = [(entry.path[1], entry.purpose) for entry in catalogue.ENTRIES if entry.path[:-1] == (group,)]
    return "\n\n".join(
        [
            f"Usage:  tare {group} COMMAND",
            catalogue.GROUPS[group],
            _section("Commands", sorted(members)),
            f"Run 'tare {group} COMMAND --help' for more information on a command.",
        ]
    )


def verb_help(path: str, verb: Verb, names: Sequence[str]) -> str:
    """What the verb takes."""
    _, _, takes = verb.usage.partition(" ")
    parts = [f"Usage:  {path} {takes}".rstrip(), verb.purpose]
    if verb.details:
        parts.append(verb.details)
    if len(names) > 1:
        parts.append(f"Aliases:\n  {', '.join(names)}")
    shown = [flag for flag in verb.flags if not flag.hidden]
    if shown:
        parts.append(_options("Options", sorted(shown, key=lambda flag: flag.name)))
    return "\n\n".join(parts)


def _section(title: str, rows: Iterable[tuple[str, str]]) -> str:
    pairs = list(rows)
    width = max(len(name) for name, _ in pairs)
    return "\n".join([f"{title}:", *(f"  {name.ljust(width)}   {purpose}" for name, purpose in pairs)])


def _options(title: str, flags: Sequence[Flag]) -> str:
    heads = [f"{f'-{flag.short}, ' if flag.short else '    '}--{flag.name} {flag.metavar}".rstrip() for flag in flags]
    width = max(map(len, heads))
    lines = [f"{title}:"]
    for head, flag in zip(heads, flags, strict=True):
        first, *rest = _wrapped(flag.help, max(30, _WIDTH - width - 5))
        lines.append(f"  {head.ljust(width)}   {first}".rstrip())
        lines += [f"{' ' * (width + 5)}{line}" for line in rest]
    return "\n".join(lines)


def _wrapped(text: str, width: int) -> list[str]:
    """textwrap does it, too, but takes longer to import than this does to run."""
    lines = [""]
    for word in text.split():
        if lines[-1] and len(lines[-1]) + 1 + len(word) > width:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".lstrip()
    return lines

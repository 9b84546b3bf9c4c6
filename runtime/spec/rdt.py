"""``linux.intelRdt`` of a config.json: shares of caches and of memory bandwidth (config-linux.md, "IntelRdt")."""

from __future__ import annotations

from runtime.spec.reader import Reader, show
from runtime.values import Value


class IntelRdt(Value):
    """``schemata`` are all lines in the order in which they are written; ``clos_id`` None is the container's id."""

    clos_id: str | None = None
    schemata: tuple[str, ...] = ()
    monitoring: bool = False


def parse_rdt(content: object, path: str = "linux.intelRdt") -> IntelRdt:
    """The decoded object as a value; raises `SpecError`."""
    reader = Reader(content, path)
    return IntelRdt(_clos_id(reader), _schemata(reader), reader.flag("enableMonitoring"))


def _clos_id(reader: Reader) -> str | None:
    """One name in the top directory, or ``/`` for that itself."""
    name = reader.string("closID")
    if name is not None and name != "/" and ("/" in name or name in {".", ".."}):
        raise reader.error("closID", f"{show(name)} is no name of a class of service")
    return name


def _schemata(reader: Reader) -> tuple[str, ...]:
    """L3 first, then the bandwidth, and last the lines that are given whole."""
    lines = []
    for name, start in (("l3CacheSchema", ""), ("memBwSchema", "MB:")):
        line = reader.string(name)
        if line is not None:
            if "\n" in line or not line.startswith(start):
                raise reader.error(name, f"{show(line)} is no line{f' that starts with {start}' if start else ''}")
            lines.append(line)
    for index, line in enumerate(reader.strings("schemata")):
        if "\n" in line:
            raise reader.error(f"schemata[{index}]", f"{show(line)} is more than a line")
        lines.append(line)
    return tuple(lines)

"""Lists of processors and memory nodes as text, ``0-2,5`` (cpuset(7), "List format")."""

from __future__ import annotations

from runtime.spec.reader import show

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runtime.spec.reader import Reader

MOST_CPUS = 8192
"""The largest CONFIG_NR_CPUS there is."""
MOST_NODES = 1023
"""MAX_NUMNODES is 1,024; of the bits that set_mempolicy(2) is given it leaves one out."""


def parse_list(reader: Reader, name: str, most: int) -> tuple[int, ...]:
    """The numbers, below ``most``, in order and each once; empty when absent; raises `SpecError`."""
    text = reader.string(name) or ""
    numbers: set[int] = set()
    for part in text.split(",") if text else ():
        first, dash, last = part.strip().partition("-")
        ends = (first, last if dash else first)
        if not all(end.isascii() and end.isdigit() and len(end) <= len(str(most)) for end in ends):
            raise reader.error(name, f"{show(text)} is no list such as 0-2,5")
        low, high = map(int, ends)
        if low > high:
            raise reader.error(name, f"{show(part)} runs backwards")
        if high >= most:
            raise reader.error(name, f"{high} is not within 0 and {most - 1}")
        numbers.update(range(low, high + 1))
    return tuple(sorted(numbers))

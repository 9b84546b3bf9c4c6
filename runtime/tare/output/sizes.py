"""Sizes as docker writes them (go-units): kB is 1000 for what is on disk, KiB is 1024 for memory."""

from __future__ import annotations

_DECIMAL = ("B", "kB", "MB", "GB", "TB", "PB", "EB", "ZB", "YB")
_BINARY = ("B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB", "ZiB", "YiB")
_POWERS = {"k": 1, "m": 2, "g": 3, "t": 4, "p": 5}


def human_size(size_bytes: float, digits: int = 3) -> str:
    """``1.24MB``, by powers of 1000."""
    return _scaled(size_bytes, 1000, _DECIMAL, digits)


def memory_size(size_bytes: float, digits: int = 4) -> str:
    """``1.181MiB``, by powers of 1024."""
    return _scaled(size_bytes, 1024, _BINARY, digits)


def _scaled(size: float, base: int, units: tuple[str, ...], digits: int) -> str:
    place = 0
    while size >= base and place < len(units) - 1:
        size /= base
        place += 1
    return f"{size:.{digits}g}{units[place]}"


def parse_memory(text: str) -> int:
    """Bytes of ``512m`` or ``1.5GiB``, by powers of 1024 (go-units, RAMInBytes); raises ValueError."""
    number = text.rstrip("bBiIkKmMgGtTpP ")
    unit = text[len(number) :].strip().lower()
    letter = unit[:1] if unit[:1] != "b" else ""
    known = unit in {"", "b", letter, f"{letter}b", f"{letter}ib"}
    if not known or number.count(".") > 1 or not number.replace(".", "").isdecimal():
        raise ValueError(f"invalid size: '{text}'")
    return int(float(number) * 1024 ** _POWERS.get(letter, 0))

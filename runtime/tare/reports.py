"""What an error of the libraries reads like: theirs are sentences already, and what is none of theirs is a bug."""

from __future__ import annotations

_LIBRARIES = "runtime."


def sentence(error: BaseException) -> str:
    """One line."""
    text = " ".join(str(error).split())
    if type(error).__module__.startswith(_LIBRARIES) and text:
        return text
    if isinstance(error, OSError) and error.strerror:
        return ": ".join(filter(None, (_text(error.filename), error.strerror.lower())))
    return f"{type(error).__name__}: {text or 'no message'}; this is a bug, TARE_DEBUG=1 shows where"


def _text(name: object) -> str:
    return name.decode(errors="surrogateescape") if isinstance(name, bytes) else str(name or "")

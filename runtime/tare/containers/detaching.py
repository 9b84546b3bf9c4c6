"""The keys that leave a container to itself, ``ctrl-p,ctrl-q`` unless told otherwise (moby/term, proxy.go)."""

from __future__ import annotations

from runtime.tare.errors import UsageError

DEFAULT_KEYS = "ctrl-p,ctrl-q"
_CONTROLS = {"@": 0, "[": 27, "\\": 28, "]": 29, "^": 30, "_": 31}


def parse_keys(text: str) -> bytes:
    """The bytes that a terminal sends for them; raises `UsageError`."""
    return bytes(_parse_key(key) for key in (text or DEFAULT_KEYS).split(","))


def _parse_key(key: str) -> int:
    if len(key) == 1 and key.isascii():
        return ord(key)
    letter = key.lower().removeprefix("ctrl-")
    if key.lower().startswith("ctrl-") and len(letter) == 1:
        if "a" <= letter <= "z":
            return ord(letter) - ord("a") + 1
        if letter in _CONTROLS:
            return _CONTROLS[letter]
    raise UsageError(f"invalid detach keys: unknown character: '{key}'")


class KeyWatch:
    """Reads over what is typed: the keys are held back until it is clear whether they are the sequence."""

    def __init__(self, keys: bytes) -> None:
        self._keys = keys
        self._seen = 0

    def pass_on(self, typed: bytes) -> tuple[bytes, bool]:
        """What goes on to the container, and whether the sequence is complete; nothing after it is looked at."""
        passed = bytearray()
        for byte in typed:
            if byte == self._keys[self._seen]:
                self._seen += 1
                if self._seen == len(self._keys):
                    self._seen = 0
                    return bytes(passed), True
                continue
            passed += self._keys[: self._seen]
            self._seen = int(byte == self._keys[0])
            if not self._seen:
                passed.append(byte)
            elif len(self._keys) == 1:
                return bytes(passed), True
        return bytes(passed), False

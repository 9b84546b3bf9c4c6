"""A backstage that writes down what it is asked for, and fails where a file says so: ``ROOT/fails`` names methods."""

from __future__ import annotations

from pathlib import Path

from runtime.supervision.errors import SupervisionError

NAME = f"{__name__}:Noting"


class Noting:
    """Its notes are the lines of ``ROOT/noted``, each a method or an action, and what belongs to it."""

    def __init__(self, root: str) -> None:
        self._root = Path(root)

    def _note(self, *words: str) -> None:
        with (self._root / "noted").open("a") as file:
            file.write(" ".join(words) + "\n")
        fails = self._root / "fails"
        if fails.exists() and words[0] in fails.read_text().split():
            raise SupervisionError(f"{words[0]} fails")

    def prepare(self, _: str) -> None:
        """Noted."""
        self._note("prepare")

    def running(self, _: str, pid: int) -> None:
        """Noted, and whether there is such a process."""
        self._note("running", str(Path(f"/proc/{pid}").exists()))

    def ended(self, _: str) -> None:
        """Noted."""
        self._note("ended")

    def removed(self, _: str) -> None:
        """Noted."""
        self._note("removed")

    def rest(self) -> None:
        """Not noted: it comes when it likes."""

    def tell(self, _: str, action: str, attributes: dict[str, str]) -> None:
        """Noted, with the attributes."""
        self._note(action, *(f"{name}={content}" for name, content in attributes.items()))

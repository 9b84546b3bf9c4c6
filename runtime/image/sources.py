"""The host's own package sources, as apt reads them (sources.list(5)): both formats, and what of them a suite needs."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from runtime.image.errors import BootstrapError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

# What belongs to a release; backports and proposed updates are for those who ask for them.
_PARTS = ("", "-updates", "-security", "/updates")
_OPTION = re.compile(r"\[([^\]]*)\]")
_USER_INFO = re.compile(r"(?<=://)[^/@\s]+@")
_HINT = "say which with --suite, or add it to /etc/apt/sources.list.d"


@dataclass(frozen=True, slots=True)
class Source:
    """Binary packages of some suites; ``signed_by`` is a path, fingerprints or a whole key, as it was written."""

    uris: tuple[str, ...]
    suites: tuple[str, ...]
    components: tuple[str, ...]
    signed_by: str = ""
    trusted: str = ""

    def stanza(self, *, secrets: bool = True) -> str:
        """In the format of deb822; without ``secrets`` the passwords in addresses are left out."""
        uris = " ".join(self.uris)
        fields = {
            "Types": "deb",
            "URIs": uris if secrets else _USER_INFO.sub("", uris),
            "Suites": " ".join(self.suites),
            "Components": " ".join(self.components),
            "Signed-By": self.signed_by,
            "Trusted": self.trusted,
        }
        return "".join(f"{name}: {value}\n" for name, value in fields.items() if value)

    @property
    def keyrings(self) -> tuple[str, ...]:
        """The files that hold its keys; a key may also stand here itself."""
        if "BEGIN PGP" in self.signed_by:
            return ()
        return tuple(word for word in re.split(r"[\s,]+", self.signed_by) if word.startswith("/"))


def host_sources(apt: Path) -> tuple[Source, ...]:
    """What the configuration below ``apt`` (as /etc/apt) says, in the order in which apt reads it."""
    files = [apt / "sources.list", *sorted((apt / "sources.list.d").glob("*"))]
    found: list[Source] = []
    for path in files:
        if path.is_file() and path.suffix in {".list", ".sources"}:
            text = path.read_text(encoding="utf-8", errors="replace")
            found += deb822(text) if path.suffix == ".sources" else one_line(text)
    return tuple(found)


def deb822(text: str) -> Iterator[Source]:
    """The stanzas of a file that ends in ``.sources``."""
    text = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
    for paragraph in re.split(r"\n[ \t]*\n", text):
        fields = _fields(paragraph)
        if "deb" in fields.get("types", "").split() and fields.get("enabled", "yes") not in {"no", "false", "0"}:
            uris, suites, parts = (tuple(fields.get(name, "").split()) for name in ("uris", "suites", "components"))
            yield Source(uris, suites, parts, fields.get("signed-by", ""), fields.get("trusted", ""))


def _fields(paragraph: str) -> dict[str, str]:
    """A line that begins with a blank goes on with the field before it."""
    fields: dict[str, str] = {}
    name = ""
    for line in paragraph.splitlines():
        if line[:1] in {" ", "\t"}:
            fields[name] = f"{fields.get(name, '')}\n{line}"
        elif ":" in line:
            name, _, value = line.partition(":")
            name = name.strip().lower()
            fields[name] = value.strip()
    return fields


def one_line(text: str) -> Iterator[Source]:
    """The lines of a file that ends in ``.list``."""
    for line in text.splitlines():
        words = _OPTION.sub("", line.partition("#")[0], count=1).split()
        if len(words) >= 3 and words[0] == "deb":
            found = _OPTION.search(line)
            options = dict(word.partition("=")[::2] for word in found[1].split()) if found else {}
            signed_by, trusted = options.get("signed-by", ""), options.get("trusted", "")
            yield Source((words[1],), (words[2],), tuple(words[3:]), signed_by, trusted)


def sources_for(suite: str, host_suite: str, sources: Sequence[Source]) -> tuple[Source, ...]:
    """The sources of ``suite``: those that name it, or else those of the host's own release, renamed.

    Raises `BootstrapError` when there is neither.
    """
    for base in (suite, host_suite):
        renamed = {f"{base}{part}": f"{suite}{part}" for part in _PARTS}
        found = [
            replace(source, suites=suites)
            for source in sources
            if (suites := tuple(renamed[name] for name in source.suites if name in renamed))
            and "main" in source.components
        ]
        if base and any(suite in source.suites for source in found):
            return tuple(found)
    known = ", ".join(dict.fromkeys(name for source in sources for name in source.suites)) or "none"
    raise BootstrapError(f"make a base of {suite!r}: apt has no source of it (it has: {known}); {_HINT}")

"""References: ``name[:tag][@digest]``, in the grammar of the distribution project (reference/regexp.go)."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import NoReturn, Self

from runtime.image.digest import Digest
from runtime.image.errors import InvalidDigest, InvalidReference

DEFAULT_TAG = "latest"
MAX_NAME_LENGTH = 255

_COMPONENT = re.compile(r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*")
_LABEL = r"(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])"
_DOMAIN = re.compile(rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[0-9a-fA-F:]+\])(?::[0-9]+)?")
# What Docker takes off a name before it shows or keeps it (distribution/reference, normalize.go).
_HUB_HOSTS = frozenset({"docker.io", "index.docker.io"})
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")


@dataclass(frozen=True, slots=True)
class Reference:
    """What an image is called. Names are taken as written: no registry is added to them."""

    name: str
    tag: str = ""
    digest: Digest | None = None

    def __str__(self) -> str:
        tag = f":{self.tag}" if self.tag else ""
        digest = f"@{self.digest}" if self.digest else ""
        return f"{self.name}{tag}{digest}"

    @property
    def familiar(self) -> Self:
        """The same without what Docker leaves out: its hub's host, and the namespace ``library`` there."""
        host, slash, path = self.name.partition("/")
        if not slash or host not in _HUB_HOSTS:
            return self
        namespace, _, rest = path.partition("/")
        return replace(self, name=rest if namespace == "library" and rest and "/" not in rest else path)

    @classmethod
    def parse(cls, text: str) -> Self:
        """The reference written as ``text``, its tag ``latest`` if neither tag nor digest is given."""
        rest, at, digest_text = text.partition("@")
        digest = _digest(text, digest_text) if at else None
        # A colon before the last slash belongs to the registry's port.
        slash = rest.rfind("/")
        colon = rest.find(":", slash + 1)
        name, tag = (rest, None) if colon < 0 else (rest[:colon], rest[colon + 1 :])
        _check_name(text, name)
        if tag is not None and not _TAG.fullmatch(tag):
            _fail(text, f"tag {tag!r} is not 1 to 128 letters, digits, '_', '.' or '-'")
        return cls(name, tag or ("" if digest else DEFAULT_TAG), digest)


def _digest(text: str, digest: str) -> Digest:
    try:
        return Digest.parse(digest)
    except InvalidDigest as error:
        _fail(text, str(error))


def _check_name(text: str, name: str) -> None:
    if not name:
        _fail(text, "the name is empty")
    if len(name) > MAX_NAME_LENGTH:
        _fail(text, f"the name has {len(name)} characters, at most {MAX_NAME_LENGTH} are allowed")
    components = name.split("/")
    if len(components) > 1 and _is_domain(components[0]):
        components.pop(0)
    for component in components:
        if not _COMPONENT.fullmatch(component):
            _fail(text, f"{component!r} in the name is not {_rule(component)}")


def _rule(component: str) -> str:
    if component != component.lower():
        return "in lower case"
    return "letters and digits, parted by '.', '_', '__' or '-'"


def _is_domain(component: str) -> bool:
    """Whether the first component names a registry; ``library/website`` has none."""
    marked = "." in component or ":" in component or component == "localhost"
    return (marked or component != component.lower()) and _DOMAIN.fullmatch(component) is not None


def _fail(text: str, problem: str) -> NoReturn:
    raise InvalidReference(f"reference {text[:300]!r}: {problem}")

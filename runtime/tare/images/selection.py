"""Which images a list or a prune is about."""

from __future__ import annotations

from runtime.tare.errors import FAILED, UsageError
from runtime.tare.images.names import NONE, find_image

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from runtime.image.store import Image, ImageStore

_BOOLEANS = {"true": True, "1": True, "t": True, "false": False, "0": False, "f": False}


class Selection:
    """The images for which all filters hold, of the repository or name that was asked for."""

    def __init__(self, store: ImageStore, filters: Mapping[str, tuple[str, ...]], name: str = "") -> None:
        from runtime.engine.moments import parse_moment

        self._filters = filters
        self._name = name
        self._after = max((created_ns(find_image(store, one)) for one in filters.get("since", ())), default=None)
        before = [created_ns(find_image(store, one)) for one in filters.get("before", ())]
        before += [parse_moment(text) for text in filters.get("until", ())]
        self._before = min(before, default=None)

    def has(self, image: Image) -> bool:
        """Whether it is one of them."""
        return self._is_called_so(image) and self._is_between(image) and self._has_labels(image)

    def _is_called_so(self, image: Image) -> bool:
        for text in self._filters.get("dangling", ()):
            if text.lower() not in _BOOLEANS:
                raise UsageError(f"invalid filter 'dangling=[{text}]'", FAILED)
            if _BOOLEANS[text.lower()] != (image.reference == image.digest):
                return False
        patterns = self._filters.get("reference", ())
        if patterns and not any(matches(pattern, image) for pattern in patterns):
            return False
        return not self._name or matches(self._name, image)

    def _is_between(self, image: Image) -> bool:
        created = created_ns(image)
        if self._after is not None and created <= self._after:
            return False
        return self._before is None or created < self._before

    def _has_labels(self, image: Image) -> bool:
        labels = image.config.labels
        wanted = (*self._filters.get("label", ()), *(f"!{one}" for one in self._filters.get("label!", ())))
        for one in wanted:
            name, equals, content = one.removeprefix("!").partition("=")
            found = name in labels and (not equals or labels[name] == content)
            if found == one.startswith("!"):
                return False
        return True


def matches(pattern: str, image: Image) -> bool:
    """Whether it is called so: ``*`` for anything but a slash, and any tag unless one is given."""
    import fnmatch

    if image.reference == image.digest:
        return False
    pattern = _familiar(pattern)
    name = image.reference if _has_tag(pattern) else split_name(image)[0]
    parts, wanted = name.split("/"), pattern.split("/")
    return len(parts) == len(wanted) and all(map(fnmatch.fnmatchcase, parts, wanted))


def _familiar(pattern: str) -> str:
    """As the store has it; one with wildcards is no name, and stays."""
    from runtime.image.errors import InvalidReference
    from runtime.image.reference import Reference

    try:
        reference = Reference.parse(pattern).familiar
    except InvalidReference:
        return pattern
    return str(reference) if _has_tag(pattern) else reference.name


def _has_tag(name: str) -> bool:
    return ":" in name.rpartition("/")[2] or "@" in name


def split_name(image: Image) -> tuple[str, str]:
    """Repository and tag, as a table shows them."""
    if image.reference == image.digest:
        return NONE, NONE
    repository, _, tag = image.reference.rpartition(":")
    return repository, tag


def newest_first(images: Iterable[Image]) -> list[Image]:
    """By the time at which they were made, then by name."""
    return sorted(sorted(images, key=lambda image: image.reference), key=created_ns, reverse=True)


def created_s(image: Image) -> float:
    """Seconds since the epoch; 0 if the image does not say when it was made."""
    return created_ns(image) / 1e9


def created_ns(image: Image) -> int:
    """Nanoseconds since the epoch; 0 if the image does not say when it was made."""
    from runtime.engine.errors import EngineError
    from runtime.engine.moments import parse_moment

    try:
        return max(0, parse_moment(image.config.created)) if "T" in image.config.created else 0
    except EngineError:
        return 0

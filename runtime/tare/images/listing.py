"""``images``."""

from __future__ import annotations

from runtime.tare.filters import parse_filters
from runtime.tare.flags import Flag
from runtime.tare.images.names import NONE, short, store_of
from runtime.tare.output.listing import Sheet, show
from runtime.tare.verb import FILTER, FORMAT, Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from runtime.image.sizes import ImageSize
    from runtime.image.store import Image, ImageStore
    from runtime.tare.context import Session
    from runtime.tare.flags import Given
    from runtime.tare.output.listing import Row

_HEADINGS = {
    "ID": "IMAGE ID",
    "Repository": "REPOSITORY",
    "Tag": "TAG",
    "Digest": "DIGEST",
    "CreatedSince": "CREATED",
    "CreatedAt": "CREATED AT",
    "Size": "SIZE",
    "Containers": "CONTAINERS",
    "SharedSize": "SHARED SIZE",
    "UniqueSize": "UNIQUE SIZE",
    "VirtualSize": "VIRTUAL SIZE",
}
_PLAIN = Sheet("{{.Repository}}\t{{.Tag}}\t{{.ID}}\t{{.CreatedSince}}\t{{.Size}}", _HEADINGS)
_WITH_DIGESTS = Sheet("{{.Repository}}\t{{.Tag}}\t{{.Digest}}\t{{.ID}}\t{{.CreatedSince}}\t{{.Size}}", _HEADINGS)
_FILTERS = frozenset({"dangling", "label", "before", "since", "reference", "until"})


def perform(session: Session, given: Given) -> None:
    """The newest first."""
    from runtime.tare.images.selection import Selection, newest_first

    filters = parse_filters(given.many("filter"), _FILTERS)
    store = store_of(session)
    images = store.images()
    selection = Selection(store, filters, given.arguments[0] if given.arguments else "")
    chosen = newest_first(image for image in images if selection.has(image))
    if given.switch("quiet") and not given.text("format"):
        for image in chosen:
            session.say(image.digest if given.switch("no-trunc") else short(image.digest))
        return
    sheet = _WITH_DIGESTS if given.switch("digests") else _PLAIN
    rows = rows_of(store, chosen, images, whole=given.switch("no-trunc"))
    show(session, sheet, rows, given.text("format"))


def rows_of(store: ImageStore, chosen: Iterable[Image], images: Iterable[Image], *, whole: bool) -> list[Row]:
    """One for each name; what is shared is so with any of ``images``."""
    from runtime.image.sizes import sizes

    known = sizes(store, images)
    digests = entry_digests(store)
    return [_row(image, digests, known, whole=whole) for image in chosen]


def entry_digests(store: ImageStore) -> dict[str, str]:
    """What each name stands for, which is an index where there are several platforms."""
    entries = store.layout.index().manifests if store.layout.exists() else ()
    return {entry.ref_name: str(entry.digest) for entry in entries if entry.ref_name}


def _row(image: Image, digests: Mapping[str, str], known: Mapping[str, ImageSize], *, whole: bool) -> Row:
    from runtime.tare.images.selection import created_s, split_name
    from runtime.tare.output.ages import ago
    from runtime.tare.output.sizes import human_size

    repository, tag = split_name(image)
    size = known[image.digest]
    created = created_s(image)
    text = human_size(size.size_bytes)
    return {
        "ID": image.digest if whole else short(image.digest),
        "Repository": repository,
        "Tag": tag,
        "Digest": digests.get(image.reference, NONE),
        "CreatedSince": ago(created) if created else "N/A",
        "CreatedAt": _local(created) if created else "N/A",
        "Size": text,
        "VirtualSize": text,
        "SharedSize": human_size(size.shared_bytes),
        "UniqueSize": human_size(size.unique_bytes),
        "Containers": "N/A",
    }


def _local(seconds: float) -> str:
    """As Go prints a time."""
    import time

    return time.strftime("%Y-%m-%d %H:%M:%S %z %Z", time.localtime(seconds))


IMAGES = Verb(
    "images [OPTIONS] [REPOSITORY[:TAG]]",
    "List images",
    perform,
    (
        Flag("all", "Show all images (there are no hidden ones)", short="a"),
        Flag("digests", "Show digests"),
        Flag("no-trunc", "Don't truncate output"),
        Flag("quiet", "Only show image IDs", short="q"),
        FILTER,
        FORMAT,
    ),
    most=1,
)

"""``volume ls``."""

from __future__ import annotations

from runtime.tare.errors import FAILED, UsageError
from runtime.tare.filters import parse_filters
from runtime.tare.flags import Flag
from runtime.tare.output.listing import Sheet, show
from runtime.tare.verb import FILTER, FORMAT, Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from runtime.engine.volumes import Volume
    from runtime.tare.context import Session
    from runtime.tare.flags import Given
    from runtime.tare.output.listing import Row

_SHEET = Sheet(
    "{{.Driver}}\t{{.Name}}",
    {
        "Driver": "DRIVER",
        "Name": "VOLUME NAME",
        "Scope": "SCOPE",
        "Mountpoint": "MOUNTPOINT",
        "Labels": "LABELS",
        "Links": "LINKS",
        "Size": "SIZE",
    },
)
_DRIVER, _SCOPE = "local", "local"


def perform(session: Session, given: Given) -> None:
    """By name."""
    filters = parse_filters(given.many("filter"), {"dangling", "driver", "label", "name"})
    dangling = filters.get("dangling", ())
    if any(text not in {"true", "false", "1", "0"} for text in dangling):
        raise UsageError(f"invalid filter 'dangling=[{dangling[0]}]'", FAILED)
    volumes = [one for one in session.engine.volumes.list() if _passes(one, filters)]
    for text in dangling:
        unused = text in {"true", "1"}
        volumes = [one for one in volumes if (not session.engine.volumes.users(one.name)) == unused]
    if given.switch("quiet") and not given.text("format"):
        for one in volumes:
            session.say(one.name)
        return
    show(session, _SHEET, map(_row, volumes), given.text("format"))


def _passes(volume: Volume, filters: Mapping[str, tuple[str, ...]]) -> bool:
    from runtime.engine.filters import matches_labels

    names, drivers = filters.get("name", ()), filters.get("driver", ())
    return (
        (not names or any(text in volume.name for text in names))
        and (not drivers or _DRIVER in drivers)
        and matches_labels(dict(volume.labels), filters.get("label", ()))
    )


def _row(volume: Volume) -> Row:
    labels = dict(volume.labels)
    return {
        "Driver": _DRIVER,
        "Name": volume.name,
        "Scope": _SCOPE,
        "Mountpoint": volume.mountpoint,
        "Labels": ",".join(f"{name}={text}" for name, text in labels.items()),
        "Label": lambda name: labels.get(name, ""),
        "Links": "N/A",
        "Size": "N/A",
    }


LIST = Verb(
    "ls [OPTIONS]",
    "List volumes",
    perform,
    (Flag("quiet", "Only display volume names", short="q"), FILTER, FORMAT),
)

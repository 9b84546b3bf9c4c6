"""``system df``."""

from __future__ import annotations

from runtime.tare.errors import FAILED, UsageError
from runtime.tare.flags import Flag
from runtime.tare.images.names import NONE, short
from runtime.tare.output.ages import ago, seconds_of
from runtime.tare.output.listing import Sheet, lines_of, show
from runtime.tare.output.sizes import human_size
from runtime.tare.verb import FORMAT, Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from runtime.engine.df import Total, Usage
    from runtime.tare.context import Session
    from runtime.tare.flags import Given
    from runtime.tare.output.listing import Row

_SHEET = Sheet(
    "{{.Type}}\t{{.TotalCount}}\t{{.Active}}\t{{.Size}}\t{{.Reclaimable}}",
    {
        "Type": "TYPE",
        "TotalCount": "TOTAL",
        "Active": "ACTIVE",
        "Size": "SIZE",
        "Reclaimable": "RECLAIMABLE",
    },
)
_IMAGES = Sheet(
    "{{.Repository}}\t{{.Tag}}\t{{.ID}}\t{{.Created}}\t{{.Size}}\t{{.Shared}}\t{{.Unique}}\t{{.Containers}}",
    {
        "Repository": "REPOSITORY",
        "Tag": "TAG",
        "ID": "IMAGE ID",
        "Created": "CREATED",
        "Size": "SIZE",
        "Shared": "SHARED SIZE",
        "Unique": "UNIQUE SIZE",
        "Containers": "CONTAINERS",
    },
)
_CONTAINERS = Sheet(
    "{{.ID}}\t{{.Image}}\t{{.Command}}\t{{.Mounts}}\t{{.Size}}\t{{.Created}}\t{{.Status}}\t{{.Names}}",
    {
        "ID": "CONTAINER ID",
        "Image": "IMAGE",
        "Command": "COMMAND",
        "Mounts": "LOCAL VOLUMES",
        "Size": "SIZE",
        "Created": "CREATED",
        "Status": "STATUS",
        "Names": "NAMES",
    },
)
_VOLUMES = Sheet("{{.Name}}\t{{.Links}}\t{{.Size}}", {"Name": "VOLUME NAME", "Links": "LINKS", "Size": "SIZE"})
_COMMAND_LENGTH = 20


def perform(session: Session, given: Given) -> None:
    """What takes how much, and what of it could be had back."""
    if given.switch("verbose") and given.text("format"):
        raise UsageError("the verbose and the format options conflict", FAILED)
    usage = session.engine.system.df()
    if given.switch("verbose"):
        session.say("\n".join(_verbose(usage)))
    else:
        show(session, _SHEET, map(_row, usage.totals), given.text("format"))


def _row(total: Total) -> Row:
    percent = f" ({100 * total.reclaimable_bytes // total.size_bytes}%)" if total.size_bytes else ""
    is_cache = total.kind == "Build Cache"
    return {
        "Type": total.kind,
        "TotalCount": str(total.count),
        "Active": str(total.active),
        "Size": human_size(total.size_bytes),
        "Reclaimable": human_size(total.reclaimable_bytes) + ("" if is_cache else percent),
    }


def _verbose(usage: Usage) -> Iterator[str]:
    yield "Images space usage:\n"
    yield from lines_of(_IMAGES, _image_rows(usage))
    yield "\nContainers space usage:\n"
    yield from lines_of(_CONTAINERS, _container_rows(usage))
    yield "\nLocal Volumes space usage:\n"
    yield from lines_of(_VOLUMES, _volume_rows(usage))
    yield f"\nBuild cache usage: {human_size(usage.cache_bytes)}"


def _image_rows(usage: Usage) -> Iterator[Row]:
    for image in usage.images:
        for name in image.references or (f"{NONE}:{NONE}",):
            repository, _, tag = name.rpartition(":")
            yield {
                "Repository": repository,
                "Tag": tag,
                "ID": short(image.image_id),
                "Created": ago(seconds_of(image.created)) if image.created else "N/A",
                "Size": human_size(image.size_bytes),
                "Shared": human_size(image.shared_bytes),
                "Unique": human_size(image.unique_bytes),
                "Containers": str(image.containers),
            }


def _container_rows(usage: Usage) -> Iterator[Row]:
    from runtime.tare.output.table import ellipsised

    for one in usage.containers:
        container = one.container
        yield {
            "ID": container.short_id,
            "Image": container.image,
            "Command": f'"{ellipsised(" ".join(container.command), _COMMAND_LENGTH)}"',
            "Mounts": str(sum(mount.kind == "volume" for mount in container.mounts)),
            "Size": human_size(one.size_bytes),
            "Created": ago(seconds_of(container.created)),
            "Status": container.state.status,
            "Names": container.name,
        }


def _volume_rows(usage: Usage) -> Iterator[Row]:
    for one in usage.volumes:
        yield {"Name": one.volume.name, "Links": str(one.users), "Size": human_size(one.size_bytes)}


DF = Verb(
    "df [OPTIONS]",
    "Show disk usage",
    perform,
    (FORMAT, Flag("verbose", "Show detailed information on space usage", short="v")),
)

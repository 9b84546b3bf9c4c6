"""``ps``."""

from __future__ import annotations

import time

from runtime.tare.containers.rows import row_of
from runtime.tare.flags import Flag, whole
from runtime.tare.output.listing import Sheet, show
from runtime.tare.verb import FILTER, FORMAT, Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runtime.engine.container import Container
    from runtime.tare.context import Session
    from runtime.tare.flags import Given

_TEMPLATE = "{{.ID}}\t{{.Image}}\t{{.Command}}\t{{.RunningFor}}\t{{.Status}}\t{{.Ports}}\t{{.Names}}"
_HEADINGS = {
    "ID": "CONTAINER ID",
    "Names": "NAMES",
    "Image": "IMAGE",
    "Command": "COMMAND",
    "CreatedAt": "CREATED AT",
    "RunningFor": "CREATED",
    "Ports": "PORTS",
    "State": "STATE",
    "Status": "STATUS",
    "Size": "SIZE",
    "Labels": "LABELS",
    "Mounts": "MOUNTS",
    "LocalVolumes": "LOCAL VOLUMES",
    "Networks": "NETWORKS",
}


def perform(session: Session, given: Given) -> None:
    """Those that run, the newest first, or as many others as were asked for."""
    found = _selected(session, given)
    if given.switch("quiet") and not given.was("format"):
        for one in found:
            session.say(one.id if given.switch("no-trunc") else one.short_id)
        return
    now = time.time()
    with_size = given.switch("size")
    sheet = Sheet(f"{_TEMPLATE}\t{{{{.Size}}}}" if with_size else _TEMPLATE, _HEADINGS)
    rows = [row_of(one, now, full=given.switch("no-trunc")) for one in found]
    show(session, sheet, rows, given.text("format"))


def _selected(session: Session, given: Given) -> list[Container]:
    containers = session.engine.containers
    filters = {}
    if given.was("filter"):
        from runtime.tare.containers.selection import FILTERS, select
        from runtime.tare.filters import parse_filters

        filters = parse_filters(given.many("filter"), FILTERS)
    last = 1 if given.switch("latest") else given.number("last") or -1
    found = list(containers.list())
    if not (given.switch("all") or last > 0 or "status" in filters):
        found = [one for one in found if one.state.is_active]
    if filters:
        found = select(containers, found, filters)
    return found[:last] if last > 0 else found


PS = Verb(
    "ps [OPTIONS]",
    "List containers",
    perform,
    (
        Flag("all", "Show all containers (default shows just running)", short="a"),
        FILTER,
        FORMAT,
        Flag("last", "Show n last created containers (includes all states)", short="n", metavar="int",
             convert=whole, default=-1),
        Flag("latest", "Show the latest created container (includes all states)", short="l"),
        Flag("no-trunc", "Don't truncate output"),
        Flag("quiet", "Only display container IDs", short="q"),
        Flag("size", "Display total file sizes", short="s"),
    ),
)  # fmt: skip

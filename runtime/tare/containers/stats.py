"""``stats``: two samples of each container make a line, because the processor's share is what was used between them."""

from __future__ import annotations

import os
import time

from runtime.tare.flags import Flag
from runtime.tare.output.listing import Sheet, lines_of
from runtime.tare.output.sizes import human_size, memory_size
from runtime.tare.verb import FORMAT, Verb
from runtime.unwinding import suppress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from runtime.engine.container import Container
    from runtime.engine.stats import Sample, Statistics
    from runtime.tare.context import Session
    from runtime.tare.flags import Given

_TEMPLATE = "{{.ID}}\t{{.Name}}\t{{.CPUPerc}}\t{{.MemUsage}}\t{{.MemPerc}}\t{{.NetIO}}\t{{.BlockIO}}\t{{.PIDs}}"
_HEADINGS = {
    "Container": "CONTAINER",
    "ID": "CONTAINER ID",
    "Name": "NAME",
    "CPUPerc": "CPU %",
    "MemUsage": "MEM USAGE / LIMIT",
    "MemPerc": "MEM %",
    "NetIO": "NET I/O",
    "BlockIO": "BLOCK I/O",
    "PIDs": "PIDS",
}
_SHEET = Sheet(_TEMPLATE, _HEADINGS, ())
_INTERVAL_S = 1.0
_HOME, _TO_END_OF_LINE, _TO_END = "\x1b[H", "\x1b[K", "\x1b[J"


def perform(session: Session, given: Given) -> None:
    """Once, or every second until interrupted."""
    before: dict[str, Sample] = {}
    found = _chosen(session, given)
    _sample(found, before)
    while True:
        time.sleep(_INTERVAL_S)
        now = _sample(found, {})
        rows = [_row(one, before.get(one.id), now.get(one.id), full=given.switch("no-trunc")) for one in found]
        lines = lines_of(_SHEET, rows, given.text("format"))
        if given.switch("no-stream"):
            return _print(session, lines)
        _print(session, [_HOME, *(f"{line}{_TO_END_OF_LINE}" for line in lines), _TO_END] if os.isatty(1) else lines)
        before = now
        found = _chosen(session, given)


def _print(session: Session, lines: Sequence[str]) -> None:
    for line in lines:
        session.say(line)
    session.flush()


def _chosen(session: Session, given: Given) -> list[Container]:
    """Those that were named, or those that run."""
    containers = session.engine.containers
    if given.arguments:
        return [containers.find(name) for name in given.arguments]
    return [one for one in containers.list() if one.state.is_running or given.switch("all")]


def _sample(found: Sequence[Container], into: dict[str, Sample]) -> dict[str, Sample]:
    """Of those that run; one may end meanwhile."""
    from runtime.cgroups.hierarchy import CgroupError
    from runtime.engine.stats import take

    for one in found:
        with suppress(CgroupError, OSError):
            if one.state.pid:
                into[one.id] = take(one.id, one.state.pid)
    return into


def _row(container: Container, before: Sample | None, now: Sample | None, *, full: bool) -> Mapping[str, Any]:
    identity = {
        "Container": container.id if full else container.short_id,
        "ID": container.id if full else container.short_id,
        "Name": container.name,
    }
    if now is None:
        nothing = dict.fromkeys(("CPUPerc", "MemPerc"), "0.00%") | dict.fromkeys(("NetIO", "BlockIO"), "0B / 0B")
        return identity | nothing | {"MemUsage": "0B / 0B", "PIDs": "0"}
    from runtime.engine.stats import compare

    return identity | _numbers(compare(container, before, now))


def _numbers(line: Statistics) -> dict[str, str]:
    sample = line.sample
    return {
        "CPUPerc": f"{line.cpu_percent:.2f}%",
        "MemUsage": f"{memory_size(sample.memory_bytes)} / {memory_size(sample.memory_limit_bytes)}",
        "MemPerc": f"{line.memory_percent:.2f}%",
        "NetIO": f"{human_size(sample.received_bytes)} / {human_size(sample.sent_bytes)}",
        "BlockIO": f"{human_size(sample.read_bytes)} / {human_size(sample.written_bytes)}",
        "PIDs": str(sample.pids),
    }


STATS = Verb(
    "stats [OPTIONS] [CONTAINER...]",
    "Display a live stream of container(s) resource usage statistics",
    perform,
    (
        Flag("all", "Show all containers (default shows just running)", short="a"),
        FORMAT,
        Flag("no-stream", "Disable streaming stats and only pull the first result"),
        Flag("no-trunc", "Do not truncate output"),
    ),
    most=None,
)

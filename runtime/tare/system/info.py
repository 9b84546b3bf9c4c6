"""``info``."""

from __future__ import annotations

from runtime.tare.output.sizes import memory_size
from runtime.tare.verb import FORMAT, Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from runtime.tare.context import Session
    from runtime.tare.flags import Given


def perform(session: Session, given: Given) -> None:
    """As docker shows it, without what there is not: swarm, plugins of others."""
    document = session.engine.system.info()
    template = given.text("format")
    if template:
        from runtime.tare.system.version import rendered

        session.say(rendered(template, document))
        return
    session.say("\n".join(_lines(document)))


def _lines(document: dict[str, Any]) -> Iterator[str]:
    yield from ("Client: Tare Engine", f" Version:    {document['ServerVersion']}", " Context:    default")
    yield from ("", "Server:")
    for name in ("Containers", "Running", "Paused", "Stopped"):
        is_part = name != "Containers"
        yield f" {' ' * is_part}{name}: {document[f'Containers{name}' if is_part else name]}"
    yield f" Images: {document['Images']}"
    yield f" Server Version: {document['ServerVersion']}"
    yield f" Storage Driver: {document['Driver']}"
    yield from (f"  {name}: {text}" for name, text in document["DriverStatus"])
    yield f" Logging Driver: {document['LoggingDriver']}"
    yield f" Cgroup Driver: {document['CgroupDriver']}"
    yield f" Cgroup Version: {document['CgroupVersion']}"
    yield " Plugins:"
    yield from (f"  {kind}: {' '.join(names)}" for kind, names in document["Plugins"].items() if names)
    yield f" Runtimes: {' '.join(document['Runtimes'])}"
    yield f" Default Runtime: {document['DefaultRuntime']}"
    yield " Security Options:"
    yield from _security(document["SecurityOptions"])
    yield f" Kernel Version: {document['KernelVersion']}"
    yield f" Operating System: {document['OperatingSystem']}"
    yield f" OSType: {document['OSType']}"
    yield f" Architecture: {document['Architecture']}"
    yield f" CPUs: {document['NCPU']}"
    yield f" Total Memory: {memory_size(document['MemTotal'])}"
    yield f" Name: {document['Name']}"
    yield f" Tare Root Dir: {document['DockerRootDir']}"
    yield f" Live Restore Enabled: {str(document['LiveRestoreEnabled']).lower()}"
    yield from (f"WARNING: {text}" for text in document["Warnings"] or ())


def _security(options: list[str]) -> Iterator[str]:
    """``name=seccomp,profile=builtin`` is a line, and one below it."""
    for option in options:
        name, *rest = option.split(",")
        yield f"  {name.removeprefix('name=')}"
        yield from (f"   {key.capitalize()}: {text}" for key, _, text in (one.partition("=") for one in rest))


INFO = Verb("info [OPTIONS]", "Display system-wide information", perform, (FORMAT,))

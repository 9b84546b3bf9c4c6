"""Remove what killed runs left: only what carries our label, and only while no run is under way.

Ours are: launchers with a label in their command line, machines and engines' daemons that name a run's directory there,
processes in control groups below ``tare``, processes whose root directory is one of ours, engines that have their home
in a run's directory with all that they run, domains with our metadata, links with our alias, what dead containers hold
of networks, the groups and the runs' directories.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

from bench.context import RunContext, host_lock, killed_runs, remove_run_directory
from bench.demo.ending import end_engine, engine_leftovers
from bench.workload import WorkloadError
from runtime.cgroups.cgroup import remove_directory

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.context import Roots

_DIES_WITHIN_S = 10.0
_DAEMONS = ("qemu-system", "dockerd", "containerd", "conmon", "docker-registry", "/floor/")


class CleanError(Exception):
    """Something of ours could not be removed; the message says what."""


def clean(roots: Roots, *, dry_run: bool = False) -> tuple[str, ...]:
    """Remove it, or only say what would be; one line each. Raises `bench.context.Busy` while a run is under way."""
    with host_lock(roots):
        contexts = [RunContext(run_id, roots) for run_id in killed_runs(roots)]
        found = [
            *(f"process {pid}: {command}" for pid, command in our_processes(roots)),
            *(line for context in contexts for line in engine_leftovers(context.engine)),
            *(f"link {name}" for name in _links()),
            *_networks(roots, dry_run=True),
            *(f"cgroup {path}" for path in _cgroups()),
            *(f"run directory {path}" for context in contexts for path in _directories(context)),
        ]
        if not dry_run:
            _remove(roots, contexts)
    return tuple(found)


def our_processes(roots: Roots) -> Iterator[tuple[int, str]]:
    """Processes that carry our label in one of the ways above, QEMU among them; never ourselves."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            command = _read(entry / "cmdline").replace("\0", " ").strip()
            if _is_ours(entry, command, roots):
                yield int(entry.name), command[:100]


def _is_ours(entry: Path, command: str, roots: Roots) -> bool:
    launcher = "runtime.process.launcher" in command and " tare:" in command
    daemon = any(name in command for name in _DAEMONS) and f"{roots.run}/" in command
    grouped = any(line.split(":", 2)[2].startswith("/tare/") for line in _read(entry / "cgroup").splitlines())
    with contextlib.suppress(OSError):
        return launcher or daemon or grouped or str((entry / "root").readlink()).startswith(f"{roots.containers}/")
    return launcher or daemon or grouped


def _remove(roots: Roots, contexts: list[RunContext]) -> None:
    """Launchers and machines first: what they hold goes with them."""
    _kill(roots)
    for context in contexts:
        _end_engine(context)
    if any((context.directory / "libvirt").exists() for context in contexts) or _system_libvirt():
        _destroy_domains(roots, contexts)
    from runtime.network import bridge

    bridge.delete_links(bridge.labelled_links())
    _networks(roots, dry_run=False)
    for path in _cgroups():
        remove_directory(path)
    for context in contexts:
        for directory in _directories(context):
            remove_run_directory(directory)


def _end_engine(context: RunContext) -> None:
    try:
        end_engine(context.engine)
    except WorkloadError as error:
        raise CleanError(str(error)) from error


def _kill(roots: Roots) -> None:
    """Kill and wait; a launcher goes before its containers, so that it cannot start removing meanwhile."""
    deadline = time.monotonic() + _DIES_WITHIN_S
    while processes := sorted(our_processes(roots), key=lambda process: "launcher" not in process[1]):
        for pid, _ in processes:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if time.monotonic() > deadline:
            raise CleanError(f"end process {processes[0][0]} ({processes[0][1]}): it does not die")
        time.sleep(0.05)


def _system_libvirt() -> bool:
    from hypervisor.connection import system_libvirtd_runs

    return system_libvirtd_runs()


def _destroy_domains(roots: Roots, contexts: list[RunContext]) -> None:
    """A system libvirtd knows its domains by our metadata; an embedded one's are gone with their processes."""
    from hypervisor.connection import Connection
    from hypervisor.leftovers import destroy, leftovers

    if not _system_libvirt():
        return
    directory = contexts[0].directory if contexts else roots.run / "clean"
    with Connection(directory, roots.data, "system") as connection:
        for leftover in leftovers(connection):
            destroy(connection, leftover)


def _links() -> tuple[str, ...]:
    from runtime.network import bridge

    return bridge.labelled_links()


def _networks(roots: Roots, *, dry_run: bool) -> tuple[str, ...]:
    """What dead containers hold of networks; what the living hold stays."""
    from runtime.network.networks import Networks

    root, run = roots.networks
    if not root.is_dir():
        return ()
    networks = Networks(root, run)
    try:
        return networks.leftovers() if dry_run else networks.reconcile()
    finally:
        networks.close()


def _cgroups() -> tuple[str, ...]:
    """Every group of ours in every hierarchy, the deepest first: below ``tare``, and where libvirt put our domains."""
    mountinfo = _read(Path("/proc/self/mountinfo")).splitlines()
    mounts = sorted({line.split(" ")[4] for line in mountinfo if " - cgroup" in line})
    machines = [Path(mount, "machine") for mount in mounts]
    tops = [Path(mount, "tare") for mount in mounts]
    tops += [group for machine in machines for group in machine.glob("qemu-*-tare-*")]
    found = [directory for top in tops for directory, _, _ in os.walk(top, topdown=False)]
    # libvirt makes this one for its first domain; empty, it is nobody's.
    found += [str(machine) for machine in machines if _holds_only(machine, found)]
    return tuple(found)


def _holds_only(machine: Path, found: list[str]) -> bool:
    groups = [str(entry) for entry in machine.iterdir() if entry.is_dir()] if machine.is_dir() else []
    return bool(groups) and set(groups) <= set(found)


def _directories(context: RunContext) -> Iterator[Path]:
    yield from (path for path in (context.directory, context.containers) if path.exists())


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""

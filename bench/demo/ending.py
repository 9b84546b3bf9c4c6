"""The end of an engine that belongs to a run: its processes, mounts, networks and groups, whatever state they are in.

It asks nobody: the run may have been killed, and its supervisor with it. What is below the engine's directory is known
by that; control groups and network namespaces by the ids of its containers.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

from bench.workload import WorkloadError
from runtime.cgroups.cgroup import remove_directory
from runtime.engine.home import Home

if TYPE_CHECKING:
    from collections.abc import Iterator

_GROUP = "tare-engine"
_DIES_WITHIN_S = 20.0
# The kernel takes links apart some time after their namespace has gone.
_GOES_WITHIN_S = 20.0


def end_engine(root: Path) -> None:
    """Take all of it down but its directory. Idempotent; raises `WorkloadError` if something does not go."""
    if not root.is_dir():
        return
    _kill(root)
    _unmount(root)
    _release_networks(root)
    for group in engine_groups(root):
        remove_directory(str(group))
    deadline = time.monotonic() + _GOES_WITHIN_S
    while left := engine_leftovers(root):
        if time.monotonic() > deadline:
            raise WorkloadError(f"end the engine in {root}: {left[0]} does not go")
        time.sleep(0.1)


def engine_leftovers(root: Path) -> tuple[str, ...]:
    """What it has on the host now, one line each."""
    if not root.is_dir():
        return ()
    return (
        *(f"process {pid} of the engine in {root}" for pid in engine_processes(root)),
        *(f"mount {point}" for point in engine_mounts(root)),
        *(f"cgroup {group}" for group in engine_groups(root)),
        *(f"link {link}" for link in engine_links(root)),
    )


def engine_processes(root: Path) -> Iterator[int]:
    """Its commands and its supervisor, which name its directory, and whatever is in a group of its containers."""
    ids = container_ids(root)
    own = os.getpid()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != own and _belongs(entry, root, ids):
            yield int(entry.name)


def container_ids(root: Path) -> frozenset[str]:
    """The ids of its containers, by their directories."""
    places = (root / "containers", root / "supervision" / "containers")
    return frozenset(entry.name for place in places if place.is_dir() for entry in place.iterdir())


def engine_groups(root: Path) -> list[Path]:
    """The control groups of its containers in every hierarchy, the deepest first."""
    ids = container_ids(root)
    lines = _read(Path("/proc/self/mountinfo")).splitlines()
    tops = {Path(line.split(" ")[4], _GROUP) for line in lines if " - cgroup" in line}
    groups = [top / one for top in tops if top.is_dir() for one in ids if (top / one).is_dir()]
    found = [Path(path) for group in groups for path, _, _ in os.walk(group)]
    return sorted(found, key=lambda path: len(path.parts), reverse=True)


def engine_mounts(root: Path) -> list[str]:
    """What is mounted below its directory, the last first."""
    points = [line.split(" ")[4] for line in _read(Path("/proc/self/mountinfo")).splitlines()]
    return [point for point in reversed(points) if point.startswith(f"{root}/")]


def engine_links(root: Path) -> list[str]:
    """The links of its networks, by their alias, which names the network (`runtime.network.network`)."""
    if not (root / "networks").is_dir():
        return []
    networks = Home(str(root)).open_networks()
    try:
        aliases = tuple(network.label for network in networks.store.networks())
    finally:
        networks.close()
    links = Path("/sys/class/net").iterdir()
    return sorted(link.name for link in links if _read(link / "ifalias").strip().startswith(aliases))


def _belongs(entry: Path, root: Path, ids: frozenset[str]) -> bool:
    # A process that has changed its title has words with blanks between, and perhaps no environment.
    named = re.compile(rf"(?<![^\0 =]){re.escape(str(root))}(?![^\0 /])")
    if any(named.search(_read(entry / name)) for name in ("cmdline", "environ")):
        return True
    return any(one in ids for line in _read(entry / "cgroup").splitlines() for one in line.split("/"))


def _kill(root: Path) -> None:
    """Again and again, until there is nobody: a supervisor starts again what ends."""
    deadline = time.monotonic() + _DIES_WITHIN_S
    while processes := list(engine_processes(root)):
        for group in engine_groups(root):
            # Who is in a frozen group of version 1 does not die of SIGKILL (cgroup-v1/freezer-subsystem.rst).
            with contextlib.suppress(OSError):
                (group / "freezer.state").write_text("THAWED", encoding="ascii")
        for pid in processes:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if time.monotonic() > deadline:
            raise WorkloadError(f"end process {processes[0]} of the engine in {root}: it does not die")
        time.sleep(0.05)


def _unmount(root: Path) -> None:
    for point in engine_mounts(root):
        subprocess.run(("umount", "--lazy", point), capture_output=True, check=False)


def _release_networks(root: Path) -> None:
    if not (root / "networks").is_dir():
        return
    home = Home(str(root))
    networks = home.open_networks()
    try:
        networks.reconcile(known=())
    finally:
        networks.close()
    shutil.rmtree(home.networks_run, ignore_errors=True)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""

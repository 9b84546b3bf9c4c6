"""What is on the host, by kind, before and after: the teardown certificate.

An entry that is new afterwards is *left* if it is ours (it carries our label, or is a descendant of this process) and
fails the run; otherwise it is *foreign*: somebody else's doing meanwhile, shown but not held against the run.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import time
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING

from bench.results import CertificateFacts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bench.context import Roots

_NAMESPACE_KINDS = ("cgroup", "ipc", "mnt", "net", "pid", "uts")
# The kernel frees network namespaces, and control groups of them, some time after their last process has gone.
_GONE_WITHIN_S = 10.0
# Our names start with it, wherever they stand in a line: tare0, qemu-1-tare-vm-0-0, but not a guitare.
_LABEL = re.compile("(?<![A-Za-z0-9])tare")
# Of control groups, those below ours and those of our machines: what an engine has its runtime put into
# tare-runtime/ID is the engine's.
_OUR_GROUP = re.compile(r"/tare(?:/|$)|/machine(?:\.slice)?/qemu-[^/]*-tare-")

# What engines have for their containers, the host's own among them. An engine of a run's is ended by
# bench.demo.ending, which looks itself whether all has gone.
_ENGINES = re.compile(
    r"^link tare(?:b|bg|bp|c)[0-9a-f]{6}|/tare-networks|\.leases\b|/containers/[0-9a-f]{64}/"
    r'|^nft .*"(?:name|table)": "tare(?:_[0-9a-f]{8})?"'
)


@dataclass(frozen=True, slots=True)
class Inventory:
    """Everything that a run could leave behind, each as a set of lines that say what and where."""

    processes: frozenset[str]
    namespaces: frozenset[str]
    mounts: frozenset[str]
    links: frozenset[str]
    cgroups: frozenset[str]
    domains: frozenset[str]
    networks: frozenset[str]
    nft_rules: frozenset[str]
    directories: frozenset[str]


def take_inventory(roots: Roots) -> Inventory:
    """The host as it is. Domains are read from the state files of libvirt, so that this needs no libvirt."""
    return Inventory(
        processes=frozenset(_descendants(os.getpid())),
        namespaces=frozenset(_namespaces()),
        mounts=frozenset(_mounts()),
        links=frozenset(f"link {path.name}" for path in Path("/sys/class/net").iterdir()),
        cgroups=frozenset(_cgroups()),
        domains=frozenset(f"domain {path}" for path in _xml_files(("qemu", "libvirt/qemu"))),
        networks=frozenset(f"network {path}" for path in _xml_files(("network", "libvirt/network"))),
        nft_rules=frozenset(_nft_rules()),
        directories=frozenset(_directories(roots)),
    )


def certify(before: Inventory, take: Callable[[], Inventory]) -> CertificateFacts:
    """Compare until nothing of ours is left, or the kernel has had its time."""
    deadline = time.monotonic() + _GONE_WITHIN_S
    while True:
        new = _new_entries(before, take())
        left = tuple(sorted(entry for entry in new if is_ours(entry)))
        if not left or time.monotonic() > deadline:
            return CertificateFacts(not left, left, tuple(sorted(new - set(left))))
        time.sleep(0.1)


def is_ours(entry: str) -> bool:
    """Whether the entry carries our label or belongs to this process's descendants."""
    if entry.startswith("cgroup "):
        return _OUR_GROUP.search(entry) is not None
    if _ENGINES.search(entry) and "/runs/" not in entry:
        return False
    return _LABEL.search(entry) is not None or entry.startswith("process ")


def _new_entries(before: Inventory, after: Inventory) -> set[str]:
    return {
        entry for field in fields(Inventory) for entry in getattr(after, field.name) - getattr(before, field.name)
    }


def _descendants(pid: int) -> Iterator[str]:
    for child in _children(pid):
        command = _read(Path(f"/proc/{child}/cmdline")).replace("\0", " ").strip()[:120]
        if command:  # a zombie has none; it is about to be reaped
            yield f"process {child}: {command}"
        yield from _descendants(child)


def _children(pid: int) -> list[int]:
    lists = (_read(path) for path in Path(f"/proc/{pid}/task").glob("*/children"))
    return [int(child) for text in lists for child in text.split()]


def _namespaces() -> Iterator[str]:
    """Namespaces with a process in them; ours are told by that process being our descendant, or in our group."""
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            label = " (tare)" if "/tare/" in _read(process / "cgroup") else ""
            for kind in _NAMESPACE_KINDS:
                try:
                    yield f"namespace {(process / 'ns' / kind).readlink()}{label}"
                except OSError:
                    continue


def _mounts() -> Iterator[str]:
    for line in _read(Path("/proc/self/mountinfo")).splitlines():
        head, _, tail = line.partition(" - ")
        yield f"mount {tail.split(' ')[0]} on {head.split(' ')[4]}"


def _cgroups() -> Iterator[str]:
    mountinfo = _read(Path("/proc/self/mountinfo")).splitlines()
    for mount in (line.split(" ")[4] for line in mountinfo if " - cgroup" in line):
        for directory, _, _ in os.walk(mount):
            yield f"cgroup {directory}"


def _xml_files(places: tuple[str, ...]) -> Iterator[Path]:
    """Running (/run/libvirt) and defined (/etc/libvirt) domains or networks, as the system's libvirt keeps them."""
    running, defined = places
    yield from Path("/run/libvirt", running).glob("*.xml")
    yield from Path("/etc", defined).glob("*.xml")


def _nft_rules() -> Iterator[str]:
    program = shutil.which("nft")
    if program is None:
        return
    listed = subprocess.run([program, "-j", "list", "ruleset"], capture_output=True, check=False)
    if listed.returncode == 0:
        for item in json.loads(listed.stdout)["nftables"]:
            if "metainfo" not in item:
                yield f"nft {json.dumps(item, sort_keys=True)}"


def _directories(roots: Roots) -> Iterator[str]:
    """What a run makes for itself; caches (images, layers, guests) stay by design and are not listed.

    Of containers' networks it is what there is while they are attached: marks, pins and leases.
    """
    kept, noted = roots.networks
    for root in (roots.run, roots.containers, *kept.glob("*.leases"), *noted.glob("*")):
        if root.is_dir():
            yield f"directory {root}"
            yield from (f"directory {path}" for path in root.iterdir())


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""

"""The distribution's kernel package, fetched and unpacked without installing it.

Installing it would change the host's own boot menu and run its initramfs hooks; `apt-get download` checks signatures
all the same.
"""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

from hypervisor.errors import HostLacks

if TYPE_CHECKING:
    from pathlib import Path

# The metapackages that name the newest small kernel: Debian's, then Ubuntu's.
METAPACKAGES = ("linux-image-cloud-amd64", "linux-image-virtual")
_PREFIXES = ("linux-image-", "linux-modules-")
_UPDATE = "run apt-get update, and see whether the host can reach its package mirror"


def kernel_packages() -> tuple[str, ...]:
    """The concrete packages that hold the newest kernel and its modules."""
    if shutil.which("apt-get") is None:
        raise HostLacks("fetch a kernel for guests: no apt-get", hint="only Debian and Ubuntu are supported so far")
    for metapackage in METAPACKAGES:
        found = _dependencies(metapackage)
        if found:
            modules = tuple(name for package in found for name in _dependencies(package))
            return tuple(dict.fromkeys((*found, *modules)))
    raise HostLacks(f"apt knows no kernel for guests ({', '.join(METAPACKAGES)})", hint=_UPDATE)


def fetch(packages: tuple[str, ...], directory: Path) -> None:
    """Download ``packages`` into ``directory`` and unpack them into ``directory/root``."""
    # As root: the download user of apt may not write here, and apt would only complain and do it as root anyway.
    _run(["apt-get", "-q", "-o", "APT::Sandbox::User=root", "download", *packages], directory)
    for archive in sorted(directory.glob("*.deb")):
        _run(["dpkg-deb", "-x", archive.name, "root"], directory)


def _dependencies(package: str) -> tuple[str, ...]:
    command = ["apt-cache", "depends", "--important", package]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    names = (line.partition("Depends:")[2].strip() for line in done.stdout.splitlines())
    return tuple(name for name in names if name.startswith(_PREFIXES))


def _run(command: list[str], directory: Path) -> None:
    done = subprocess.run(command, cwd=directory, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        words = done.stderr.strip().splitlines()
        raise HostLacks(f"{' '.join(command[:1])}: {words[-1] if words else 'failed'}", hint=_UPDATE)

"""The default image ``website:1``: a static website, served by the httpd of the host's busybox.

Two layers: busybox with its applets and the few directories and files a root needs; and the site. The digest
depends on the bytes of busybox only, so every machine with the same package has the same image.
"""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from bench.workload import HostCannot
from bench.workloads.elf import NotElf, has_interpreter
from bench.workloads.pages import PAGES
from runtime.image.builder import Directory, File, LayerRecipe, Symlink, build_image
from runtime.image.config import ImageConfig

if TYPE_CHECKING:
    from runtime.image.builder import Entry
    from runtime.image.store import Image, ImageStore

REFERENCE = "website:1"
PORT = 8080
BUSYBOX = Path("/bin/busybox")
NOBODY = 65534
_HINT = "install the package busybox-static (apt-get install busybox-static)"
_ETC = {
    "passwd": "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n",
    "group": "root:x:0:\nnogroup:x:65534:\n",
}

CONFIG = ImageConfig(
    entrypoint=("/bin/httpd",),
    cmd=("-f", "-p", str(PORT), "-h", "/srv/www"),
    env=("PATH=/bin",),
    user=f"{NOBODY}:{NOBODY}",
    working_dir="/srv/www",
    exposed_ports=(f"{PORT}/tcp",),
    # The second: which argument is the port, for a run as bare processes (bench.drivers.process).
    labels={"org.opencontainers.image.title": "website", "tare.listen-argument": "3"},
    stop_signal="SIGTERM",
)


def ensure_website(store: ImageStore, busybox: Path = BUSYBOX) -> Image:
    """Have ``website:1`` in the store, made of this busybox. Idempotent; raises `HostCannot`."""
    program = _read_busybox(busybox)
    layers = (
        LayerRecipe(_base(program, _applets(busybox)), "busybox-static"),
        LayerRecipe(_site(), "the static website"),
    )
    return build_image(store, REFERENCE, layers, CONFIG)


def _read_busybox(path: Path) -> bytes:
    try:
        program = path.read_bytes()
    except OSError as error:
        raise HostCannot(f"read busybox for image {REFERENCE}: {path}: {error.strerror}", _HINT) from error
    try:
        dynamic = has_interpreter(program)
    except NotElf as error:
        raise HostCannot(f"read busybox for image {REFERENCE}: {path}: {error}", _HINT) from error
    if dynamic:
        problem = "linked dynamically, and the image holds no libraries"
        raise HostCannot(f"read busybox for image {REFERENCE}: {path}: {problem}", _HINT)
    return program


def _applets(busybox: Path) -> tuple[str, ...]:
    try:
        listing = subprocess.run([busybox, "--list"], capture_output=True, text=True, check=True, timeout=10)
    except (OSError, subprocess.SubprocessError) as error:
        raise HostCannot(f"list the applets of {busybox}: {error}", _HINT) from error
    applets = tuple(sorted(set(listing.stdout.split()) - {"busybox"}))
    if "httpd" not in applets:
        raise HostCannot(f"list the applets of {busybox}: it has no httpd", _HINT)
    return applets


def _base(program: bytes, applets: tuple[str, ...]) -> tuple[Entry, ...]:
    directories = ("bin", "dev", "etc", "proc", "root", "run", "srv", "sys", "var")
    return (
        *map(Directory, directories),
        Directory("tmp", mode=0o1777),
        File("bin/busybox", program, mode=0o755),
        *(Symlink(f"bin/{applet}", "busybox") for applet in applets),
        *(File(f"etc/{name}", text.encode()) for name, text in _ETC.items()),
    )


def _site() -> tuple[Entry, ...]:
    files = (File(f"srv/www/{name}", text.encode()) for name, text in PAGES.items())
    return (Directory("srv"), Directory("srv/www"), *files)

"""The demonstrations' images, kept in the data root: the distribution's base, and its docker-registry on top of it.

The binary is the one of Debian's package docker-registry; it needs no more of the base than its libraries.
"""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from bench.workload import HostCannot
from runtime.image.bootstrap import BootstrapOptions, bootstrap
from runtime.image.builder import Directory, File, LayerRecipe, extend_image
from runtime.image.errors import ImageError, ImageNotFound
from runtime.image.importer import import_layout

if TYPE_CHECKING:
    from collections.abc import Callable

    from runtime.image.builder import Entry
    from runtime.image.store import Image, ImageStore

BASE = "demo/base:1"
DECK = "demo/debian:bookworm"
REGISTRY = "demo/docker-registry:2"
_PROGRAM = "usr/bin/docker-registry"
_DATA = "/var/lib/registry"
# The package's own asks for passwords, which the deck's registry did not.
_CONFIG = f"""version: 0.1
log: {{level: warn, accesslog: {{disabled: true}}}}
storage: {{filesystem: {{rootdirectory: {_DATA}}}, delete: {{enabled: true}}}}
http: {{addr: ":5000"}}
"""
_DOWNLOAD_S = 300
_HINT = "run apt-get update, and see whether the host can reach its package mirror"


def ensure_images(store: ImageStore, tell: Callable[[str], None]) -> tuple[Image, Image]:
    """The image to demonstrate with and the registry's, made if they are not there. Raises `HostCannot`."""
    try:
        return _present(store, DECK), _present(store, REGISTRY)
    except ImageError:
        tell("making the base image and the registry's of the distribution's packages (once, about a minute)")
    try:
        base = _base(store)
        image = extend_image(store, base, DECK, _letters())
        return image, extend_image(store, base, REGISTRY, _registry(), cmd=_COMMAND, exposed_ports=("5000/tcp",))
    except ImageError as error:
        raise HostCannot(f"make the demonstrations' images: {error}", _HINT) from error


_COMMAND = ("docker-registry", "serve", "/etc/docker/registry/open.yml")


def hand_over(store: ImageStore, reference: str, target: ImageStore, name: str) -> Image:
    """Copy an image into an engine's own store."""
    return import_layout(target, f"oci:{store.layout.root}:{reference}", name)


def _present(store: ImageStore, reference: str) -> Image:
    image = store.resolve(reference)
    store.verify(image)
    return image


def _base(store: ImageStore) -> Image:
    try:
        return _present(store, BASE)
    except ImageNotFound:
        return bootstrap(store, BASE, BootstrapOptions(include=("procps",)))


def _letters() -> tuple[LayerRecipe, ...]:
    """So that there are layers to pull one by one, each on top of the one before."""
    return tuple(
        LayerRecipe((Directory("srv"), File(f"srv/{name}", f"{text}\n".encode())), f"the file /srv/{name}")
        for name, text in (("deck", "Docker Containers: An Introduction"), ("year", "2014"))
    )


def _registry() -> tuple[LayerRecipe, ...]:
    program = (Directory("usr"), Directory("usr/bin"), File(_PROGRAM, _registry_program(), mode=0o755))
    places = ("etc", "etc/docker", "etc/docker/registry", "var", "var/lib", _DATA.lstrip("/"))
    config: tuple[Entry, ...] = tuple(Directory(place) for place in places)
    config = (*config, File("etc/docker/registry/open.yml", _CONFIG.encode()))
    return LayerRecipe(program, "the program of the package docker-registry"), LayerRecipe(config, "its configuration")


def _registry_program() -> bytes:
    """From the package; it is not installed."""
    with tempfile.TemporaryDirectory() as place:
        # As root: the download user of apt may not write here, and apt would only complain and do it as root anyway.
        _run(["apt-get", "-q", "-o", "APT::Sandbox::User=root", "download", "docker-registry"], place)
        packages = sorted(Path(place).glob("*.deb"))
        _run(["dpkg-deb", "-x", packages[0].name, "root"], place)
        return (Path(place) / "root" / _PROGRAM).read_bytes()


def _run(command: list[str], directory: str) -> None:
    try:
        done = subprocess.run(
            command, cwd=directory, capture_output=True, text=True, check=False, timeout=_DOWNLOAD_S
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise HostCannot(f"fetch docker-registry: {error}", _HINT) from error
    if done.returncode != 0:
        words = done.stderr.strip().splitlines()
        raise HostCannot(f"fetch docker-registry: {command[0]}: {words[-1] if words else 'failed'}", _HINT)

"""From an image to what a domain boots. Everything is made once and kept below the data root."""

from __future__ import annotations

import hashlib
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hypervisor.errors import GuestError
from hypervisor.guest.disk import build_disk
from hypervisor.guest.initramfs import Process, base_archive, process_archive
from hypervisor.guest.modules import guest_modules
from runtime.image.errors import ImageError
from runtime.image.user import resolve_user

if TYPE_CHECKING:
    from hypervisor.guest.kernel import Kernel


@dataclass(frozen=True, slots=True)
class GuestRoot:
    """An image, as far as a guest needs to know it. ``layers`` are directories, the bottom one first."""

    digest: str
    layers: tuple[Path, ...]
    argv: tuple[str, ...]
    env: tuple[str, ...] = ()
    user: str = ""
    working_dir: str = "/"


@dataclass(frozen=True, slots=True)
class Guest:
    """The files that a domain boots; without ``disk`` it is a probe."""

    kernel: Path
    initrd: Path
    disk: Path | None = None


def build_guest(data_root: Path, kernel: Kernel, root: GuestRoot) -> Guest:
    """Disk and initramfs of an image. Idempotent; the second call only looks."""
    try:
        user = resolve_user(root.user, root.layers)
    except ImageError as error:
        raise GuestError(str(error)) from error
    process = Process(root.argv, root.env, user.uid, user.gid, root.working_dir)
    initrd = _keep(data_root, _base(kernel) + process_archive(process))
    return Guest(kernel.image, initrd, build_disk(data_root, root.digest, root.layers))


def build_probe(data_root: Path, kernel: Kernel) -> Guest:
    """What a guest boots that only has to say that it came up."""
    return Guest(kernel.image, _keep(data_root, _base(kernel)))


def _base(kernel: Kernel) -> bytes:
    return base_archive(kernel.version, guest_modules(kernel.modules))


def _keep(data_root: Path, archive: bytes) -> Path:
    """Write ``archive`` under the name of its own digest, which no change of kernel, init or image can make stale."""
    target = data_root / "guest" / "initramfs" / f"{hashlib.sha256(archive).hexdigest()[:32]}.cpio"
    if not target.is_file():
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=".build-")
        with os.fdopen(handle, "wb") as file:
            file.write(archive)
        Path(name).chmod(0o644)
        Path(name).replace(target)
    return target

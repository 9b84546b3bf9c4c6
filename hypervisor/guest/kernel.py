"""The kernel that guests boot: kept below the data root, one folder a version."""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from hypervisor.errors import GuestError, HostLacks
from hypervisor.guest.packages import fetch, kernel_packages
from hypervisor.guest.vmlinux import extract_vmlinux

_DESCRIPTION = "kernel.json"
_HINT = "fetch one: python -m hypervisor.guest"


@dataclass(frozen=True, slots=True)
class Kernel:
    """``image`` is what QEMU starts (vmlinux, or bzImage where that failed); ``digest`` is its sha256."""

    version: str
    image: Path
    modules: Path
    digest: str


def kernels_root(data_root: Path) -> Path:
    """Where kernels are kept."""
    return data_root / "guest" / "kernel"


def installed_kernel(data_root: Path) -> Kernel:
    """The newest kernel below ``data_root``; raises `HostLacks` when there is none. Changes nothing."""
    descriptions = kernels_root(data_root).glob(f"*/{_DESCRIPTION}")
    newest = max(descriptions, key=lambda path: _version_key(path.parent.name), default=None)
    if newest is None:
        raise HostLacks(f"no kernel for guests below {kernels_root(data_root)}", hint=_HINT)
    return _read(newest)


def install_kernel(data_root: Path, *, update: bool = False) -> Kernel:
    """Fetch the distribution's newest small kernel, if there is none or, with ``update``, if there is a newer one."""
    if not update:
        with contextlib.suppress(HostLacks):
            return installed_kernel(data_root)
    packages = kernel_packages()
    version = packages[0].removeprefix("linux-image-")
    present = kernels_root(data_root) / version / _DESCRIPTION
    if not present.is_file():
        _install(packages, version, present.parent)
    return _read(present)


def _install(packages: tuple[str, ...], version: str, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".fetch-") as name:
        work = Path(name)
        fetch(packages, work)
        root = work / "root"
        image = _start_image(root, version)
        _depmod(root, version)
        digest = hashlib.sha256(image.read_bytes()).hexdigest()
        description = {"version": version, "image": str(image.relative_to(root)), "digest": digest}
        (root / _DESCRIPTION).write_text(json.dumps(description, indent=1) + "\n")
        root.chmod(0o755)
        shutil.rmtree(target, ignore_errors=True)
        root.rename(target)


def _start_image(root: Path, version: str) -> Path:
    compressed = root / "boot" / f"vmlinuz-{version}"
    try:
        plain = extract_vmlinux(compressed.read_bytes())
    except OSError as error:
        raise GuestError(f"read {compressed.name} of the kernel package: {error.strerror}") from error
    except (GuestError, HostLacks):
        return compressed  # it boots too, 0.25 s slower
    image = root / "boot" / f"vmlinux-{version}"
    image.write_bytes(plain)
    return image


def _depmod(root: Path, version: str) -> None:
    """Debian leaves modules.dep to the installation."""
    if not (root / "lib").exists():
        (root / "lib").symlink_to("usr/lib")
    try:
        done = subprocess.run(["depmod", "-b", str(root), version], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise HostLacks("list a kernel's modules: no depmod on this host", hint="install kmod") from None
    if done.returncode != 0:
        raise GuestError(f"depmod of kernel {version}: {done.stderr.strip()}")


def _read(path: Path) -> Kernel:
    try:
        found = json.loads(path.read_text())
        version = found["version"]
        modules = path.parent / "lib" / "modules" / version
        return Kernel(version, path.parent / found["image"], modules, found["digest"])
    except (OSError, ValueError, KeyError) as error:
        raise GuestError(f"read {path}: {error}", hint=f"delete its folder, then {_HINT}") from error


def _version_key(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version))

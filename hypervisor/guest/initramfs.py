"""The initramfs in two archives: one a kernel (busybox, modules, init), one an image (what to run, as whom, where)."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from hypervisor.errors import GuestError, HostLacks
from hypervisor.guest.cpio import Entry, archive, directory, regular
from hypervisor.guest.modules import module_name

if TYPE_CHECKING:
    from collections.abc import Sequence

BUSYBOX = Path("/bin/busybox")
DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_DIRECTORIES = ("bin", "dev", "lib", "lib/modules", "lower", "proc", "root", "rw", "sys", "tare")
_INIT = Path(__file__).with_name("init.sh")


@dataclass(frozen=True, slots=True)
class Process:
    """What a guest runs: the image's process, its user already resolved to numbers."""

    argv: tuple[str, ...]
    env: tuple[str, ...]
    uid: int
    gid: int
    working_dir: str

    def path(self) -> str:
        """Where programs without a slash in their name are looked for."""
        return next((entry[5:] for entry in self.env if entry.startswith("PATH=")), DEFAULT_PATH)


def base_archive(version: str, modules: Sequence[Path], busybox: Path = BUSYBOX) -> bytes:
    """The part that all guests of one kernel share: ``modules`` are loaded in the order given."""
    entries = [directory(name) for name in _DIRECTORIES]
    entries += [directory(f"lib/modules/{version}"), regular("bin/busybox", _program(busybox), 0o755)]
    entries += _module_entries(f"lib/modules/{version}", modules)
    entries += [regular("init", _INIT.read_bytes(), 0o755)]
    return archive(entries)


def process_archive(process: Process) -> bytes:
    """The part that is an image's own: one file of shell assignments, read by init."""
    return archive([regular("tare/process", process_script(process).encode())])


def process_script(process: Process) -> str:
    """Shell assignments that say what to run. Lists are words quoted once more, to be passed through ``eval``."""
    if not process.argv:
        raise GuestError("the image names no process to run", hint="give it an entrypoint or a command")
    values = {
        "uid": str(process.uid),
        "gid": str(process.gid),
        "cwd": str(PurePosixPath("/", process.working_dir)),
        "path": process.path(),
        "environment": shlex.join(_with_path(process)),
        "argv": shlex.join(process.argv),
    }
    return "".join(f"{name}={shlex.quote(value)}\n" for name, value in values.items())


def _with_path(process: Process) -> tuple[str, ...]:
    return (*(entry for entry in process.env if not entry.startswith("PATH=")), f"PATH={process.path()}")


def _module_entries(base: str, modules: Sequence[Path]) -> list[Entry]:
    entries = [regular(f"{base}/{path.name}", _content(path)) for path in modules]
    # Each module needs the one before it, so that modprobe loads them in our order.
    dependencies = "".join(f"{path.name}:\n" for path in modules)
    names = " ".join(module_name(path.name) for path in modules)
    entries += [regular(f"{base}/modules.dep", dependencies.encode())]
    return [*entries, regular("tare/modules", f"modules={shlex.quote(names)}\n".encode())]


def _program(busybox: Path) -> bytes:
    if not busybox.is_file():
        raise HostLacks(f"guests need a statically linked busybox at {busybox}", hint="install busybox-static")
    return _content(busybox)


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise GuestError(f"read {path}: {error.strerror}") from error

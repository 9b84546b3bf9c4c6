"""The directory of libvirt's embedded QEMU driver: what must be in it before the driver is opened.

The driver is a whole libvirtd inside our process, with a root of its own instead of /etc, /run and /var/lib. Its
domains are known to nobody else, but their state is kept below the root: who opens it later finds them again.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import threading
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Self

from hypervisor.errors import HostLacks, HypervisorError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType

    import libvirt

# user, group: of the driver's probing QEMUs only; every domain says for itself whom it runs as, and none is root.
# Libvirt lets the probing QEMU open /dev/kvm whatever its mode, then asks whether this user may, and where the answers
# differ it takes what it knows for outdated and probes again: 15 s for each start of a domain.
# stdio_handler: there is no virtlogd to write the console, so QEMU does.
# cgroup_controllers: memory is what we read, the others would only add directories; cpuacct because on a hybrid host
# libvirt 9 refuses a version 2 hierarchy that has none of the controllers asked for ("v2 controller '(null)' is not
# available"), and this one is always there.
_QEMU_CONF = """\
stdio_handler = "file"
user = "root"
group = "root"
cgroup_controllers = [ "memory", "cpuacct" ]
"""
_LIBRARY_STATE = Path("/run/libvirt")
_CGROUPS = Path("/sys/fs/cgroup")


class EmbeddedRoot:
    """The driver's directory while it is in use; a context manager that deletes what it made.

    Libvirt lets a process open one root, for good: later ones of the process get the first one's path, and the same
    connection, since opening it again would register the driver anew each time (21 times, then it refuses).
    """

    _path: ClassVar[Path | None] = None
    _handle: ClassVar[libvirt.virConnect | None] = None
    _folders: ClassVar[tuple[tuple[Path, os.stat_result], ...]] = ()
    _in_use: ClassVar[threading.Lock] = threading.Lock()

    def __init__(self, wanted: Path, cache: Path) -> None:
        if not self._in_use.acquire(blocking=False):
            raise HypervisorError("open libvirt's embedded driver: this process has it open already")
        self.path = self._path or wanted
        self._cache = cache
        self._made = [parent for parent in self.path.parents if not parent.exists()]
        self._library_before = _LIBRARY_STATE.exists()

    @property
    def uri(self) -> str:
        """What to open."""
        return f"qemu:///embed?root={self.path}"

    def handle(self, connect: Callable[[str], libvirt.virConnect]) -> libvirt.virConnect:
        """The process's connection to the driver, made by ``connect`` the first time."""
        if self._handle is None:
            EmbeddedRoot._handle = connect(self.uri)
            EmbeddedRoot._path = self.path
        return self._handle

    def __enter__(self) -> Self:
        try:
            self._lay_out()
        except OSError as error:
            self._in_use.release()
            raise HostLacks(
                f"prepare the embedded libvirt at {self.path}: {error.strerror}",
                hint="run as root, or name a directory that you may write",
            ) from error
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        EmbeddedRoot._folders = _folders(self.path)
        shutil.rmtree(self.path, ignore_errors=True)
        for parent in self._made:
            with contextlib.suppress(OSError):
                parent.rmdir()
        if not self._library_before:
            _remove_library_state()
        self._in_use.release()

    def _lay_out(self) -> None:
        (self.path / "etc").mkdir(parents=True, exist_ok=True)
        for made in (self.path, *self._made):
            made.chmod(0o711)  # QEMU is not root, and has sockets here
        (self.path / "etc" / "qemu.conf").write_text(_QEMU_CONF)
        # The driver of this process never starts anew: it expects the folders that it made when it did.
        for folder, status in self._folders:
            folder.mkdir(exist_ok=True)
            folder.chmod(status.st_mode & 0o7777)
            os.chown(folder, status.st_uid, status.st_gid)
        # Outlives the root: what QEMU is capable of takes seconds to find out.
        self._cache.mkdir(parents=True, exist_ok=True)
        (self.path / "cache").unlink(missing_ok=True)
        (self.path / "cache").symlink_to(self._cache)


def _folders(root: Path) -> tuple[tuple[Path, os.stat_result], ...]:
    """All folders below ``root``, each after the one that it is in."""
    found = sorted(path for path in root.rglob("*") if path.is_dir() and not path.is_symlink())
    return tuple((path, path.stat()) for path in found)


def _remove_library_state() -> None:
    """What the library writes outside the root; with a daemon's files beside it, it stays."""
    with contextlib.suppress(OSError):
        if {entry.name for entry in _LIBRARY_STATE.iterdir()} <= {"common", "hostdevmgr"}:
            shutil.rmtree(_LIBRARY_STATE)


def machine_groups() -> frozenset[Path]:
    """The control groups below which libvirt puts domains when there is no systemd, in every hierarchy."""
    return frozenset(path for path in _candidates() if path.is_dir())


def remove_machine_groups(before: frozenset[Path]) -> None:
    """Remove those that were not there before and that nobody uses: a group in use refuses (EBUSY)."""
    for path in _candidates():
        if path not in before:
            with contextlib.suppress(OSError):
                path.rmdir()


def _candidates() -> Iterator[Path]:
    yield _CGROUPS / "machine"
    yield from (hierarchy / "machine" for hierarchy in _CGROUPS.glob("*") if hierarchy.is_dir())

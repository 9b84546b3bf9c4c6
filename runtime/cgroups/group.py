"""The control group of a container: one directory on version 2, one in each hierarchy on version 1."""

from __future__ import annotations

import errno
import os

from runtime.cgroups.cgroup import remove_directory
from runtime.cgroups.creation import check_unused, delegate, inherit_cpuset, make_v1, make_v2, remove_all
from runtime.cgroups.devices import plan_device_list
from runtime.cgroups.entrance import open_entrance
from runtime.cgroups.files import doing, read, read_if_there
from runtime.cgroups.freezer import Freezer
from runtime.cgroups.hierarchy import UNIFIED, CgroupError, parse_mounts, read_mountinfo, version_of
from runtime.cgroups.limits import plan_writes
from runtime.cgroups.members import kill_all, members, signal_all
from runtime.cgroups.place import DEFAULT_PARENT, parse_own, plan_place
from runtime.cgroups.writing import make_writes
from runtime.linux import signals
from runtime.unwinding import ExitStack, suppress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from typing import Any

    from runtime.cgroups.entrance import Entrance
    from runtime.cgroups.limits import Write
    from runtime.cgroups.oom import OomWatch
    from runtime.spec.resources import Resources

_NO_RIGHT = {errno.EACCES, errno.EPERM, errno.EROFS}
_SURE = ("freezer", "devices", "pids", "memory")


class ContainerCgroup:
    """The group of one container, at ``paths`` by controller; `UNIFIED` is that of version 2.

    On a hybrid host it is a group of version 1 that is in the empty version 2, too. Without any path it is the group
    that the runtime is in, in which a container without limits is left whose user may make no groups.
    """

    def __init__(
        self, version: int, paths: dict[str, str], *, made: tuple[str, ...] = (), rootless: bool = False,
        asked: bool = False,
    ) -> None:  # fmt: skip
        self.version = version
        self.paths = dict(paths)
        self._made = list(made)
        self._rootless = rootless
        self._asked = asked

    @classmethod
    def resolve(cls, cgroups_path: str | None, container_id: str, *, rootless: bool = False) -> ContainerCgroup:
        """Where the container's group is to be; makes nothing. Raises `SpecError` for a path that is none."""
        mounts = parse_mounts(read_mountinfo())
        with doing("read /proc/self/cgroup"), open("/proc/self/cgroup", encoding="utf-8") as file:
            own = parse_own(file.read())
        paths = plan_place(cgroups_path, container_id, mounts, own)
        return cls(version_of(mounts), paths, rootless=rootless, asked=cgroups_path is not None)

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> ContainerCgroup:
        """What `to_json` has written down."""
        made = tuple(document.get("made", ()))
        return cls(document["version"], document["paths"], made=made, rootless=document["rootless"])

    def to_json(self) -> dict[str, Any]:
        """All that a later command needs in order to find the group."""
        return {"version": self.version, "paths": self.paths, "made": self._made, "rootless": self._rootless}

    @property
    def directories(self) -> tuple[str, ...]:
        """Where the group is, without repetition."""
        return tuple(dict.fromkeys(self.paths.values()))

    def create(self, resources: Resources) -> None:
        """Make the group and set its limits; a failure leaves nothing behind that was not there.

        One that is there already must be empty and not frozen: it is the container's then, and goes with it.
        """
        writes = plan_writes(self.version, resources)
        with ExitStack() as undo:
            made: list[str] = []
            undo.callback(remove_all, made)
            for directory in self.directories:
                self._make(directory, writes, made)
            make_writes(writes, self._places(writes))
            self._allow_devices(resources)
            if self.version == 1 and "cpuset" in self.paths:
                inherit_cpuset(self.paths["cpuset"])
            self._made = [path for path in made if path not in self.directories]
            undo.pop_all()

    def _make(self, directory: str, writes: tuple[Write, ...], made: list[str]) -> None:
        try:
            self._make_in_hierarchy(directory, writes, made)
        except CgroupError as error:
            if self._rootless and not self._asked and getattr(error.__cause__, "errno", None) in _NO_RIGHT:
                self.paths = {name: path for name, path in self.paths.items() if path != directory}
                return
            raise
        if directory not in made:
            check_unused(directory)

    def _make_in_hierarchy(self, directory: str, writes: tuple[Write, ...], made: list[str]) -> None:
        if self.version == 1:
            make_v1(directory, made)
            if directory == self.paths.get("cpuset"):
                inherit_cpuset(os.path.dirname(directory))
            return
        required = {write.controller for write in writes if not write.optional} - {"cgroup"}
        mount = next(mount for mount in parse_mounts(read_mountinfo()) if UNIFIED in mount.controllers)
        make_v2(mount.point, directory, required, made)

    def _places(self, writes: tuple[Write, ...]) -> dict[str, str]:
        if self.version == 1:
            return self.paths
        return {write.controller: self.paths[UNIFIED] for write in writes if UNIFIED in self.paths}

    def give_to(self, uid: int) -> None:
        """Make it the user's to divide further, on version 2, where that is safe ("Cgroup ownership")."""
        if self.version == 2 and UNIFIED in self.paths:
            delegate(self.paths[UNIFIED], uid)

    def update(self, resources: Resources) -> None:
        """Change the limits that are given, and no other."""
        now = {}
        if self.version == 2 and UNIFIED in self.paths:
            from runtime.cgroups.limits_v2 import NEEDED

            found = {file: read_if_there(f"{self.paths[UNIFIED]}/{file}") for file in NEEDED}
            now = {file: text.strip() for file, text in found.items() if text is not None}
        writes = plan_writes(self.version, resources, now)
        make_writes(writes, self._places(writes))
        if resources.devices:
            self._allow_devices(resources)

    def _allow_devices(self, resources: Resources) -> None:
        """By version 1's controller if there is one. Who may not do it has no devices to be kept from."""
        try:
            if self.version == 1 and "devices" in self.paths:
                now = read(f"{self.paths['devices']}/devices.list")
                make_writes(plan_device_list(resources.devices, now), self.paths)
            elif UNIFIED in self.paths:
                from runtime.cgroups.devicefilter import attach_filter

                attach_filter(self.paths[UNIFIED], resources.devices)
        except CgroupError as error:
            if not (self._rootless and getattr(error.__cause__, "errno", None) in _NO_RIGHT):
                raise

    def entrance(self, beside: int | None = None) -> AbstractContextManager[Entrance]:
        """What a child needs to come in, open while the body runs.

        With ``beside``, the pid of a process of the container, it comes to that one if the container has moved its
        processes into groups of its own: on version 2 there is no place above them (cgroups(7)).
        """
        return open_entrance(self.version, self.paths, beside)

    def pids(self) -> tuple[int, ...]:
        """All processes, those in groups that the container has made included, as this process sees them."""
        directory = self._of_all_processes
        return () if directory is None else members(directory)

    def kill(self, number: int = signals.SIGKILL) -> None:
        """Send the signal to every process, and miss none that is forked meanwhile.

        SIGKILL ends a frozen group's processes, too: it is thawed.
        """
        unified = self.paths.get(UNIFIED)
        ended = number == signals.SIGKILL and unified is not None and kill_all(unified)
        directory = self._of_all_processes
        if directory is None or not os.path.isdir(directory):
            return
        if not ended:
            signal_all(directory, number, self._freezer)
        elif self.version == 1:
            # Others may have been put into the groups of version 1 alone; their freezer holds on even to the killed.
            signal_all(directory, number, None)
            if self.is_frozen():
                self.thaw()

    def stats(self) -> dict[str, Any]:
        """What it has used, in the shape of runc's ``events --stats``."""
        from runtime.cgroups.statistics import statistics

        return statistics(self.version, self.paths)

    def oom_kills(self) -> int:
        """How many processes were killed because memory had run out."""
        from runtime.cgroups.oom import count_kills

        directory = self._places_of("memory")
        return 0 if directory is None else count_kills(self.version, directory)

    def watch_oom(self) -> OomWatch:
        """A watch for memory running out; raises `CgroupError` where nothing counts it."""
        from runtime.cgroups.oom import OomWatch

        directory = self._places_of("memory")
        if directory is None:
            raise CgroupError("watch for memory running out: the container is in no cgroup of the memory controller")
        return OomWatch(self.version, directory)

    def delete(self) -> None:
        """Remove the group, those below it, and those above that were made for it. Idempotent.

        The last process must have gone. What is above stays if others are in it by now.
        """
        for directory in self.directories:
            for path in sorted((path for path, _, _ in os.walk(directory)), key=len, reverse=True):
                remove_directory(path)
            above = os.path.dirname(directory)
            if os.path.basename(above) == DEFAULT_PARENT:
                with suppress(OSError):  # others are in it, or have just removed it
                    os.rmdir(above)
        for path in reversed(self._made):
            with suppress(OSError):
                os.rmdir(path)

    def _places_of(self, controller: str) -> str | None:
        return self.paths.get(controller if self.version == 1 else UNIFIED)

    @property
    def _of_all_processes(self) -> str | None:
        """A group that every process of the container is in."""
        if self.version == 2:
            return self.paths.get(UNIFIED)
        return next((self.paths[name] for name in (*_SURE, *self.paths) if name in self.paths), None)

    @property
    def _freezer(self) -> Freezer | None:
        """Of version 1 where there is one."""
        if "freezer" in self.paths:
            return Freezer(1, self.paths["freezer"])
        return Freezer(2, self.paths[UNIFIED]) if UNIFIED in self.paths else None

    def freeze(self) -> None:
        """Stop every process, and return when they have stopped; if that fails, none is stopped."""
        self._known_freezer().freeze()

    def thaw(self) -> None:
        """Let them go on."""
        self._known_freezer().thaw()

    def is_frozen(self) -> bool:
        """Whether they were stopped by `freeze`."""
        freezer = self._freezer
        return freezer is not None and freezer.is_frozen()

    def _known_freezer(self) -> Freezer:
        if self._freezer is None:
            raise CgroupError("freeze a container: it is in no cgroup that can be frozen")
        return self._freezer

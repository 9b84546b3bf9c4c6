"""A container's whole launch as one program: what is made for it, the child's life, and what is closed afterwards.

Containers of one kind, which differ in names and addresses only, share a program. It is compiled once, and for each
launch its slots are filled; so hardly anything but the kernel takes time then.
"""

from __future__ import annotations

import os
import shutil

from runtime.cgroups.cgroup import Cgroup, plan_limits, remove_directory
from runtime.linux import constants
from runtime.linux.interpreter import Program
from runtime.linux.program import ANY_ERRNO, At, Call, ResultOf, Slot
from runtime.process.clone import CLONE_ARGS_CGROUP_AT, Birth, LaunchError, bear
from runtime.process.init import Bounds, InitContext, NetworkSlots, ReadyNetwork, open_socket, plan_init, wants_index
from runtime.rootfs.plan import overlay_options, plan_rootfs
from runtime.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runtime.cgroups.hierarchy import Hierarchy
    from runtime.process.clone import Child
    from runtime.rootfs.plan import Masked
    from runtime.spec.container import ContainerSpec, Network, Process, Resources

_AT_FDCWD = -100
_SLOT_BYTES = 4095  # PATH_MAX, and the page that mount(2) takes, less the NUL
_OPEN_LOG = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
_OPEN_ENTRANCE = {1: os.O_WRONLY | os.O_CLOEXEC, 2: os.O_PATH | os.O_CLOEXEC}
# The cgroup namespace comes later, once the child is in its group.
_NAMESPACES = constants.CLONE_NEWPID | constants.CLONE_NEWNS | constants.CLONE_NEWUTS | constants.CLONE_NEWIPC


class Surroundings(Value):
    """What all containers of a launcher share."""

    hierarchy: Hierarchy
    mountpoint: str
    masks: tuple[Masked, ...]
    null_fd: int
    bounds: Bounds
    ready_fd: int
    """Where the network namespace of a container is while it is launched, if one was made ahead."""


class Kind(Value):
    """What containers have in common that one program launches.

    ``host_requests`` counts the network's requests on the host's side; ``indexed`` says of each of those inside
    whether it wants the link's index. With ``ready`` the network was made ahead, and none of these matters.
    """

    process: Process
    resources: Resources
    link: str | None
    host_requests: int
    indexed: tuple[bool, ...]
    ready: bool = False


class Opened(Value):
    """The calls that open what the child takes along."""

    entrances: tuple[Call, ...]
    log: Call
    netlink: Call | None

    @property
    def all(self) -> tuple[Call, ...]:
        """In order."""
        return (*self.entrances, self.log, *((self.netlink,) if self.netlink else ()))


class LaunchPlan(Value):
    """The calls, and those among them whose effect is undone after a failure."""

    calls: tuple[Call, ...]
    directory: Call
    groups: tuple[Call, ...]
    files: tuple[tuple[Call, Call], ...]
    birth: Birth


def kind_of(spec: ContainerSpec, *, ready: bool = False) -> Kind:
    """The container's kind; ``ready`` if its network is."""
    if spec.network is None or ready:
        return Kind(spec.process, spec.resources, None, 0, (), ready)
    indexed = tuple(map(wants_index, spec.network.guest))
    return Kind(spec.process, spec.resources, spec.network.link, len(spec.network.host), indexed)


def slot_contents(spec: ContainerSpec, hierarchy: Hierarchy, *, ready: bool = False) -> dict[str, bytes]:
    """What the container differs in from others of its kind, by the name of the slot."""
    groups = Cgroup(hierarchy, spec.cgroup).directories
    limits = plan_limits(hierarchy.version, spec.resources)
    entrance = "/tasks" if hierarchy.version == 1 else ""
    texts = {
        "directory": spec.directory,
        "upper": spec.rootfs.upper,
        "work": spec.rootfs.work,
        "log": spec.log_path,
        "hostname": spec.hostname,
        "overlay": overlay_options(spec.rootfs),
        **{f"group {number}": group for number, group in enumerate(groups)},
        **{f"entrance {number}": group + entrance for number, group in enumerate(groups)},
        **{
            f"limit {number}": f"{hierarchy.mount(controller)}/{spec.cgroup}/{file}"
            for number, (controller, file, _) in enumerate(limits)
        },
    }
    contents = {name: os.fsencode(text) for name, text in texts.items()}
    return contents if ready else contents | request_contents(spec.network)


def request_contents(network: Network | None) -> dict[str, bytes]:
    """A network's requests by the names of their slots."""
    requests = {"host": network.host, "guest": network.guest} if network else {}
    return {f"{side} {number}": one for side, several in requests.items() for number, one in enumerate(several)}


def plan_launch(kind: Kind, slots: dict[str, Slot], surroundings: Surroundings) -> LaunchPlan:
    """From the first directory to the last descriptor closed."""
    hierarchy = surroundings.hierarchy
    directory = _make_directory("make directory", slots["directory"], 0o700)
    groups = tuple(_make_directory("create cgroup", slot, 0o777) for slot in numbered(slots, "group"))
    opened = Opened(
        tuple(_open("open", slot, _OPEN_ENTRANCE[hierarchy.version]) for slot in numbered(slots, "entrance")),
        _open("open log", slots["log"], _OPEN_LOG),
        open_socket() if kind.link is not None else None,
    )
    child = plan_init(_init_context(kind, slots, surroundings, opened))
    namespaces = _NAMESPACES if kind.ready else _NAMESPACES | constants.CLONE_NEWNET
    birth = Birth(child, namespaces, 0 if hierarchy.version == 2 else None)
    files = tuple((call, Call("close", "close", (call,), ANY_ERRNO)) for call in opened.all)
    limits = [
        _write_limit(slot, content)
        for slot, (_, _, content) in zip(
            numbered(slots, "limit"), plan_limits(hierarchy.version, kind.resources), strict=True
        )
    ]
    calls = (
        directory,
        _make_directory("make directory", slots["upper"], 0o755),  # its mode is that of the container's /
        _make_directory("make directory", slots["work"], 0o700),
        *groups,
        *(call for limit in limits for call in limit),
        *opened.all,
        Call("give the log away", "fchown", (opened.log, kind.process.uid, kind.process.gid)),
        *_be_born_in(opened.entrances[0], birth, hierarchy.version),
        birth.call,
        *child,
        *(close for _, close in files),
        Call("return", "return"),
    )
    return LaunchPlan(calls, directory, groups, (*((limit[0], limit[2]) for limit in limits), *files), birth)


def _init_context(kind: Kind, slots: dict[str, Slot], surroundings: Surroundings, opened: Opened) -> InitContext:
    network: NetworkSlots | ReadyNetwork | None = ReadyNetwork(surroundings.ready_fd) if kind.ready else None
    if kind.link is not None and opened.netlink is not None:
        guest = tuple(zip(numbered(slots, "guest"), kind.indexed, strict=True))
        network = NetworkSlots(kind.link, opened.netlink, numbered(slots, "host"), guest)
    return InitContext(
        process=kind.process,
        hostname=slots["hostname"],
        tasks_fds=opened.entrances if surroundings.hierarchy.version == 1 else (),
        log_fd=opened.log,
        null_fd=surroundings.null_fd,
        network=network,
        rootfs=plan_rootfs(slots["overlay"], surroundings.mountpoint, surroundings.masks),
        bounds=surroundings.bounds,
    )


def numbered(slots: dict[str, Slot], name: str) -> tuple[Slot, ...]:
    """The slots of this name, in order."""
    return tuple(slot for key, slot in slots.items() if key.startswith(f"{name} "))


def _make_directory(what: str, slot: Slot, mode: int) -> Call:
    return Call(what, "mkdirat", (_AT_FDCWD, slot, mode), about=slot)


def _open(what: str, slot: Slot, flags: int) -> Call:
    return Call(what, "openat", (_AT_FDCWD, slot, flags, 0o600), about=slot)


def _write_limit(slot: Slot, content: str) -> tuple[Call, Call, Call]:
    what = f"write {content} to"
    opened = _open(what, slot, os.O_WRONLY | os.O_CLOEXEC)
    write = Call(what, "write", (opened, content.encode(), len(content)), about=slot)
    return opened, write, Call(what, "close", (opened,), about=slot)


def _be_born_in(group: Call, birth: Birth, version: int) -> tuple[Call, ...]:
    if version == 1:
        return ()
    return (Call("name the control group", "copy", (At(birth.args, CLONE_ARGS_CGROUP_AT), ResultOf(group), 8)),)


class Launch:
    """Launches containers of one kind."""

    def __init__(self, spec: ContainerSpec, surroundings: Surroundings, *, ready: bool = False) -> None:
        self._hierarchy = surroundings.hierarchy
        self._ready = ready
        self.slots = {name: Slot(_SLOT_BYTES) for name in slot_contents(spec, self._hierarchy, ready=ready)}
        self.plan = plan_launch(kind_of(spec, ready=ready), self.slots, surroundings)
        self.program = Program(self.plan.calls)

    def launch(self, spec: ContainerSpec) -> Child:
        """Make the container and start it. After a failure, a `LaunchError` that says which, nothing is left."""
        self.fill(spec)
        try:
            return bear(self.program, self.plan.birth)
        except LaunchError:
            self._undo(spec)
            raise

    def fill(self, spec: ContainerSpec) -> None:
        """Make the program this container's."""
        for name, content in slot_contents(spec, self._hierarchy, ready=self._ready).items():
            try:
                self.program.put(self.slots[name], content)
            except ValueError as error:
                raise LaunchError(f"launch {spec.id}: {name}: {error}") from error

    def _undo(self, spec: ContainerSpec) -> None:
        done = self.program.succeeded
        if not done(self.plan.birth.call):
            for opened, closed in self.plan.files:
                if done(opened) and not done(closed):
                    os.close(self.program.result(opened))
        for made, group in zip(self.plan.groups, Cgroup(self._hierarchy, spec.cgroup).directories, strict=True):
            if done(made):
                remove_directory(group)
        if done(self.plan.directory):
            shutil.rmtree(spec.directory, ignore_errors=True)

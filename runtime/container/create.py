"""``create``: everything but the start of the user's program. If it fails nothing is left."""

from __future__ import annotations

import fcntl
import os
import stat

from runtime import jsontext
from runtime.cgroups.group import ContainerCgroup
from runtime.container.birth import give_birth, open_namespaces, pid_inside
from runtime.container.errors import ContainerError, HookFailed
from runtime.container.first_process import FirstProcess, plan_first_process
from runtime.container.ground import cgroup_trees
from runtime.container.hooks import run_hooks, run_poststop
from runtime.container.labels import labels_for
from runtime.container.limits import set_limits
from runtime.container.nodes import refuse_others
from runtime.container.payload import CREATED, HOOKS, WAIT, Payload
from runtime.container.sources import open_sources
from runtime.container.state import State, Status, oci_state
from runtime.container.store import START, STATUS, Store
from runtime.linux import capabilities, constants, signals
from runtime.linux.filter import compile_filter
from runtime.linux.program import Failure
from runtime.linux.seccomp import SeccompError
from runtime.process.delivery import delivery_into
from runtime.process.standalone import prepare, receive
from runtime.spec.config import parse_config
from runtime.spec.execution import OciProcess
from runtime.spec.reader import SpecError, show
from runtime.unwinding import ExitStack
from runtime.values import Value, replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runtime.container.birth import Namespaces
    from runtime.container.store import Container
    from runtime.linux.seccomp import CompiledFilter
    from runtime.process.standalone import Prepared
    from runtime.spec.config import Config

_FIRST_FREE = 3

# What a container waits to become that is asked to become nothing, which can be created but not started.
_NO_PROCESS = OciProcess(args=("/",), cwd="/")


class CreateOptions(Value):
    """How the caller wants it; ``console_fd`` is a connected socket that the terminal is sent to."""

    console_fd: int | None = None
    preserved_fds: int = 0
    no_pivot: bool = False
    no_new_keyring: bool = False


class Bundle(Value):
    """A directory, the text of its config.json, and what that says."""

    directory: str
    text: str
    config: Config


def read_bundle(directory: str) -> Bundle:
    """Read its config.json; raises `ContainerError` or `SpecError`."""
    directory = os.path.abspath(directory)
    path = f"{directory}/config.json"
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read()
        return Bundle(directory, text, parse_config(jsontext.loads(text)))
    except OSError as error:
        raise ContainerError(f"open {path}: {os.strerror(error.errno or 0).lower()}") from error
    except (ValueError, RecursionError) as error:
        if isinstance(error, SpecError) and error.path:
            raise
        raise ContainerError(f"{path}: {error}") from error


def create(store: Store, container_id: str, bundle: Bundle, options: CreateOptions) -> tuple[Container, State]:
    """Make a container, which waits to be started. Raises `ContainerError`, `SpecError`, `CgroupError`.

    Where it is a hook that fails, poststop hooks are run when all has been undone (runtime.md, "Lifecycle").
    """
    config, process = bundle.config, bundle.config.process or _NO_PROCESS
    if process.terminal and options.console_fd is None:
        raise ContainerError("process.terminal: needs --console-socket, or run without --detach")
    if not process.terminal and options.console_fd is not None:
        raise ContainerError("--console-socket: is of no use without process.terminal")
    container = store.claim(container_id)
    creation = None
    try:
        with ExitStack() as undo:
            undo.callback(container.remove)
            container.write_config(bundle.text, config)
            creation = _Creation(container, config, process, bundle.directory, options)
            state = creation.make(undo)
            container.write_state(state)
            undo.pop_all()
    except HookFailed as error:
        raise error.with_complaints(() if creation is None else creation.afterwards()) from error
    return container, state


class _Creation:
    """One container on its way."""

    def __init__(
        self, container: Container, config: Config, process: OciProcess, bundle: str, options: CreateOptions
    ) -> None:
        self._container = container
        self._config = config
        self._process = process
        self._bundle = bundle
        self._options = options
        self._rootfs = root_of(config, bundle)
        self._group = ContainerCgroup.resolve(
            config.linux.cgroups_path, container.id, rootless=os.geteuid() != 0
        )
        self._state = State.fresh(container.id, bundle, self._rootfs, config.annotations)

    def make(self, undo: ExitStack) -> State:
        """All of it, from the cgroup on; ``undo`` takes everything back."""
        with ExitStack() as held:
            namespaces = open_namespaces(held, self._config.linux)
            mounts = open_sources(held, self._config, self._bundle, self._rootfs)
            refuse_others(self._rootfs, self._config)
            compiled = compile_or_refuse(self._config)
            self._group.create(self._config.linux.resources)
            undo.callback(self._group.delete)
            self._delegate()
            status, status_for_child, start = self._channels(held)
            payload = self._payload(status_for_child, start, compiled)
            entrance = held.enter_context(self._group.entrance())
            for fd in entrance.tasks:
                os.set_inheritable(fd, True)  # noqa: FBT003
            joined = namespaces.joined.get("pid")
            delivery = None if joined is None else held.enter_context(delivery_into(joined))
            context = self._context(payload, namespaces, replace_tasks(namespaces, entrance.tasks))
            calls = plan_first_process(replace(context, mounts=mounts, delivery=delivery))
            prepared = prepare(calls, status_for_child)
            pid, pidfd = give_birth(prepared, namespaces, entrance, delivery)
            held.callback(os.close, pidfd)
            undo.callback(_end, pid)
            os.close(status_for_child)
            self._state = self._remember(pid, prepared, payload)
            self._share(undo, pid)
            self._attend(status, start, prepared, namespaces)
            set_limits(pid, self._process)
            return self._state

    def _delegate(self) -> None:
        """A group that is mounted in its own namespace to be written to is its user's ("Cgroup ownership")."""
        linux, namespace = self._config.linux, self._config.linux.namespace("cgroup")
        writable = any(
            mount.type == "cgroup" and mount.destination == "/sys/fs/cgroup" and "ro" not in mount.options
            for mount in self._config.mounts
        )
        if namespace is None or namespace.path is not None or not writable:
            return
        uid = self._process.user.uid
        mapping = next((m for m in linux.uid_mappings if 0 <= uid - m.container_id < m.size), None)
        self._group.give_to(uid if mapping is None else mapping.host_id + uid - mapping.container_id)

    def _share(self, undo: ExitStack, pid: int) -> None:
        """What few containers ask for: devices of the host's network, and a share of its caches."""
        linux = self._config.linux
        if linux.net_devices:
            from runtime.container.netdevices import move_devices

            move_devices(undo, pid, linux.net_devices)
        if linux.intel_rdt is not None:
            from runtime.container.resctrl import enter_class, resctrl_of

            enter_class(undo, resctrl_of(), self._container.id, linux.intel_rdt, pid)

    def afterwards(self) -> tuple[str, ...]:
        """Run the hooks of what is no more."""
        return run_poststop(self._config.hooks.poststop, oci_state(self._state, Status.STOPPED))

    def _channels(self, held: ExitStack) -> tuple[int, int, int]:
        """Our end of the status FIFO, the child's, and that of the start FIFO, which keeps a writer of its own."""
        for name in (START, STATUS):
            os.mkfifo(self._container.path(name), 0o600)
        status = os.open(self._container.path(STATUS), os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        held.callback(os.close, status)
        os.set_blocking(status, True)
        theirs = self._above(os.open(self._container.path(STATUS), os.O_WRONLY | os.O_CLOEXEC))
        start = self._above(os.open(self._container.path(START), os.O_RDWR | os.O_CLOEXEC))
        held.callback(os.close, start)
        return status, theirs, start

    def _above(self, fd: int) -> int:
        """The descriptor again, inheritable, and out of the way of those that the container is to have."""
        moved = fcntl.fcntl(fd, fcntl.F_DUPFD, _FIRST_FREE + self._options.preserved_fds)
        os.close(fd)
        return moved

    def _payload(self, status: int, start: int, compiled: CompiledFilter | None) -> Payload:
        return Payload(
            process=_with_listen_fds(self._process, self._options),
            status_fd=status,
            start_fd=start,
            bounding_set=capabilities.bounding_set(),
            console_fd=self._options.console_fd,
            filter=compiled,
            labels=labels_for(self._process),
            preserved_fds=self._options.preserved_fds,
            owned_streams=tuple(fd for fd in range(3) if is_own_stream(fd)),
        )

    def _context(self, payload: Payload, namespaces: Namespaces, tasks: tuple[int, ...]) -> FirstProcess:
        hooks = self._config.hooks
        return FirstProcess(
            id=self._container.id,
            config=self._config,
            rootfs=self._rootfs,
            payload=payload,
            tasks_fds=tasks,
            joined=namespaces.joined_by_process,
            cgroup_trees=cgroup_trees(self._group, own=self._config.linux.namespace("cgroup") is not None),
            waits_for_hooks=bool(hooks.prestart or hooks.create_runtime or hooks.create_container),
            no_pivot=self._options.no_pivot,
            new_keyring=not self._options.no_new_keyring,
        )

    def _remember(self, pid: int, prepared: Prepared, payload: Payload) -> State:
        listens = payload.filter is not None and payload.filter.listener
        listener = payload.listener_fd if listens else None
        return self._state.born(pid, self._group.to_json(), _later_purposes(prepared), listener)

    def _attend(self, status: int, start: int, prepared: Prepared, namespaces: Namespaces) -> None:
        """Answer what the child reports until it is there."""
        while True:
            try:
                reported = receive(status, prepared.purposes)
            except Failure as failure:
                raise ContainerError(describe(failure)) from failure
            if reported is None:
                raise ContainerError("start the first process: it ended without a word")
            if reported == CREATED:
                return
            if reported == HOOKS:
                self._run_hooks(namespaces)
                os.write(start, b"\0")

    def _run_hooks(self, namespaces: Namespaces) -> None:
        hooks, seen = self._config.hooks, oci_state(self._state, Status.CREATING)
        run_hooks("prestart", hooks.prestart, seen)
        run_hooks("createRuntime", hooks.create_runtime, seen)
        if hooks.create_container:
            from runtime.container.inner_hooks import run_inner_hooks

            kinds = [namespace.type for namespace in namespaces.linux.namespaces]
            own = seen | {"pid": pid_inside(self._state.pid)}
            run_inner_hooks("createContainer", hooks.create_container, own, self._state.pid, kinds)


def replace_tasks(namespaces: Namespaces, tasks: tuple[int, ...]) -> tuple[int, ...]:
    """A midwife has entered the group already, and her child is born there."""
    return () if namespaces.needs_midwife else tasks


def root_of(config: Config, bundle: str) -> str:
    """The container's root on the host; raises `SpecError` for one that is none."""
    path = os.path.realpath(os.path.join(bundle, config.root.path))
    if not os.path.isdir(path):
        raise SpecError("root.path", f"{show(path)} is no directory")
    return path


def compile_or_refuse(config: Config) -> CompiledFilter | None:
    """The container's filter; raises `ContainerError` for one that cannot be made here."""
    if config.linux.seccomp is None:
        return None
    try:
        return compile_filter(config.linux.seccomp)
    except SeccompError as error:
        raise ContainerError(f"linux.seccomp: {error}") from error


def is_own_stream(fd: int) -> bool:
    """Whether a stream belongs to the container alone: not the null device, nor the caller's terminal."""
    try:
        return not stat.S_ISCHR(os.fstat(fd).st_mode)
    except OSError:
        return False


def _with_listen_fds(process: OciProcess, options: CreateOptions) -> OciProcess:
    """Sockets that were handed to us go on to the container, whose process has pid 1 there (sd_listen_fds(3))."""
    if not options.preserved_fds or "LISTEN_FDS" not in os.environ:
        return process
    return replace(process, env=(*process.env, f"LISTEN_FDS={os.environ['LISTEN_FDS']}", "LISTEN_PID=1"))


def _later_purposes(prepared: Prepared) -> dict[int, str]:
    """Of the calls after the start: whoever starts it knows only what is written down."""
    places = sorted(prepared.purposes)
    last_wait = max(place for place in places if prepared.purposes[place] == WAIT)
    return {place: prepared.purposes[place] for place in places if place > last_wait}


def describe(failure: Failure) -> str:
    """In the words by which engines tell a missing program from one that may not be executed."""
    if failure.what.startswith("exec: ") and failure.errno == constants.ENOENT and "/" not in failure.what:
        return f"{failure.what}: executable file not found in $PATH"
    return str(failure)


def _end(pid: int) -> None:
    """Of a child that nobody has waited for, so that the pid is still its own."""
    os.kill(pid, signals.SIGKILL)
    os.waitpid(pid, 0)

"""The launcher: a small single-threaded process that forks every container, supervises them by pidfd, and reaps them.

It is started before anything is timed and loads nothing but the standard library's core, because a fork costs what
the parent's page tables weigh. There is one launcher for all containers, and no process of ours per container. When
its client goes away, however that happens, it removes everything that it made and ends.
"""

from __future__ import annotations

import contextlib
import os
import resource
import select
import shutil
import signal
import socket
import sys
from dataclasses import dataclass

from runtime.cgroups.cgroup import Cgroup
from runtime.cgroups.hierarchy import CgroupError, host_hierarchy
from runtime.linux import capabilities, constants, syscalls
from runtime.process import clone, messages
from runtime.process.enter import enter
from runtime.process.init import Bounds, plan_chroot
from runtime.process.launch import Kind, Launch, Surroundings, kind_of
from runtime.process.stock import Stock
from runtime.rootfs.plan import masked_paths

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from runtime.cgroups.hierarchy import Hierarchy
    from runtime.spec.container import ContainerSpec, Process

_UNSIGNED = (1 << 64) - 1
# So many programs are kept at most; a client's containers are of one kind, or of a few.
_KINDS = 16


@dataclass(slots=True)
class Supervised:
    """A process that we started; ``exit_status`` is None while it runs."""

    pid: int
    pidfd: int
    cgroup: Cgroup | None = None
    directory: str | None = None
    exit_status: int | None = None


class Launcher:
    """Answers one client until it goes away."""

    def __init__(self, channel: socket.socket, mountpoint: str, bounds: int) -> None:
        self._channel = channel
        self._mountpoint = mountpoint
        self._hierarchy = None if mountpoint == "" else host_hierarchy()
        self._bounds = Bounds(capabilities.limit_bounding_set(bounds), _raise_limit_of_files())
        self._launches: dict[Kind, Launch] = {}
        self._null_fd = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
        self._ready_fd = os.dup(self._null_fd)
        self._stock = Stock()
        self._processes: dict[str, Supervised] = {}
        self._by_pidfd: dict[int, Supervised] = {}
        self._epoll = select.epoll()
        self._epoll.register(channel, select.EPOLLIN)

    def serve(self) -> None:
        """Answer requests and reap until the client closes its end; then remove everything."""
        try:
            while True:
                ready = [fd for fd, _ in self._epoll.poll()]
                self._reap_ready(ready)
                if self._channel.fileno() in ready:
                    self._answer()
        except (EOFError, ConnectionError):
            pass
        finally:
            for name in list(self._processes):
                with contextlib.suppress(OSError, CgroupError):
                    self._remove(name)
            self._stock.close()
            _end_children()

    def _answer(self) -> None:
        request, fds = messages.receive(self._channel)
        try:
            reply = self._handle(request, fds)
        except (OSError, CgroupError, clone.LaunchError) as error:
            reply = messages.Refused(str(error))
        except Exception as error:  # noqa: BLE001 - one request that makes no sense must not end all containers
            reply = messages.Refused(f"{type(request).__name__.lower()}: {error}")
        finally:
            for fd in fds:
                os.close(fd)
        messages.send(self._channel, reply)

    def _handle(self, request: messages.Request, fds: list[int]) -> messages.Reply:
        match request:
            case messages.Launch():
                return self._launch(request.spec)
            case messages.Stock():
                self._stock.add(request.network)
                return messages.Done()
            case messages.Spawn():
                return self._spawn(request)
            case messages.Exec():
                return self._exec(request, fds)
            case messages.Signal():
                return self._signal(request)
            case messages.Query():
                return self._query(request.id)
            case messages.Remove():
                self._remove(request.id)
                return messages.Done()

    def _known(self, name: str) -> Supervised:
        try:
            return self._processes[name]
        except KeyError:
            raise clone.LaunchError(f"find {name}: no process of this name") from None

    def _check_unused(self, name: str) -> None:
        """Whatever is started under a name that is taken would leave nobody to remove the other."""
        if name in self._processes:
            raise clone.LaunchError(f"start {name}: the name is taken")

    def _query(self, name: str) -> messages.Reply:
        supervised = self._known(name)
        self._reap(supervised)  # the asker may have seen the end before we have
        return messages.Status(supervised.pid, supervised.exit_status)

    def _launch(self, spec: ContainerSpec) -> messages.Reply:
        if self._hierarchy is None:
            return messages.Refused("launch a container: this launcher was started for plain processes")
        self._check_unused(spec.id)
        with self._network_made_ahead(spec) as ready:
            child = self._launch_of(spec, self._hierarchy, ready=ready).launch(spec)
        cgroup = Cgroup(self._hierarchy, spec.cgroup)
        return self._supervise(spec.id, Supervised(child.pid, child.pidfd, cgroup, spec.directory))

    @contextlib.contextmanager
    def _network_made_ahead(self, spec: ContainerSpec) -> Iterator[bool]:
        """Whether there is one; within the context it is where a launch looks for it, and is the container's alone."""
        fd = self._stock.take(spec.network)
        if fd is None:
            yield False
            return
        os.dup2(fd, self._ready_fd, inheritable=False)
        os.close(fd)
        try:
            yield True
        finally:
            os.dup2(self._null_fd, self._ready_fd, inheritable=False)

    def _launch_of(self, spec: ContainerSpec, hierarchy: Hierarchy, *, ready: bool) -> Launch:
        kind = kind_of(spec, ready=ready)
        if kind not in self._launches:
            if len(self._launches) >= _KINDS:
                self._launches.clear()
            around = Surroundings(
                hierarchy, self._mountpoint, masked_paths(), self._null_fd, self._bounds, self._ready_fd
            )
            self._launches[kind] = Launch(spec, around, ready=ready)
        return self._launches[kind]

    def _spawn(self, request: messages.Spawn) -> messages.Reply:
        self._check_unused(request.id)
        with contextlib.ExitStack() as stack:
            log = _open_log(stack, request.log_path, request.process)
            child = clone.spawn(plan_chroot(request, self._null_fd, log, self._bounds))
        return self._supervise(request.id, Supervised(child.pid, child.pidfd))

    def _exec(self, request: messages.Exec, fds: list[int]) -> messages.Reply:
        target = self._known(request.id)
        if target.cgroup is None or target.exit_status is not None:
            return messages.Refused(f"execute in {request.id}: not a running container")
        self._check_unused(request.exec_id)
        child = enter(target.pidfd, target.cgroup, request.process, (self._null_fd, fds[0], fds[1]), self._bounds)
        return self._supervise(request.exec_id, Supervised(child.pid, child.pidfd))

    def _supervise(self, name: str, supervised: Supervised) -> messages.Reply:
        self._processes[name] = supervised
        self._by_pidfd[supervised.pidfd] = supervised
        self._epoll.register(supervised.pidfd, select.EPOLLIN)
        return messages.Started(supervised.pid)

    def _signal(self, request: messages.Signal) -> messages.Reply:
        supervised = self._processes.get(request.id)
        if supervised is not None and supervised.exit_status is None:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(supervised.pidfd, request.signal)
        return messages.Done()

    def _reap_ready(self, ready: Iterable[int]) -> None:
        for fd in ready:
            if fd in self._by_pidfd:
                self._reap(self._by_pidfd[fd])

    def _reap(self, supervised: Supervised) -> None:
        """Collect the exit status of a process if it has ended."""
        if supervised.exit_status is not None:
            return
        result = os.waitid(os.P_PIDFD, supervised.pidfd, os.WEXITED | os.WNOHANG)
        if result is None:
            return
        supervised.exit_status = result.si_status + (0 if result.si_code == os.CLD_EXITED else 128)
        self._epoll.unregister(supervised.pidfd)
        del self._by_pidfd[supervised.pidfd]
        os.close(supervised.pidfd)

    def _remove(self, name: str) -> None:
        supervised = self._processes.get(name)
        if supervised is None:
            return
        if supervised.exit_status is None:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(supervised.pidfd, signal.SIGKILL)
            # A first process ends only after all others of its pid namespace were reaped (pid_namespaces(7)), and those
            # that were executed in the container are our children, not its.
            while supervised.exit_status is None:
                self._reap_ready([fd for fd, _ in self._epoll.poll()])
        if supervised.cgroup is not None:
            supervised.cgroup.remove()
        if supervised.directory is not None:
            shutil.rmtree(supervised.directory, ignore_errors=True)
        del self._processes[name]


def _raise_limit_of_files() -> tuple[int, int]:
    """Have as many as may be, one for each container; what the limits were."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (before[1], before[1]))
    soft, hard = (limit & _UNSIGNED for limit in before)  # RLIM_INFINITY is -1
    return soft, hard


def _open_log(stack: contextlib.ExitStack, path: str, process: Process) -> int:
    """The process's own: /dev/stdout and /dev/stderr lead to it, and opening those checks the file's owner again."""
    with _doing(f"open log {path}"):
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    stack.callback(os.close, fd)
    os.fchown(fd, process.uid, process.gid)
    return fd


def _end_children() -> None:
    """Kill what plain processes have left behind, which are our children now; containers take theirs along."""
    with contextlib.suppress(OSError):  # the last: no child is left
        while True:
            with open(f"/proc/self/task/{os.getpid()}/children", encoding="ascii") as children:
                for pid in children.read().split():
                    os.kill(int(pid), signal.SIGKILL)
            os.wait()


@contextlib.contextmanager
def _doing(what: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise clone.LaunchError(f"{what}: {os.strerror(error.errno or 0).lower()}") from error


def _forget_signals() -> None:
    """Undo what our client ignores and blocks: both would go on to every process, which may not even notice."""
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    for number in signal.valid_signals() - {signal.SIGPIPE, signal.SIGXFSZ}:  # those are Python's own wish
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)


def main() -> None:
    """Serve on the inherited socket: ``launcher FD MOUNTPOINT CAPABILITIES LABEL``.

    An empty mount point is for plain processes only. The capabilities, a bit set, bound all that is ever launched.
    """
    # Orphans of a container that leaves its init behind come to us, not to the host's init.
    syscalls.prctl(constants.PR_SET_CHILD_SUBREAPER, 1)
    with open("/proc/self/comm", "w", encoding="ascii") as name:
        name.write("tare-launcher")  # or it would be the number of the descriptor that we were executed by
    # A child that enters a container shares our memory until it executes: nobody there may look into it.
    syscalls.prctl(constants.PR_SET_DUMPABLE, 0)
    _forget_signals()
    os.umask(0o022)
    os.chdir("/")
    fd = int(sys.argv[1])
    os.set_inheritable(fd, False)  # noqa: FBT003 - the standard library's own
    with socket.socket(fileno=fd) as channel:
        Launcher(channel, sys.argv[2], int(sys.argv[3])).serve()

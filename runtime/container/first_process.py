"""What a container's first process does from clone to the execve of the user's program, planned as system calls.

`STEPS` is the order. Everything that needs a look at the host was done before, by the parent; from here on there is no
decision but those that the table itself can make.
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from runtime.linux import constants as c
from runtime.linux.program import ANY_ERRNO, Call, Memory
from runtime.process import attributes
from runtime.process.program import plan_execute, plan_lookup, plan_signals
from runtime.process.standalone import close_all_but, event
from runtime.process.terminal import plan_terminal
from runtime.rootfs.attach import attach, change, copy_tree, new_filesystem, propagate
from runtime.rootfs.cgroupfs import plan_cgroup_mount
from runtime.rootfs.devices import plan_bound_device, plan_device, plan_links, with_defaults
from runtime.rootfs.hidden import plan_mask, plan_readonly
from runtime.rootfs.inside import close, open_inside, parts_of
from runtime.rootfs.mounts import plan_mount
from runtime.rootfs.options import Attributes, propagation_flag
from runtime.spec.execution import Capabilities
from runtime.spec.namespaces import sysctl_path
from runtime.values import value

if TYPE_CHECKING:
    from collections.abc import Callable

    from runtime.linux.program import Argument
    from runtime.linux.seccomp import CompiledFilter
    from runtime.rootfs.cgroupfs import CgroupTrees
    from runtime.rootfs.mounts import PlannedMount
    from runtime.spec.config import Config
    from runtime.spec.execution import OciProcess

HOOKS, CREATED, LISTENING = 1, 2, 3
"""What the first process reports, and then waits for an answer."""

_FIRST_FREE = 3
_F_SETFD, _FD_CLOEXEC = 2, 1
_KINDS = {"mount": c.CLONE_NEWNS, "uts": c.CLONE_NEWUTS, "ipc": c.CLONE_NEWIPC, "network": c.CLONE_NEWNET,
          "cgroup": c.CLONE_NEWCGROUP}  # fmt: skip


@value
class Label:
    """What is written to a file of /proc/self/attr for the next execve: a security module's label."""

    file: str
    content: str


@value
class FirstProcess:
    """All that the plan needs; descriptors are the parent's, inheritable, and have the same numbers in the child."""

    id: str
    config: Config
    process: OciProcess
    rootfs: str
    status_fd: int
    start_fd: int
    bounding_set: int
    mounts: tuple[PlannedMount, ...] = ()
    tasks_fds: tuple[int, ...] = ()
    joined: tuple[tuple[str, int], ...] = ()
    cgroup_trees: CgroupTrees | None = None
    console_fd: int | None = None
    filter: CompiledFilter | None = None
    labels: tuple[Label, ...] = ()
    preserved_fds: int = 0
    owned_streams: tuple[int, ...] = ()
    parent_mount: str | None = None
    waits_for_hooks: bool = False
    no_pivot: bool = False
    new_keyring: bool = True

    def has_own(self, kind: str) -> bool:
        """Whether a namespace of this type is new."""
        namespace = self.config.linux.namespace(kind)
        return namespace is not None and namespace.path is None

    @property
    def in_user_namespace(self) -> bool:
        """Whether root in the container is not root on the host."""
        return self.config.linux.namespace("user") is not None


def plan_first_process(context: FirstProcess) -> tuple[Call, ...]:
    """The whole of it."""
    root = Call(f"open {context.rootfs}", "openat", (c.AT_FDCWD, os.fsencode(context.rootfs), _DIRECTORY, 0))
    steps = [call for step in STEPS for call in step(context, root)]
    return (*steps, *plan_end(context))


_DIRECTORY = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC


def begin(context: FirstProcess, _: Call) -> tuple[Call, ...]:
    """Of the descriptors that survived the way here none may survive the next execve."""
    own = (context.status_fd, context.start_fd)
    return (
        *(Call("close on exec", "fcntl", (fd, _F_SETFD, _FD_CLOEXEC)) for fd in own),
        Call("start a session", "setsid"),
        Call("set the umask", "umask", (0,)),
    )


def enter_namespaces(context: FirstProcess, _: Call) -> tuple[Call, ...]:
    """The group first, so that it is the root of the cgroup namespace (cgroup_namespaces(7))."""
    return (
        *(Call("join the control group", "write", (fd, b"0", 1)) for fd in context.tasks_fds),
        *(
            Call(f"linux.namespaces: join the {kind} namespace", "setns", (fd, _KINDS[kind]))
            for kind, fd in context.joined
        ),
        *(
            (Call("linux.namespaces: make a cgroup namespace", "unshare", (c.CLONE_NEWCGROUP,)),)
            if context.has_own("cgroup")
            else ()
        ),
    )


def set_names(context: FirstProcess, _: Call) -> tuple[Call, ...]:
    """sethostname(2) and setdomainname(2)."""
    wanted = (("hostname", context.config.hostname), ("domainname", context.config.domainname))
    return tuple(
        Call(f"{name}: set it", f"set{name}", (os.fsencode(text), len(os.fsencode(text))))
        for name, text in wanted
        if text is not None
    )


def renew_keyring(context: FirstProcess, _: Call) -> tuple[Call, ...]:
    """Unless the caller wants to keep its own."""
    return attributes.join_keyring(f"_ses.{context.id}") if context.new_keyring else ()


def open_root(context: FirstProcess, root: Call) -> tuple[Call, ...]:
    """The root becomes a mount of its own, below mounts that send nothing back to the host."""
    if context.config.linux.namespace("mount") is None:
        return (root,)
    flags = propagation_flag(context.config.linux.rootfs_propagation or "rslave")
    path = os.fsencode(context.rootfs)
    tree_of = Call(f"open {context.rootfs}", "openat", (c.AT_FDCWD, path, _DIRECTORY, 0))
    tree = copy_tree("root.path: copy its mounts", tree_of, recursive=True)
    parent = os.fsencode(context.parent_mount or "/")
    return (
        Call("linux.rootfsPropagation: set it", "mount", (0, b"/", 0, flags, 0)),
        # What is moved or pivoted must not be below a shared mount (pivot_root(2)).
        *((Call("root.path: make its mount private", "mount", (0, parent, 0, c.MS_PRIVATE, 0)),) if flags & c.MS_SHARED
          else ()),
        tree_of,
        tree,
        attach("root.path: mount it", tree, tree_of),
        close(tree),
        close(tree_of),
        root,
    )  # fmt: skip


def mount_all(context: FirstProcess, root: Call) -> tuple[Call, ...]:
    """In the order of the file."""
    return tuple(call for planned in context.mounts for call in _mount(context, root, planned))


def _mount(context: FirstProcess, root: Call, planned: PlannedMount) -> tuple[Call, ...]:
    if planned.mount.type == "cgroup" and context.cgroup_trees is not None:
        return plan_cgroup_mount(root, planned, context.cgroup_trees)
    return plan_mount(root, planned)


def fill_dev(context: FirstProcess, root: Call) -> tuple[Call, ...]:
    """Devices and links, unless /dev is the host's own."""
    if context.config.linux.namespace("mount") is None or _has_foreign_dev(context):
        return ()
    plan = plan_bound_device if context.in_user_namespace else plan_device
    devices = with_defaults(context.config.linux.devices)
    return (*(call for device in devices for call in plan(root, device)), *plan_links(root))


def _has_foreign_dev(context: FirstProcess) -> bool:
    return any(
        parts_of(planned.mount.destination) == ("dev",) and planned.options.bind for planned in context.mounts
    )


def open_terminal(context: FirstProcess, root: Call) -> tuple[Call, ...]:
    """Where one was asked for."""
    if context.console_fd is None:
        return attributes.own_streams(context.process.user, context.owned_streams)
    console = context.config.linux.namespace("mount") is not None
    size = context.process.console_size
    return plan_terminal(root, context.console_fd, context.process.user.uid, size, console=console)


def make_working_directory(context: FirstProcess, root: Call) -> tuple[Call, ...]:
    """One that the image lacks is made, as all engines expect; where it cannot be, entering it tells."""
    parts = parts_of(context.process.cwd)
    paths = ("/".join(parts[: depth + 1]) for depth in range(len(parts)))
    calls: list[Call] = []
    parent: Argument = root
    for path in paths:
        name = os.fsencode(path.rpartition("/")[2])
        calls.append(Call(f"process.cwd: make /{path}", "mkdirat", (parent, name, 0o755), ANY_ERRNO))
        reached = open_inside(f"process.cwd: reach /{path}", root, path, allowed=ANY_ERRNO)
        calls.append(reached)
        parent = reached
    return tuple(calls)


def hide_paths(context: FirstProcess, root: Call) -> tuple[Call, ...]:
    """Read-only paths first: a masked one may be within."""
    linux = context.config.linux
    return (
        *(call for path in linux.readonly_paths for call in plan_readonly(root, path)),
        *(call for path in linux.masked_paths for call in plan_mask(root, path)),
    )


def write_kernel_files(context: FirstProcess, _: Call) -> tuple[Call, ...]:
    """Through a procfs that is attached nowhere, so that no mount can lead a write elsewhere (CVE-2025-52881)."""
    files = [
        *((f"linux.sysctl: set {key}", f"sys/{sysctl_path(key)}", text) for key, text in context.config.linux.sysctl),
        *((f"process: set the label {label.content}", f"self/attr/{label.file}", label.content)
          for label in context.labels),
    ]  # fmt: skip
    if not files:
        return ()
    proc = new_filesystem("open a procfs", "proc", "proc", (), 0)
    written = (call for what, path, text in files for call in _write(what, proc[-1], path, text))
    return (*proc, *written, close(proc[-1]))


def _write(what: str, proc: Call, path: str, text: str) -> tuple[Call, ...]:
    opened = open_inside(what, proc, path, flags=os.O_WRONLY | os.O_CLOEXEC)
    content = Memory(os.fsencode(text))
    return (opened, Call(what, "write", (opened, content, len(content.content))), close(opened))


def wait_for_hooks(context: FirstProcess, _: Call) -> tuple[Call, ...]:
    """The parent runs them now, while the root is still the host's."""
    return rendezvous(context, HOOKS) if context.waits_for_hooks else ()


def rendezvous(context: FirstProcess, number: int, allowed: tuple[int, ...] = ()) -> tuple[Call, ...]:
    """Say how far it is, and go on when told."""
    return (event(number, context.status_fd), Call("wait", "read", (context.start_fd, Memory(bytes(8)), 1), allowed))


def change_root(context: FirstProcess, root: Call) -> tuple[Call, ...]:
    """Afterwards nothing of the host can be reached by a path, and no descriptor of ours is a directory."""
    what = "change the root"
    if context.config.linux.namespace("mount") is None:
        calls: tuple[Call, ...] = (Call(what, "fchdir", (root,)), Call(what, "chroot", (b".",)))
    elif context.no_pivot:
        calls = (
            Call(what, "fchdir", (root,)),
            Call(what, "mount", (b".", b"/", 0, c.MS_MOVE, 0)),
            Call(what, "chroot", (b".",)),
            Call(what, "chdir", (b"/",)),
        )
    else:
        calls = _pivot(what, root)
    keep = (context.status_fd, context.start_fd)
    return (*calls, *_finish_root(context), *close_all_but(keep, _FIRST_FREE + context.preserved_fds))


def _pivot(what: str, root: Call) -> tuple[Call, ...]:
    """pivot_root(2), "." over ".", after which the old root is what "." is."""
    return (
        Call(what, "fchdir", (root,)),
        Call(what, "pivot_root", (b".", b".")),
        Call(what, "mount", (0, b".", 0, c.MS_SLAVE | c.MS_REC, 0)),
        Call(what, "umount2", (b".", c.MNT_DETACH)),
        Call(what, "chdir", (b"/",)),
    )


def _finish_root(context: FirstProcess) -> tuple[Call, ...]:
    flags = propagation_flag(context.config.linux.rootfs_propagation or "")
    if context.config.linux.namespace("mount") is None or not (flags or context.config.root.readonly):
        return ()
    top = Call("open the root", "openat", (c.AT_FDCWD, b"/", _DIRECTORY, 0))
    readonly = Attributes(c.MOUNT_ATTR_RDONLY) if context.config.root.readonly else Attributes()
    return (
        top,
        *((propagate("linux.rootfsPropagation: set it", top, flags),) if flags else ()),
        *change("root.readonly: set it", top, readonly),
    )


def set_attributes(context: FirstProcess, _: Call) -> tuple[Call, ...]:
    """What needs rights that the process will not have."""
    return (
        *attributes.schedule(context.process.scheduler),
        *attributes.prioritize_io(context.process.io_priority),
        *attributes.impersonate(context.config.linux.personality),
        *attributes.place_memory(context.config.linux.memory_policy),
    )


def report_created(context: FirstProcess, _: Call) -> tuple[Call, ...]:
    """From here on only ``start`` lets it go on."""
    args, env = context.process.args, context.process.env
    return (*plan_lookup(args, env), *plan_signals(), *rendezvous(context, CREATED))


STEPS: tuple[Callable[[FirstProcess, Call], tuple[Call, ...]], ...] = (
    begin,
    enter_namespaces,
    set_names,
    renew_keyring,
    open_root,
    mount_all,
    fill_dev,
    open_terminal,
    make_working_directory,
    write_kernel_files,
    hide_paths,
    wait_for_hooks,
    change_root,
    set_attributes,
    report_created,
)


def plan_end(context: FirstProcess) -> tuple[Call, ...]:
    """Give up what the process is not meant to have, and execute it; without new privileges the filter may be last."""
    process = context.process
    late = process.no_new_privileges
    return (
        Call(f"process.cwd: enter {process.cwd}", "chdir", (os.fsencode(process.cwd),)),
        *(() if late else _filter(context)),
        *attributes.become(process.user, process.capabilities or Capabilities(), context.bounding_set),
        *attributes.deny_new_privileges(wanted=late),
        Call("process.user.umask: set it", "umask", (0o022 if process.user.umask is None else process.user.umask,)),
        *(_filter(context) if late else ()),
        *plan_execute(process.args, process.env),
    )


def _filter(context: FirstProcess) -> tuple[Call, ...]:
    if context.filter is None:
        return ()
    installed = attributes.install_filter(context.filter.program, context.filter.flags)
    # The filter may refuse these two; whoever listens fetches the descriptor in any case.
    wait = Call("wait", "read", (context.start_fd, Memory(bytes(8)), 1), ANY_ERRNO)
    return (*installed, wait) if context.filter.listener else installed


def listener_fd(context: FirstProcess) -> int:
    """The number that the kernel gives the descriptor of notifications: the lowest that is free."""
    taken = {context.status_fd, context.start_fd}
    return next(fd for fd in range(_FIRST_FREE + context.preserved_fds, max(taken) + 2) if fd not in taken)


def character_device(fd: int) -> bool:
    """Whether a stream is the null device or a terminal, which belongs to somebody else."""
    return stat.S_ISCHR(os.fstat(fd).st_mode)

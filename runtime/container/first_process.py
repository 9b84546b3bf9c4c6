"""What a container's first process does from clone to the execve of the user's program, planned as system calls.

`STEPS` is the order. Everything that needs a look at the host was done before, by the parent; from here on there is no
decision but those that the table itself can make.
"""

from __future__ import annotations

import os

from runtime.container.payload import (
    CREATED,
    HOOKS,
    close_others,
    label_files,
    plan_begin,
    plan_end,
    plan_priorities,
    plan_streams,
    rendezvous,
    start_session,
    write_to_procfs,
)
from runtime.linux import constants as c
from runtime.linux.program import ANY_ERRNO, Call
from runtime.process import attributes
from runtime.process.delivery import plan_delivery
from runtime.process.loopback import plan_loopback
from runtime.process.program import plan_lookup, plan_signals
from runtime.rootfs.attach import attach, change, copy_tree, propagate
from runtime.rootfs.cgroupfs import plan_cgroup_mount
from runtime.rootfs.devices import plan_bound_device, plan_device, plan_links, with_defaults
from runtime.rootfs.hidden import plan_mask, plan_readonly
from runtime.rootfs.inside import close, open_inside, parts_of
from runtime.rootfs.mounts import plan_mount
from runtime.rootfs.options import Attributes, propagation_flag
from runtime.spec.namespaces import sysctl_path
from runtime.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from runtime.container.payload import Payload
    from runtime.linux.program import Argument
    from runtime.process.delivery import Delivery
    from runtime.rootfs.cgroupfs import CgroupTrees
    from runtime.rootfs.mounts import PlannedMount
    from runtime.spec.config import Config

_KINDS = {"mount": c.CLONE_NEWNS, "uts": c.CLONE_NEWUTS, "ipc": c.CLONE_NEWIPC, "network": c.CLONE_NEWNET,
          "cgroup": c.CLONE_NEWCGROUP}  # fmt: skip


class FirstProcess(Value):
    """All that the plan needs; descriptors are the parent's, inheritable, and have the same numbers in the child."""

    id: str
    config: Config
    rootfs: str
    payload: Payload
    mounts: tuple[PlannedMount, ...] = ()
    tasks_fds: tuple[int, ...] = ()
    joined: tuple[tuple[str, int], ...] = ()
    cgroup_trees: CgroupTrees | None = None
    delivery: Delivery | None = None
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
    return (*steps, *plan_end(context.payload))


_DIRECTORY = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC


def begin(context: FirstProcess, _: Call) -> tuple[Call, ...]:
    """Of the descriptors that survived the way here none may survive the next execve."""
    return (*plan_begin(context.payload), Call("set the umask", "umask", (0,)))


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
        *(plan_loopback() if context.has_own("network") else ()),
        *(plan_delivery(context.delivery) if context.delivery else ()),
        *start_session(),
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
    path = os.fsencode(context.rootfs)
    tree_of = Call(f"open {context.rootfs}", "openat", (c.AT_FDCWD, path, _DIRECTORY, 0))
    tree = copy_tree("root.path: copy its mounts", tree_of, recursive=True)
    # What is pivoted or moved must not be below a shared mount (pivot_root(2)): it gets nothing from the host, or gets
    # and gives nothing; its own propagation comes last. What is bound was taken from the host's own mounts before.
    wanted = propagation_flag(context.config.linux.rootfs_propagation or "slave")
    tie = c.MS_SLAVE if wanted & c.MS_SLAVE else c.MS_PRIVATE
    return (
        Call("linux.rootfsPropagation: set it", "mount", (0, b"/", 0, tie | c.MS_REC, 0)),
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
    return plan_streams(context.payload, root, console=context.config.linux.namespace("mount") is not None)


def make_working_directory(context: FirstProcess, root: Call) -> tuple[Call, ...]:
    """One that the image lacks is made, as all engines expect; where it cannot be, entering it tells."""
    parts = parts_of(context.payload.process.cwd)
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
    """Parameters of the container's namespaces, and what the security modules are to know."""
    pairs = context.config.linux.sysctl
    sysctls = ((f"linux.sysctl: set {key}", f"sys/{sysctl_path(key)}", text) for key, text in pairs)
    return write_to_procfs((*sysctls, *label_files(context.payload.labels)))


def wait_for_hooks(context: FirstProcess, _: Call) -> tuple[Call, ...]:
    """The parent runs them now, while the root is still the host's."""
    return rendezvous(context.payload, HOOKS) if context.waits_for_hooks else ()


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
    return (*calls, *_finish_root(context), *close_others(context.payload))


def _pivot(what: str, root: Call) -> tuple[Call, ...]:
    """pivot_root(2), "." over ".", after which the old root lies over the new one, and is taken off it.

    Not before it is a slave of the host: else whatever is mounted on the host would be taken off there, too.
    """
    old = Call(what, "openat", (c.AT_FDCWD, b"/", _DIRECTORY, 0))
    return (
        old,
        Call(what, "fchdir", (root,)),
        Call(what, "pivot_root", (b".", b".")),
        Call(what, "fchdir", (old,)),
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
        *plan_priorities(context.payload.process),
        *attributes.impersonate(context.config.linux.personality),
        *attributes.place_memory(context.config.linux.memory_policy),
    )


def report_created(context: FirstProcess, _: Call) -> tuple[Call, ...]:
    """From here on only ``start`` lets it go on."""
    process = context.payload.process
    lookup = plan_lookup(process.args, process.env, process.cwd)
    return (*lookup, *plan_signals(), *rendezvous(context.payload, CREATED))


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

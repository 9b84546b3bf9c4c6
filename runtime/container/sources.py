"""What mounts need of the host, opened by the parent: sources of bind mounts, id-mapped, and directories to copy up.

A bind's source is copied to a mount that is attached nowhere, and has all its attributes before a container sees it.
Whatever is not there or may not be read is found here, by name.
"""

from __future__ import annotations

import errno
import os
import struct

from runtime.container.errors import ContainerError
from runtime.container.labels import mount_label_of
from runtime.container.targets import followed_targets
from runtime.linux import constants as c
from runtime.linux.interpreter import perform
from runtime.linux.openat2 import RESOLVE_IN_ROOT, RESOLVE_NO_MAGICLINKS, openat2
from runtime.linux.program import Call, Failure, Memory
from runtime.rootfs.attach import copy_tree, new_filesystem
from runtime.rootfs.inside import close, parts_of
from runtime.rootfs.mounts import PlannedMount, configure, not_in_proc, refuse_cover
from runtime.rootfs.options import parse_options
from runtime.spec.reader import SpecError, show
from runtime.values import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runtime.rootfs.options import MountOptions
    from runtime.spec.config import Config
    from runtime.spec.namespaces import IdMapping
    from runtime.unwinding import ExitStack

_PROC_ROOT_INODE = 1
_LABELLED = ("tmpfs", "devpts", "mqueue", "overlay", "ramfs")  # others, such as proc, have labels of their own


def open_sources(stack: ExitStack, config: Config, bundle: str, rootfs: str) -> tuple[PlannedMount, ...]:
    """Every mount of the file, with its descriptor where it has one; they are closed with the stack."""
    label = mount_label_of(config.linux)
    planned = []
    paths = followed_targets(rootfs, [mount.destination for mount in config.mounts])
    for index, (mount, path) in enumerate(zip(config.mounts, paths, strict=True)):
        where = f"mounts[{index}]"
        refuse_cover(where, mount)
        options = parse_options(mount.options)
        if label is not None and mount.type in _LABELLED and not options.bind:
            options = replace(options, data=(*options.data, label))
        planned.append(_open(stack, config, bundle, rootfs, PlannedMount(where, mount, options, path=path)))
    return tuple(planned)


def _open(
    stack: ExitStack, config: Config, bundle: str, rootfs: str, planned: PlannedMount
) -> PlannedMount:
    if planned.options.bind and not planned.options.remount:
        return _open_bind(stack, config, bundle, planned)
    if planned.mount.type is None and not planned.options.remount and not planned.options.propagation:
        raise SpecError(f"{planned.where}.type", "is missing, and the mount is no bind mount")
    if planned.options.copy_up and planned.mount.type == "tmpfs":
        return _copy_up(stack, rootfs, planned)
    if planned.mount.type in {None, "none"}:  # only the propagation of what is mounted there already
        return replace(planned, options=replace(planned.options, remount=True))
    return planned


def _open_bind(stack: ExitStack, config: Config, bundle: str, planned: PlannedMount) -> PlannedMount:
    source = planned.mount.source
    if source is None:
        raise SpecError(f"{planned.where}.source", "is missing, and a bind mount needs it")
    path = os.path.join(bundle, source)
    opened = Call(f"{planned.where}.source: open {path}", "openat", (c.AT_FDCWD, os.fsencode(path), os.O_PATH, 0))
    tree = copy_tree(planned.what, opened, recursive=planned.options.bind_recursive)
    fd = _keep(stack, (opened, tree, close(opened)), tree)
    if parts_of(planned.mount.destination) == ("proc",) and not _is_proc(fd):
        raise SpecError(f"{planned.where}.destination", f"{show(source)} is no procfs, and would pass for one")
    options = _with_default_propagation(config, planned.options)
    perform(configure(replace(planned, options=options), fd))
    _map_ids(stack, config, planned, fd)
    return replace(planned, tree_fd=fd, directory=os.path.isdir(f"/proc/self/fd/{fd}"))


def _keep(stack: ExitStack, calls: tuple[Call, ...], wanted: Call) -> int:
    """The descriptor that one of the calls gives, for the child to inherit."""
    fd = perform(calls)[calls.index(wanted)]
    stack.callback(os.close, fd)
    os.set_inheritable(fd, True)  # noqa: FBT003 - the standard library's own
    return fd


def _is_proc(fd: int) -> bool:
    """Whether it is the top of a procfs, and so cannot be something made to look like one."""
    try:
        perform(not_in_proc("is it a procfs", fd))
    except Failure as failure:
        return failure.errno == errno.EPERM and os.fstat(fd).st_ino == _PROC_ROOT_INODE
    return False


def _with_default_propagation(config: Config, options: MountOptions) -> MountOptions:
    """What is mounted in the container later must not reach the host, unless the file asks for it."""
    if options.propagation or (config.linux.rootfs_propagation or "").endswith("shared"):
        return options
    recursive = c.MS_REC if options.bind_recursive else 0
    return replace(options, propagation=(c.MS_SLAVE | recursive,))


def _map_ids(stack: ExitStack, config: Config, planned: PlannedMount, fd: int) -> None:
    """An id-mapped mount: by mappings of its own, or with ``idmap`` those of the container's user namespace."""
    mount = planned.mount
    uids, gids = mount.uid_mappings, mount.gid_mappings
    if not uids and planned.options.idmap:
        uids, gids = config.linux.uid_mappings, config.linux.gid_mappings
        if not uids:
            raise SpecError(f"{planned.where}.options", f"{planned.options.idmap} needs uidMappings, here or in linux")
    if not uids:
        return
    user_namespace = _mapped_namespace(stack, f"{planned.where}.uidMappings", uids, gids)
    content = struct.pack("=4Q", c.MOUNT_ATTR_IDMAP, 0, 0, user_namespace)
    flags = c.AT_EMPTY_PATH | (c.AT_RECURSIVE if planned.options.idmap == "ridmap" else 0)
    perform((Call(f"{planned.where}.uidMappings: map ids", "mount_setattr", (fd, b"", flags, Memory(content), 32)),))


def _mapped_namespace(
    stack: ExitStack, where: str, uids: tuple[IdMapping, ...], gids: tuple[IdMapping, ...]
) -> int:
    """A user namespace that nobody is in, with these mappings."""
    from runtime.process.user_namespace import mapped_user_namespace

    try:
        fd = mapped_user_namespace(uids, gids)
    except OSError as error:
        raise ContainerError(f"{where}: make a user namespace: {os.strerror(error.errno or 0).lower()}") from error
    stack.callback(os.close, fd)
    return fd


def _copy_up(stack: ExitStack, rootfs: str, planned: PlannedMount) -> PlannedMount:
    """A tmpfs that begins with what the image has at that place."""
    options = planned.options
    made = new_filesystem(planned.what, "tmpfs", planned.mount.source, options.data, 0)
    fd = _keep(stack, made, made[-1])
    root = os.open(rootfs, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        name = "/".join(parts_of(planned.mount.destination)) or "."
        source = openat2(root, os.fsencode(name), os.O_PATH | os.O_DIRECTORY,
                         resolve=RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS)  # fmt: skip
    except OSError as error:
        if error.errno not in {errno.ENOENT, errno.ENOTDIR}:
            raise ContainerError(f"{planned.what}: {os.strerror(error.errno or 0).lower()}") from error
    else:
        try:
            _copy_directory(planned.what, f"/proc/self/fd/{source}", f"/proc/self/fd/{fd}")
        finally:
            os.close(source)
    finally:
        os.close(root)
    perform(configure(planned, fd))
    return replace(planned, tree_fd=fd)


def _copy_directory(what: str, source: str, target: str) -> None:
    """With modes, times and owners. Symlinks are copied, never followed, and devices are left out."""
    import shutil

    try:
        for entry in os.scandir(source):
            place = f"{target}/{entry.name}"
            if entry.is_symlink():
                os.symlink(os.readlink(entry.path), place)
            elif entry.is_dir():
                os.mkdir(place, 0o700)
                _copy_directory(what, entry.path, place)
            elif entry.is_file():
                shutil.copyfile(entry.path, place)
            else:
                continue
            _keep_owner(entry.stat(follow_symlinks=False), place)
            shutil.copystat(entry.path, place, follow_symlinks=False)
    except OSError as error:
        raise ContainerError(f"{what}: copy what the image has there: {error}") from error


def _keep_owner(seen: os.stat_result, place: str) -> None:
    os.chown(place, seen.st_uid, seen.st_gid, follow_symlinks=False)

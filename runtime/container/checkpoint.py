"""``checkpoint`` and ``restore``: freeze a container's processes to files, and thaw them again, by criu(8)."""

from __future__ import annotations

import os

from runtime.cgroups.group import ContainerCgroup
from runtime.container.create import root_of
from runtime.container.errors import ContainerError, WrongStatus
from runtime.container.kill import end
from runtime.container.state import State, Status
from runtime.unwinding import ExitStack
from runtime.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runtime.container.create import Bundle
    from runtime.container.store import Container, Store
    from runtime.spec.config import Config

_SHOWN = 300


class CheckpointOptions(Value):
    """Where images and logs are, and what else criu is told."""

    images: str
    work: str
    switches: tuple[str, ...] = ()


def checkpoint(container: Container, options: CheckpointOptions, *, leave_running: bool) -> None:
    """Write the container's processes to files; it is stopped then, unless it is left running."""
    with container.locked():
        state = container.state()
        status = container.status(state)
        if status not in {Status.RUNNING, Status.PAUSED}:
            raise WrongStatus(f"checkpoint container {container.id!r}: it is {status.value}, not running")
        keep = ("--leave-running",) if leave_running else ()
        _criu("dump", options, ("--tree", str(state.pid), *keep, *_external(container.config(), state.rootfs)))
        if not leave_running:
            end(state)


def restore(store: Store, container_id: str, bundle: Bundle, options: CheckpointOptions) -> State:
    """A container of the same bundle whose processes go on where they were."""
    config, rootfs = bundle.config, root_of(bundle.config, bundle.directory)
    if not os.path.isdir(options.images):
        raise ContainerError(f"restore container {container_id!r}: {options.images} is no directory of images")
    container = store.claim(container_id)
    with ExitStack() as undo:
        undo.callback(container.remove)
        container.write_config(bundle.text, config)
        group = ContainerCgroup.resolve(config.linux.cgroups_path, container_id, rootless=os.geteuid() != 0)
        group.create(config.linux.resources)
        undo.callback(group.delete)
        pid_file = container.path("restored.pid")
        _criu("restore", options, ("--restore-detached", "--restore-sibling", "--pidfile", pid_file,
                                   *_external(config, rootfs)))  # fmt: skip
        with open(pid_file, encoding="ascii") as file:
            pid = int(file.read())
        state = State.fresh(container_id, bundle.directory, rootfs, config.annotations).born(pid, group.to_json())
        container.write_state(state)
        undo.pop_all()
    return state


def _external(config: Config, rootfs: str) -> tuple[str, ...]:
    """Mounts that came from the host are not part of the images (criu.org, "External bind mounts")."""
    binds = [mount for mount in config.mounts if {"bind", "rbind"} & set(mount.options)]
    names = [f"mnt[{mount.destination}]:{mount.destination}" for mount in binds]
    return ("--root", rootfs, *(word for name in names for word in ("--external", name)))


def _criu(verb: str, options: CheckpointOptions, more: tuple[str, ...]) -> None:
    import shutil
    import subprocess

    program = shutil.which("criu", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin:/usr/bin")
    if program is None:
        raise ContainerError(f"{verb}: criu is not installed (Debian package criu)")
    for directory in (options.images, options.work):
        os.makedirs(directory, mode=0o700, exist_ok=True)
    log = f"{verb}.log"
    command = (program, verb, "--images-dir", options.images, "--work-dir", options.work, "--log-file", log,
               "--manage-cgroups=ignore", *options.switches, *more)  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ContainerError(f"criu {verb}: {_last_error(os.path.join(options.work, log)) or done.stderr.strip()}")


def _last_error(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            errors = [line.strip() for line in file if "Error" in line]
    except OSError:
        return ""
    return f"{errors[-1][-_SHOWN:]} ({path})" if errors else ""

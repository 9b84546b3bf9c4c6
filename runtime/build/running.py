"""What a RUN runs: a container of the layers so far, with Docker's default rights, in a child of ours.

Not by the engine: nobody waits for it but us, nothing of it is kept, and it needs neither a record nor a supervisor.
"""

from __future__ import annotations

import os

from runtime import jsontext
from runtime.build.errors import BuildError
from runtime.build.workspace import GROUPS, end_container
from runtime.linux import capabilities, constants, signals, syscalls
from runtime.spec.defaults import MASKED_PATHS, READONLY_PATHS
from runtime.spec.version import NEWEST
from runtime.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

    from runtime.build.workspace import Room
    from runtime.linux.seccomp import Seccomp
    from runtime.spec.config import Config

_QUIET = ("nosuid", "noexec", "nodev")
_CANNOT_START = 127
_NOT_EXECUTABLE = 126
_profiles: list[Seccomp] = []


class Identity(Value):
    """Whom the command runs as."""

    uid: int = 0
    gid: int = 0
    groups: tuple[int, ...] = ()
    home: str = "/root"


class Run(Value):
    """A command, and what it finds. ``network`` is a namespace's path, empty for none, and None for the host's.

    ``mounts`` are further entries of config.json, ``files`` what is bound over files of the image.
    """

    container_id: str
    args: tuple[str, ...]
    env: tuple[str, ...]
    cwd: str
    identity: Identity
    network: str | None = ""
    files: tuple[tuple[str, str], ...] = ()
    mounts: tuple[dict[str, Any], ...] = ()


def run(command: Run, room: Room, runtime: str, output: int) -> int:
    """Run it to its end, and have what it says in ``output``; its exit code. Raises `BuildError` if it cannot start.

    Whatever interrupts this, nothing of it goes on.
    """
    _load()
    reads, says = os.pipe2(os.O_CLOEXEC)
    pid = os.fork()
    if pid == 0:
        _live(command, room, runtime, output, says)
    os.close(says)
    try:
        with open(reads, "rb") as pipe:
            said = pipe.read()
        os.waitpid(pid, 0)
    except BaseException:
        _kill(pid)
        end_container(runtime, command.container_id)
        raise
    kind, _, text = said.decode(errors="replace").partition(" ")
    if kind != "ended":
        end_container(runtime, command.container_id)
        raise BuildError(text or "the process that starts it ended without a word")
    return int(text)


def _load() -> None:
    """What the child needs, for all children of ours."""
    import runtime.container.create
    import runtime.container.delete
    import runtime.container.start  # noqa: F401

    _seccomp()


def _kill(pid: int) -> None:
    os.kill(pid, signals.SIGKILL)
    os.waitpid(pid, 0)


def _live(command: Run, room: Room, runtime: str, output: int, says: int) -> NoReturn:
    """The child's whole life: it must not go on as its parent, whatever happens."""
    try:
        null = os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC)
        for number, fd in enumerate((null, output, output)):
            os.dup2(fd, number)
        # Not even our parent's lock: what says that a build lives must not be held by what it leaves when it is killed.
        os.closerange(3, says)
        os.closerange(says + 1, os.sysconf("SC_OPEN_MAX"))
        syscalls.prctl(constants.PR_SET_PDEATHSIG, signals.SIGKILL)
        os.write(says, f"ended {_run(command, room, runtime)}".encode())
    except BaseException as error:  # noqa: BLE001
        os.write(says, f"failed {_sentence(error)}".encode())
    finally:
        os._exit(0)


def _sentence(error: BaseException) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename or 'start the container'}: {error.strerror.lower()}"
    return " ".join(str(error).split()) or type(error).__name__


def _run(command: Run, room: Room, runtime: str) -> int:
    from runtime.container.create import Bundle, CreateOptions, create
    from runtime.container.delete import delete_container
    from runtime.container.errors import ContainerError
    from runtime.container.start import start
    from runtime.container.store import Store

    document = bundle_document(command, room.merged)
    text = jsontext.dumps(document)
    with open(f"{room.directory}/config.json", "w", encoding="utf-8") as file:
        file.write(text)
    bundle = Bundle(room.directory, text, _confined(document))
    try:
        container, state = create(Store(runtime), command.container_id, bundle, CreateOptions())
        start(container)
    except ContainerError as error:
        if not str(error).startswith("exec"):
            raise
        os.write(2, f"{error}\n".encode())
        return _CANNOT_START if "not found" in str(error) or "no such file" in str(error).lower() else _NOT_EXECUTABLE
    _, status = os.waitpid(state.pid, 0)
    delete_container(container, force=True)
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


def _confined(document: dict[str, Any]) -> Config:
    """With the default seccomp profile, as a value: told in JSON it would only be parsed again."""
    from runtime.spec.config import parse_config
    from runtime.values import replace

    config = parse_config(document)
    return replace(config, linux=replace(config.linux, seccomp=_seccomp()))


def _seccomp() -> Seccomp:
    if not _profiles:
        from runtime.spec.profile import default_profile

        _profiles.append(default_profile(capabilities.DEFAULT))
    return _profiles[0]


def bundle_document(command: Run, rootfs: str) -> dict[str, Any]:
    """config.json (runtime-spec), but for the seccomp profile."""
    rights = [name for name in capabilities.NAMES if name in capabilities.DEFAULT]
    identity = command.identity
    made: dict[str, Any] = {
        "ociVersion": NEWEST,
        "process": {
            "user": {"uid": identity.uid, "gid": identity.gid, "additionalGids": list(identity.groups)},
            "args": list(command.args),
            "env": list(_environment(command)),
            "cwd": command.cwd,
            "capabilities": dict.fromkeys(("bounding", "effective", "permitted"), rights),
        },
        "root": {"path": rootfs},
        "hostname": command.container_id[:12],
        "mounts": [*_mounts(), *(_bind(source, target) for target, source in command.files), *command.mounts],
        "linux": {
            "namespaces": _namespaces(command.network),
            "cgroupsPath": f"{GROUPS}/{command.container_id}",
            "resources": {"devices": [{"allow": False, "access": "rwm"}]},
            "maskedPaths": list(MASKED_PATHS),
            "readonlyPaths": list(READONLY_PATHS),
        },
    }
    if command.network is not None:
        made["linux"]["sysctl"] = {
            "net.ipv4.ip_unprivileged_port_start": "0", "net.ipv4.ping_group_range": "0 2147483647"
        }  # fmt: skip
    return made


def _environment(command: Run) -> list[str]:
    names = {entry.partition("=")[0] for entry in command.env}
    added = {"HOSTNAME": command.container_id[:12], "HOME": command.identity.home}
    return [*(f"{name}={content}" for name, content in added.items() if name not in names), *command.env]


def _namespaces(network: str | None) -> list[dict[str, Any]]:
    kinds: list[dict[str, Any]] = [{"type": kind} for kind in ("pid", "ipc", "uts", "mount", "cgroup")]
    if network is not None:
        kinds.append({"type": "network", **({"path": network} if network else {})})
    return kinds


def _mounts() -> list[dict[str, Any]]:
    devpts = ("nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5")
    return [
        _mount("/proc", "proc", "proc", *_QUIET),
        _mount("/dev", "tmpfs", "tmpfs", "nosuid", "strictatime", "mode=755", "size=65536k"),
        _mount("/dev/pts", "devpts", "devpts", *devpts),
        _mount("/sys", "sysfs", "sysfs", *_QUIET, "ro"),
        _mount("/sys/fs/cgroup", "cgroup", "cgroup", *_QUIET, "ro"),
        _mount("/dev/mqueue", "mqueue", "mqueue", *_QUIET),
        _mount("/dev/shm", "tmpfs", "shm", *_QUIET, "mode=1777", "size=64m"),  # noqa: S108 - its name
    ]


def _bind(source: str, target: str) -> dict[str, Any]:
    return _mount(target, "bind", source, "rbind", "rprivate")


def _mount(destination: str, kind: str, source: str, *options: str) -> dict[str, Any]:
    return {"destination": destination, "type": kind, "source": source, "options": list(options)}

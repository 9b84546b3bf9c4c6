"""A container runtime that makes every classic mistake: the witness of the tests in ``tests/integration/security``.
# ruff: noqa: PTH - it is a runtime, and those do without pathlib

It is a program, not a module: `tests.support.attack.naive_runtime` makes it the runtime under test. What an attack
reaches through this one and not through ours is what ours prevents. Its mistakes, each of them once a real runtime's:

- paths are looked up in the root first and used by name afterwards (CVE-2021-30465), or not looked up at all;
- a directory of the host stays open in the container (CVE-2024-21626);
- its executable is what the container's process executes until the last moment (CVE-2019-5736);
- masks, consoles and writes to ``/proc`` go wherever the image's ``/dev`` and ``/proc`` lead (CVE-2025-31133,
  CVE-2025-52565, CVE-2025-52881);
- a module is loaded once the root is the image's; rights are kept; names are taken from the image's ``passwd``.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import pty
import select
import signal
import sys
import time
from typing import Any

_LIBC = ctypes.CDLL(None, use_errno=True)
_BIND, _REC, _PRIVATE, _RDONLY, _REMOUNT = 4096, 16384, 1 << 18, 1, 32
_NEW = {"mount": 0x00020000, "uts": 0x04000000, "ipc": 0x08000000, "pid": 0x20000000}
_FLAGS = {"bind": _BIND, "rbind": _BIND | _REC, "ro": _RDONLY, "nosuid": 2, "nodev": 4, "noexec": 8}


def mount(source: str, target: str, fstype: str | None, flags: int, data: str = "") -> None:
    """mount(2)."""
    kind = None if fstype is None else fstype.encode()
    if _LIBC.mount(source.encode(), target.encode(), kind, flags, data.encode()):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), target)


def joined(rootfs: str, path: str, *, checked: bool) -> str:
    """Where ``path`` is in the root; looked up there, if ``checked``, which holds until somebody changes it."""
    if not checked:
        return os.path.realpath(rootfs + path)
    found = rootfs
    for name in path.strip("/").split("/"):
        found = f"{found}/{name}"
        if os.path.islink(found):
            found = rootfs + os.path.normpath("/" + os.readlink(found))
    return found


def mount_all(config: dict[str, Any], rootfs: str) -> None:
    """Each mount by name, from outside."""
    checked = config.get("annotations", {}).get("naive.join") == "checked"
    for entry in config["mounts"]:
        options = entry.get("options", [])
        flags = sum({_FLAGS[option] for option in options if option in _FLAGS})
        data = ",".join(option for option in options if option not in _FLAGS)
        target = joined(rootfs, entry["destination"], checked=checked)
        time.sleep(0.001 * checked)  # what a busy host does
        os.makedirs(target, exist_ok=True)
        mount(entry.get("source", "none"), target, entry.get("type"), flags, "" if flags & _BIND else data)


def make_devices() -> None:
    """What the image does not have already."""
    for name, minor in (("null", 3), ("zero", 5), ("full", 7), ("random", 8), ("urandom", 9)):
        if not os.path.lexists(f"/dev/{name}"):
            os.mknod(f"/dev/{name}", 0o666 | 0o020000, os.makedev(1, minor))
    if not os.path.lexists("/dev/ptmx"):
        os.symlink("pts/ptmx", "/dev/ptmx")


def adjust(config: dict[str, Any], terminal: str | None) -> None:
    """Sysctls, masks and the console, in the container's root, by name."""
    linux, process = config["linux"], config["process"]
    for name, text in linux.get("sysctl", {}).items():
        with open("/proc/sys/" + name.replace(".", "/"), "w", encoding="utf-8") as file:
            file.write(text)
    if "oomScoreAdj" in process:
        with open("/proc/self/oom_score_adj", "w", encoding="utf-8") as file:
            file.write(str(process["oomScoreAdj"]))
    if terminal is not None:
        mount(terminal, "/dev/console", None, _BIND)
    for path in linux.get("maskedPaths", []):
        if os.path.exists(path):
            mount("/dev/null" if os.path.isfile(path) else "/dev/shm", path, None, _BIND)
    for path in linux.get("readonlyPaths", []):
        if os.path.exists(path):
            mount(path, path, None, _BIND | _REC)
            mount("none", path, None, _BIND | _REMOUNT | _RDONLY)


def become(name: str) -> None:
    """Whoever the image's ``passwd`` says this is."""
    with open("/etc/passwd", encoding="utf-8") as file:
        ids = {line.split(":")[0]: line.split(":")[2:4] for line in file}
    uid, gid = ids.get(name, (name, "0"))
    os.setgid(int(gid))
    os.setuid(int(uid))


def execute(process: dict[str, Any]) -> None:
    """The container's process."""
    with contextlib.suppress(ImportError):
        import stringprep  # noqa: F401 - from the image, which is the mistake
    become(str(process["user"]["uid"]))
    os.chdir(process["cwd"])
    os.execvpe(process["args"][0], process["args"], dict(entry.split("=", 1) for entry in process["env"]))


def run(bundle: str, pid_file: str, *, detach: bool) -> int:
    """Everything; the status of the container's process."""
    with open(f"{bundle}/config.json", encoding="utf-8") as file:
        config = json.load(file)
    os.set_inheritable(os.open(bundle, os.O_RDONLY | os.O_DIRECTORY), True)
    if _LIBC.unshare(sum(_NEW.get(entry["type"], 0) for entry in config["linux"]["namespaces"])):
        raise OSError(ctypes.get_errno(), "unshare")
    pid = os.fork()
    if pid == 0:
        rootfs = os.path.realpath(f"{bundle}/{config['root']['path']}")
        mount("none", "/", None, _REC | _PRIVATE)
        mount(rootfs, rootfs, None, _BIND | _REC)
        mount_all(config, rootfs)
        terminal = os.ttyname(pty.openpty()[1]) if config["process"].get("terminal") else None
        os.chroot(rootfs)
        os.chdir("/")
        make_devices()
        adjust(config, terminal)
        execute(config["process"])
    with open(pid_file, "w", encoding="utf-8") as file:
        file.write(str(pid))
    return 0 if detach else os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def enter(pid: str, args: list[str]) -> int:
    """A further process in the container."""
    handles = [os.open(f"/proc/{pid}/ns/{kind}", os.O_RDONLY) for kind in ("pid", "mnt")]
    root = os.open(f"/proc/{pid}/root", os.O_RDONLY)
    for handle in handles:
        _LIBC.setns(handle, 0)
    child = os.fork()
    if child == 0:
        os.fchdir(root)
        os.chroot(".")
        os.execvp(args[0], args)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def main(argv: list[str]) -> int:
    """``--root ROOT (run [--detach] --bundle BUNDLE ID | exec ID ARGS… | delete --force ID)``."""
    root, verb, rest = argv[1], argv[2], argv[3:]
    os.makedirs(root, exist_ok=True)
    if verb == "run":
        return run(rest[rest.index("--bundle") + 1], f"{root}/{rest[-1]}.pid", detach="--detach" in rest)
    if verb == "exec":
        with open(f"{root}/{rest[0]}.pid", encoding="utf-8") as file:
            return enter(file.read(), rest[1:])
    return delete(f"{root}/{rest[-1]}.pid")


def delete(pid_file: str) -> int:
    """Kill the container's first process, and wait for its end."""
    try:
        with open(pid_file, encoding="utf-8") as file:
            pidfd = os.pidfd_open(int(file.read()))
    except (FileNotFoundError, ProcessLookupError):
        return 1
    signal.pidfd_send_signal(pidfd, signal.SIGKILL)
    select.select([pidfd], [], [])
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

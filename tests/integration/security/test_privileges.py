"""Setuid and file capabilities, ptrace, keyrings, and the kernel's own settings: rights that a container must not gain.

A setuid program or one with file capabilities gives rights to whoever executes it, unless no_new_privs is set
(prctl(2)), and never more than the bounding set has (capabilities(7)). Who may trace a process may become it
(ptrace(2)). Who inherits a session keyring possesses its keys (session-keyring(7)).
"""

from __future__ import annotations

import ctypes
import shutil
import subprocess
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from runtime.linux.numbers import numbers
from tests.support.attack import naive_runtime, run_detached
from tests.support.bundle import is_ours
from tests.support.containers import make_ground

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.support.bundle import Bundle

pytestmark = pytest.mark.root

_LIBC = ctypes.CDLL(None, use_errno=True)
ADD_KEY, JOIN_SESSION_KEYRING, SESSION = 248, 1, -3
BOUNDED = ["CAP_CHOWN", "CAP_NET_BIND_SERVICE", "CAP_SETUID"]


def status_of(text: str) -> dict[str, str]:
    return {name: value.strip() for name, _, value in (line.partition(":") for line in text.splitlines())}


def with_gains(box: Bundle, install: Callable[[str], str], kind: str, caps: str = "cap_net_bind_service") -> str:
    """A program of the image that gives rights, and a process without any that executes it."""
    program = install("rights")
    if kind == "setuid":
        (box.rootfs / "rights").chmod(0o6755)
    else:
        subprocess.run(("setcap", f"{caps}+eip", box.rootfs / "rights"), check=True)
    (box.rootfs / "tmp").chmod(0o777)
    process = box.config["process"]
    process["user"] = {"uid": 1000, "gid": 1000}
    process["capabilities"] = {"bounding": BOUNDED, "effective": [], "permitted": []}
    return program


@pytest.mark.parametrize("kind", ["setuid", "file-capabilities"])
def test_the_naive_runtime_s_container_gains_rights(
    box: Bundle, install: Callable[[str], str], tmp_path: Path, kind: str
) -> None:
    program = with_gains(box, install, kind)
    with naive_runtime(tmp_path):
        status = status_of(box.run(program).stdout)
    assert int(status["CapEff"], 16) & 1 << 10  # CAP_NET_BIND_SERVICE


@pytest.mark.parametrize("kind", ["setuid", "file-capabilities"])
@pytest.mark.parametrize("verb", ["run", "exec"])
def test_nothing_is_gained_without_new_privileges(
    box: Bundle, install: Callable[[str], str], kind: str, verb: str
) -> None:
    program = with_gains(box, install, kind)
    name = run_detached(box, "sleep", "1000")[0] if verb == "exec" else ""
    done = box.call("exec", name, program) if name else box.run(program)
    status = status_of(done.stdout)
    assert status["NoNewPrivs"] == "1"
    assert status["Uid"].split() == ["1000"] * 4
    assert status["Gid"].split() == ["1000"] * 4
    assert {int(status[name], 16) for name in ("CapInh", "CapPrm", "CapEff", "CapAmb")} == {0}


def test_a_setuid_program_gains_no_more_than_the_bounding_set(box: Bundle, install: Callable[[str], str]) -> None:
    program = with_gains(box, install, "setuid")
    box.config["process"]["noNewPrivileges"] = False
    status = status_of(box.run(program).stdout)
    assert status["Uid"].split()[1] == "0", "the mechanism was not exercised"
    assert int(status["CapEff"], 16) == int(status["CapBnd"], 16) == 1 << 0 | 1 << 10 | 1 << 7


def test_a_file_s_capabilities_outside_the_bounding_set_are_refused(
    box: Bundle, install: Callable[[str], str]
) -> None:
    program = with_gains(box, install, "file-capabilities", "cap_sys_admin")
    box.config["process"]["noNewPrivileges"] = False
    assert box.run(program).stdout == ""  # execve(2): EPERM


@pytest.fixture
def victim() -> Iterator[int]:
    """A process of the host's root, for whoever can reach it."""
    with subprocess.Popen(("sleep", "100")) as process:
        yield process.pid
        process.kill()


WAYS = {"exe", "root", "cwd", "mem", "maps", "environ", "process_vm_readv", "pidfd_getfd", "ptrace"}


def reached(output: str) -> set[str]:
    """The ways that led into the other process, of those that access rights guard."""
    results = dict(line.split() for line in output.splitlines())
    assert set(results) >= WAYS
    # These two also need something to be there at the other end: a descriptor, memory at an address.
    return {way for way in WAYS if results[way] == "0"} - {"pidfd_getfd", "process_vm_readv"}


def share_pids(box: Bundle) -> None:
    kinds = [entry for entry in box.config["linux"]["namespaces"] if entry["type"] != "pid"]
    box.config["linux"]["namespaces"] = kinds


def test_the_naive_runtime_s_container_reaches_into_a_process_of_the_host(
    box: Bundle, install: Callable[[str], str], tmp_path: Path, victim: int
) -> None:
    share_pids(box)
    with naive_runtime(tmp_path):
        assert reached(box.run(install("reach"), str(victim)).stdout) >= {"exe", "root", "mem", "ptrace"}


def test_a_container_that_sees_the_host_s_processes_reaches_into_none(
    box: Bundle, install: Callable[[str], str], victim: int
) -> None:
    share_pids(box)
    assert reached(box.run(install("reach"), str(victim)).stdout) == set()


def test_a_container_does_not_even_see_a_process_of_the_host(
    box: Bundle, install: Callable[[str], str], victim: int
) -> None:
    done = box.run(install("reach"), str(victim))
    assert {int(line.split()[1]) for line in done.stdout.splitlines()} <= {2, 3, 9}  # ENOENT, ESRCH, EBADF


def inner_pid(pid: int) -> str:
    """What a process of the innermost pid namespace calls it."""
    return status_of(Path(f"/proc/{pid}/status").read_text())["NSpid"].split()[-1]


@pytest.mark.parametrize("state", ["created", "running"])
def test_another_container_s_process_is_not_reached_before_it_has_given_up_its_rights(
    box: Bundle, install: Callable[[str], str], state: str
) -> None:
    """In a shared pid namespace; what runs with no more rights than ours can be reached, which shows that we try."""
    program = install("reach")
    first, _ = run_detached(box, "sleep", "1000")
    init = box.state(first)["pid"]
    shared = {"type": "pid", "path": f"/proc/{init}/ns/pid"}
    share_pids(box)
    box.config["linux"]["namespaces"].append(shared)
    second = box.create("sleep", "1000")
    if state == "running":
        assert box.call("start", second).returncode == 0
    done = box.call("exec", first, program, inner_pid(box.state(second)["pid"]))
    assert reached(done.stdout) == (set() if state == "created" else WAYS - {"pidfd_getfd", "process_vm_readv"})


def in_session_with_key(action: Callable[[int], str]) -> str:
    """Call with the serial of a key that a session keyring of the calling thread's own holds."""
    results = []

    def body() -> None:
        assert _LIBC.syscall(numbers()["keyctl"], JOIN_SESSION_KEYRING, None) >= 0
        key = _LIBC.syscall(ADD_KEY, b"user", b"tare-test", b"host-secret", 11, SESSION)
        assert key > 0, ctypes.get_errno()
        results.append(action(key))

    thread = threading.Thread(target=body)
    thread.start()
    thread.join()
    return results[0]


def test_the_naive_runtime_s_container_reads_the_host_s_keys(
    box: Bundle, install: Callable[[str], str], tmp_path: Path
) -> None:
    program = install("keys")
    with naive_runtime(tmp_path):
        assert "read 0 host-secret" in in_session_with_key(lambda key: box.run(program, str(key)).stdout)


@pytest.mark.parametrize("verb", ["run", "exec"])
def test_a_container_has_a_session_keyring_of_its_own(box: Bundle, install: Callable[[str], str], verb: str) -> None:
    program = install("keys")

    def ask(key: int) -> str:
        if verb == "run":
            return box.run(program, str(key)).stdout
        return box.call("exec", run_detached(box, "sleep", "1000")[0], program, str(key)).stdout

    said = in_session_with_key(ask)
    assert "host-secret" not in said
    assert said.splitlines()[1].startswith("read 13")  # EACCES: it is there, and not possessed


def test_the_kernel_s_settings_cannot_be_written(box: Bundle) -> None:
    rights = ["CAP_SYS_ADMIN", "CAP_DAC_OVERRIDE", "CAP_NET_ADMIN"]
    box.config["process"]["capabilities"] = dict.fromkeys(("bounding", "effective", "permitted"), rights)
    script = (
        "find /proc/sys /proc/sysrq-trigger /proc/irq /proc/bus /proc/fs -type f 2>/dev/null | while read -r file; do "
        "(: >> $file) 2>/dev/null && echo $file; done; ls /proc/sys/kernel | wc -l"
    )
    *writable, count = box.shell(script).stdout.splitlines()
    assert writable == []
    assert int(count) > 20


BLOCKED = {"io_uring_setup", "userfaultfd", "bpf", "keyctl", "add_key", "perf_event_open", "unshare-user-cgroup",
           "unshare-user", "unshare-cgroup", "clone3-user", "mount-cgroup", "open_by_handle_at", "kexec_load",
           "init_module", "reboot", "clock_settime", "pivot_root", "swapoff", "quotactl", "iopl"}  # fmt: skip


def test_the_naive_runtime_lets_system_calls_through(
    box: Bundle, install: Callable[[str], str], tmp_path: Path
) -> None:
    with naive_runtime(tmp_path):
        results = dict(line.split() for line in box.run(install("calls")).stdout.splitlines())
    assert set(results) == BLOCKED
    assert {name for name, error in results.items() if error == "0"} >= {"unshare-cgroup", "add_key", "mount-cgroup"}


def test_a_default_container_of_the_launcher_is_refused_what_it_has_no_use_for(
    tmp_path: Path, busybox_layers: tuple[Path, ...], programs: Callable[[str], Path]
) -> None:
    top = tmp_path / "top"
    top.mkdir()
    shutil.copy(programs("calls"), top / "calls")
    with make_ground(tmp_path / "ground", (*busybox_layers, top)) as ground:
        results = dict(line.split() for line in ground.run("/calls").lines)
    assert set(results) == BLOCKED
    assert {name: error for name, error in results.items() if error not in {"1", "38"}} == {}  # EPERM, ENOSYS


def test_a_process_that_waits_for_start_is_not_dumpable(box: Bundle) -> None:
    pid = box.state(box.create("true"))["pid"]
    box.config["process"]["user"] = {"uid": 1000, "gid": 1000}
    if is_ours():
        # Only a process that nobody may dump has a file of root's in procfs whatever its own user is (proc(5)).
        command = ("setpriv", "--reuid=0", "--regid=0", "--clear-groups", "--bounding-set=-all", "--inh-caps=-all",
                   "--no-new-privs", "readlink", f"/proc/{pid}/exe")  # fmt: skip
        assert subprocess.run(command, check=False, capture_output=True).returncode != 0

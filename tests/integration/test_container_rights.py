"""What a container's processes may not do: capabilities, no_new_privs and the seccomp filter, asked of the kernel."""

from __future__ import annotations

import ctypes
import os
import resource
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from runtime.image.builder import Directory, File, LayerRecipe
from runtime.linux import capabilities, syscalls
from runtime.linux.numbers import numbers
from tests.support.containers import NOBODY, base_layer, make_ground, require_root, unpack
from tests.support.elf import syscall_program

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runtime.image.builder import Entry
    from tests.support.containers import Ground

pytestmark = pytest.mark.root

DEFAULT = 0xA80425FB
EPERM, ENOSYS = 1, 38
NEW_USER, CHILD_ENDS_WITH_SIGCHLD = 0x10000000, 17
AF_INET, AF_UNIX, AF_VSOCK, STREAM = 2, 1, 40, 1
ADDR_NO_RANDOMIZE, ASK = 0x40000, 0xFFFFFFFF

# Numbers of x86-64 (asm/unistd_64.h).
GETEUID, UNSHARE, MOUNT, KEYCTL, CLONE, SOCKET, CLONE3 = 107, 272, 165, 250, 56, 41, 435
DENIED = {
    "unshare": (UNSHARE, NEW_USER),
    "mount": (MOUNT, 0, 0, 0, 0, 0),
    "keyctl": (KEYCTL, 0, -3, 0),
    "add-key": (248, 0, 0, 0, 0, -3),
    "clone-newuser": (CLONE, NEW_USER | CHILD_ENDS_WITH_SIGCHLD, 0, 0, 0, 0),
    "socket-vsock": (SOCKET, AF_VSOCK, STREAM, 0),
    "socket-vsock-in-disguise": (SOCKET, AF_VSOCK | 1 << 32, STREAM, 0),
    "personality-no-randomize": (135, ADDR_NO_RANDOMIZE),
    "io-uring-setup": (425, 1, 0),
    "bpf": (321, 0, 0, 0),
    "userfaultfd": (323, 1),
    "perf-event-open": (298, 0, 0, 0, 0, 0),
    "setns": (308, 0, 0),
    "open-tree": (428, -100, 0, 0),
}
ALLOWED = {
    "getpid": (39,),
    "socket-inet": (SOCKET, AF_INET, STREAM, 0),
    "socket-unix": (SOCKET, AF_UNIX, STREAM, 0),
    "clone-process": (CLONE, CHILD_ENDS_WITH_SIGCHLD, 0, 0, 0, 0),
    "personality-ask": (135, ASK),
    "inotify-init1": (294, 0),
    "epoll-create1": (291, 0),
    "memfd-create": (319, 0x400000, 0),
}

if os.uname().machine != "x86_64":
    pytest.skip("cannot run here: the programs of these tests are x86-64", allow_module_level=True)


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    require_root()
    calls = {**DENIED, **ALLOWED, "clone3": (CLONE3, 0, 0)}
    programs: tuple[Entry, ...] = (
        Directory("bin"),
        *(File(f"bin/call-{name}", syscall_program(*call), mode=0o755) for name, call in calls.items()),
        File("bin/euid", syscall_program(GETEUID, result=True), mode=0o755),
        File("bin/euid-setuid", syscall_program(GETEUID, result=True), mode=0o4755),
    )
    layers = unpack(tmp_path_factory.mktemp("image"), base_layer(), LayerRecipe(programs, "programs"))
    with make_ground(tmp_path_factory.mktemp("ground"), layers) as made:
        yield made
        assert made.leftovers() == []


def status(ground: Ground, uid: int, **changes: Any) -> dict[str, str]:
    """``/proc/self/status`` of a process of this user."""
    lines = ground.run("cat", "/proc/self/status", uid=uid, gid=uid, **changes).lines
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def sets(found: dict[str, str]) -> dict[str, int]:
    return {name: int(found[name], 16) for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")}


def test_root_has_the_default_capabilities_and_no_other(ground: Ground) -> None:
    full = {"CapInh": 0, "CapPrm": DEFAULT, "CapEff": DEFAULT, "CapBnd": DEFAULT, "CapAmb": 0}
    assert sets(status(ground, 0)) == full


def test_another_user_has_none_and_is_bounded_all_the_same(ground: Ground) -> None:
    assert sets(status(ground, NOBODY)) == {"CapInh": 0, "CapPrm": 0, "CapEff": 0, "CapBnd": DEFAULT, "CapAmb": 0}


def test_fewer_can_be_asked_for(ground: Ground) -> None:
    kept = capabilities.mask(["CAP_CHOWN"])
    assert sets(status(ground, 0, capabilities=kept)) == {
        "CapInh": 0, "CapPrm": kept, "CapEff": kept, "CapBnd": kept, "CapAmb": 0,
    }  # fmt: skip
    assert ground.run("chown", "1", "/srv", capabilities=kept).status == 0
    assert ground.run("chown", "1", "/srv", capabilities=0).status == 1


def test_ids_and_groups_are_those_asked_for(ground: Ground) -> None:
    found = status(ground, NOBODY, groups=(7, 8))
    assert found["Uid"].split() == found["Gid"].split() == [str(NOBODY)] * 4
    assert found["Groups"].split() == ["7", "8"]
    assert status(ground, 0)["Groups"] == ""


@pytest.mark.parametrize("uid", [0, NOBODY])
def test_no_new_privileges_and_a_filter(ground: Ground, uid: int) -> None:
    found = status(ground, uid)
    assert (found["NoNewPrivs"], found["Seccomp"], found["Seccomp_filters"]) == ("1", "2", "1")


def test_a_setuid_program_gains_nothing(ground: Ground) -> None:
    assert ground.run("euid-setuid", uid=NOBODY, gid=NOBODY).status == NOBODY & 0xFF
    # And it would gain, were it not for no_new_privs:
    assert ground.run("euid-setuid", uid=NOBODY, gid=NOBODY, no_new_privs=False, seccomp=None).status == 0
    assert ground.run("euid", uid=NOBODY, gid=NOBODY).status == NOBODY & 0xFF


@pytest.mark.parametrize("name", DENIED)
def test_the_filter_denies(ground: Ground, name: str) -> None:
    assert ground.run(f"call-{name}").status == EPERM


@pytest.mark.parametrize("name", ALLOWED)
def test_the_filter_lets_ordinary_calls_through(ground: Ground, name: str) -> None:
    assert ground.run(f"call-{name}", uid=NOBODY, gid=NOBODY).status == 0


def test_it_is_the_filter_that_denies(ground: Ground) -> None:
    everything = capabilities.bounding_set()
    answers = {
        name: ground.run(f"call-{name}", seccomp=None, capabilities=everything, no_new_privs=False).status
        for name in DENIED
    }
    assert {name for name, answer in answers.items() if answer == EPERM} == set()
    assert ground.run("call-mount", capabilities=everything).status == EPERM


def test_clone3_does_not_exist_so_that_libraries_fall_back(ground: Ground) -> None:
    assert ground.run("call-clone3").status == ENOSYS


def test_busybox_unshare_fails_and_threads_work(ground: Ground) -> None:
    assert "Operation not permitted" in ground.run("unshare", "-U", "true").output
    assert ground.shell("(true &) ; wait; echo done | cat").output == "done\n"


def test_raw_sockets_bind_low_ports_and_chroot_as_docker_allows(ground: Ground) -> None:
    assert ground.shell("chroot / true && mknod /tmp/p p && chown 5:5 /tmp/p").status == 0


def test_more_than_the_host_holds_is_cut_down(ground: Ground) -> None:
    found = sets(status(ground, 0, capabilities=(1 << 64) - 1))
    assert found["CapEff"] == found["CapBnd"] == capabilities.bounding_set()


def test_the_launchers_bounds_hold_for_every_process(tmp_path: Path, ground: Ground) -> None:
    from runtime.process.client import Launcher

    bounds = capabilities.mask(["CAP_CHOWN", "CAP_KILL", "CAP_SETPCAP", "CAP_SETUID", "CAP_SETGID"])
    process = ground.process("sh", "-c", "grep CapBnd /proc/self/status", seccomp=None)
    with Launcher("test", None, bounds) as launcher:
        launcher.spawn("bounded", Path("/"), replace(process, env=("PATH=/usr/bin:/bin",)), tmp_path / "log")
        assert launcher.wait("bounded", 10) == 0
    assert int((tmp_path / "log").read_text().split()[1], 16) == bounds & DEFAULT


def test_the_limit_of_open_files_is_the_callers_own(tmp_path: Path, ground: Ground) -> None:
    # The launcher raises its own: it holds a descriptor for each container.
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (500, before[1]))
    try:
        with make_ground(tmp_path / "ground", ground.layers) as other:
            inside = other.shell("ulimit -Sn; ulimit -Hn").lines
            limits = Path(f"/proc/{other.launcher.pid}/limits").read_text()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    (line,) = [line for line in limits.splitlines() if line.startswith("Max open files")]
    assert line.split()[3:5] == [str(before[1])] * 2
    assert inside == ["500", str(before[1])]


def set_inheritable(bits: int) -> None:
    held = capabilities.bounding_set()
    header, data = (ctypes.create_string_buffer(part) for part in capabilities.capset_arguments(held, held, bits))
    assert syscalls.raw(numbers()["capset"], ctypes.addressof(header), ctypes.addressof(data)) == 0


@pytest.mark.parametrize("uid", [0, NOBODY])
def test_inheritable_capabilities_of_the_caller_stay_outside(tmp_path: Path, ground: Ground, uid: int) -> None:
    # A file that has some of them would give them back (CVE-2022-24769).
    set_inheritable(DEFAULT)
    try:
        with make_ground(tmp_path / "ground", ground.layers) as other:
            assert f"{DEFAULT:016x}" in Path(f"/proc/{other.launcher.pid}/status").read_text()
            assert status(other, uid)["CapInh"] == "0" * 16
    finally:
        set_inheritable(0)

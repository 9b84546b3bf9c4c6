"""The attributes of a process, set by its plan and read back from the kernel once it has executed."""

from __future__ import annotations

import os
import resource
from typing import TYPE_CHECKING

import pytest

from runtime.linux import capabilities
from runtime.linux.program import Call, Vector
from runtime.process import attributes, clone
from runtime.spec.execution import Capabilities, IoPriority, Rlimit, Scheduler, User
from runtime.spec.linux import MemoryPolicy, Personality
from tests.support.containers import BUSYBOX, NOBODY, require_root

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.root
SETS = ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")


@pytest.fixture(autouse=True)
def _root() -> None:
    require_root()


def output(calls: tuple[Call, ...], *argv: str, plain: bool = False) -> str:
    """What a busybox command prints that has made these calls before."""
    read, write = os.pipe()
    os.set_inheritable(write, True)
    arguments = tuple(os.fsencode(argument) for argument in argv)
    execute = Call("execute", "execve", (os.fsencode(BUSYBOX), Vector(arguments), Vector(())))
    try:
        child = clone.spawn((Call("write to the pipe", "dup3", (write, 1, 0)), *calls, execute), plain=plain)
    finally:
        os.close(write)
    with os.fdopen(read, encoding="utf-8") as file:
        text = file.read()
    os.close(child.pidfd)
    assert os.waitpid(child.pid, 0)[1] == 0
    return text


def status(calls: tuple[Call, ...], *, plain: bool = False) -> dict[str, str]:
    lines = output(calls, "cat", "/proc/self/status", plain=plain).splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def mask(*names: str) -> int:
    return capabilities.mask(names)


@pytest.mark.parametrize("plain", [False, True])
@pytest.mark.parametrize("uid", [0, NOBODY])
def test_all_five_sets_of_capabilities(uid: int, plain: bool) -> None:
    chown, kill, raw = mask("CAP_CHOWN"), mask("CAP_KILL"), mask("CAP_NET_RAW")
    wanted = Capabilities(
        bounding=chown | kill | raw, permitted=chown | kill, effective=chown | kill, inheritable=chown, ambient=chown
    )
    found = status(attributes.become(User(uid, uid), wanted, capabilities.bounding_set()), plain=plain)
    sets = {name: int(found[name], 16) for name in SETS}
    # execve(2) gives root all of the bounding set, and another user the ambient ones (capabilities(7)).
    gained = chown | kill | raw if uid == 0 else chown
    assert sets == {
        "CapInh": chown, "CapPrm": gained, "CapEff": gained, "CapBnd": chown | kill | raw, "CapAmb": chown,
    }  # fmt: skip


def test_a_capability_that_the_runtime_lacks_is_no_failure() -> None:
    everything = (1 << len(capabilities.NAMES)) - 1
    wanted = Capabilities(*(everything,) * 5)
    held = capabilities.bounding_set() & ~mask("CAP_SYS_BOOT")
    found = status(attributes.become(User(NOBODY, NOBODY), wanted, held))
    assert int(found["CapEff"], 16) == held


def test_ids_and_groups() -> None:
    user = User(NOBODY, 77, additional_gids=(5, 6))
    found = status(attributes.become(user, Capabilities(), capabilities.bounding_set()))
    assert found["Uid"].split() == [str(NOBODY)] * 4
    assert found["Gid"].split() == ["77"] * 4
    assert found["Groups"].split() == ["5", "6"]
    assert {int(found[name], 16) for name in SETS} == {0}


def test_no_new_privileges() -> None:
    assert status(attributes.deny_new_privileges(wanted=True))["NoNewPrivs"] == "1"
    assert status(attributes.deny_new_privileges(wanted=False))["NoNewPrivs"] == "0"


def test_limits() -> None:
    files = Rlimit("RLIMIT_NOFILE", resource.RLIMIT_NOFILE, 60, 61)
    core = Rlimit("RLIMIT_CORE", resource.RLIMIT_CORE, 0, 0)
    lines = output(attributes.limit((files, core)), "cat", "/proc/self/limits").splitlines()
    assert next(line for line in lines if line.startswith("Max open files")).split()[3:5] == ["60", "61"]
    assert next(line for line in lines if line.startswith("Max core file size")).split()[4:6] == ["0", "0"]


def test_a_limit_that_is_refused_is_named() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    above = 1 << 40  # more than fs.nr_open, whoever asks
    assert hard < above
    with pytest.raises(clone.LaunchError, match=r"^process\.rlimits: set RLIMIT_NOFILE to 1, \d+: operation"):
        output(attributes.limit((Rlimit("RLIMIT_NOFILE", resource.RLIMIT_NOFILE, 1, above),)), "true")


def test_a_scheduler() -> None:
    calls = attributes.schedule(Scheduler("SCHED_BATCH", nice=7, flags=("SCHED_FLAG_RESET_ON_FORK",)))
    fields = output(calls, "cat", "/proc/self/stat").rpartition(")")[2].split()
    assert (fields[19 - 3], fields[41 - 3]) == ("7", "3")  # nice and policy of proc_pid_stat(5)


def test_an_io_priority() -> None:
    calls = attributes.prioritize_io(IoPriority("IOPRIO_CLASS_BE", 6))
    assert output(calls, "ionice").split() == ["best-effort:", "prio", "6"]


def test_an_execution_domain() -> None:
    assert output(attributes.impersonate(Personality("LINUX32")), "uname", "-m").strip() in {"i686", "armv8l"}


def test_a_memory_policy() -> None:
    maps = output(attributes.place_memory(MemoryPolicy("MPOL_BIND", (0,))), "cat", "/proc/self/numa_maps")
    assert {line.split()[1] for line in maps.splitlines()} >= {"bind:0"}


def test_affinity() -> None:
    allowed = sorted(os.sched_getaffinity(0))
    found = status(attributes.set_affinity("affinity", (allowed[-1],)))
    assert found["Cpus_allowed_list"] == str(allowed[-1])


def test_a_session_keyring_of_its_own(tmp_path: Path) -> None:
    name = f"_ses.test-{os.getpid()}-{tmp_path.name}"
    assert name in output(attributes.join_keyring(name), "cat", "/proc/keys")

"""Values that are unknown or impossible: one line, a status, one object in the log, and nothing left on the host.

That the line names the JSON path is this project's own promise, and asked of its runtime only; the rest the
specification asks of all ("Valid values" in config.md, "Errors" in runtime.md).
"""

from __future__ import annotations

import json
import os
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.bundle import MARK, Bundle, is_ours
from tests.support.leftovers import cgroups, living, mountinfo

if TYPE_CHECKING:
    from collections.abc import Callable

Change = tuple[str, Any]
_GONE = object()


def put(config: Any, path: str, value: object) -> None:
    """Set what is at a path such as ``linux.namespaces[0].type``, making what leads there; `_GONE` deletes it."""
    *way, last = path.replace("[", ".[").split(".")
    for step, following in zip(way, [*way[1:], last], strict=False):
        empty: Any = [] if following.startswith("[") else {}
        config = _item(config, step, empty) if step.startswith("[") else config.setdefault(step, empty)
    if last.startswith("["):
        _item(config, last, value)
    elif value is _GONE:
        del config[last]
    else:
        config[last] = value


def _item(array: Any, step: str, value: object) -> Any:
    index = int(step[1:-1])
    if index < len(array):
        if not isinstance(array[index], dict) or value not in ({}, []):
            array[index] = value
    else:
        array.append(value)
    return array[min(index, len(array) - 1)]


TOO_BIG = 1 << 64
DEVICE = {"path": "/dev/x", "type": "c", "major": 1, "minor": 3}
RLIMIT = {"type": "RLIMIT_NOFILE", "soft": 1, "hard": 2}
MAPPING = {"containerID": 0, "hostID": 1000, "size": 10}
HOOK = {"path": "/bin/true"}
RULE = {"names": ["dup"], "action": "SCMP_ACT_ERRNO"}

# What is put where, and the path that the error names when it is another one.
VALUES: list[tuple[str, Any] | tuple[str, Any, str]] = [
    ("ociVersion", 1), ("ociVersion", "2.0.0"), ("ociVersion", _GONE), ("ociVersion", "1.0"),
    ("root", _GONE), ("root", "rootfs"), ("root.path", _GONE), ("root.path", 5), ("root.readonly", "yes"),
    ("hostname", 5), ("domainname", 5), ("annotations", []), ("annotations.x", 5, 'annotations["x"]'),
    ("annotations", {"": "x"}, "annotations"),
    ("mounts", {}), ("mounts[0]", 5), ("mounts[0].destination", _GONE), ("mounts[0].options", "ro"),
    ("mounts[0].options", [5], "mounts[0].options[0]"), ("mounts[0].destination", "a\0b"),
    ("mounts[0].uidMappings[0]", MAPPING, "mounts[0].gidMappings"),
    ("process", []), ("process.terminal", 1), ("process.cwd", _GONE), ("process.cwd", "relative"), ("process.args", []),
    ("process.args", [5], "process.args[0]"), ("process.env", ["x"], "process.env[0]"), ("process.env", "A=1"),
    ("process.user.uid", -1), ("process.user.uid", 1 << 32), ("process.user.gid", "0"), ("process.user.umask", -1),
    ("process.user.umask", 0o1000), ("process.user.additionalGids", [-1], "process.user.additionalGids[0]"),
    ("process.rlimits[0].type", "RLIMIT_NONSENSE"), ("process.rlimits", [RLIMIT, RLIMIT], "process.rlimits[1].type"),
    ("process.rlimits[0].soft", -1), ("process.rlimits[0].hard", TOO_BIG), ("process.rlimits[0].hard", _GONE),
    ("process.rlimits[0].soft", 5000), ("process.oomScoreAdj", 1001), ("process.oomScoreAdj", "0"),
    ("process.noNewPrivileges", 1), ("process.capabilities", []), ("process.capabilities.bounding", "CAP_CHOWN"),
    ("process.scheduler", {"policy": "SCHED_NONSENSE"}, "process.scheduler.policy"),
    ("process.scheduler", {"nice": 5}, "process.scheduler.policy"),
    ("process.scheduler", {"policy": "SCHED_OTHER", "flags": ["X"]}, "process.scheduler.flags[0]"),
    ("process.ioPriority", {"class": "X", "priority": 1}, "process.ioPriority.class"),
    ("process.ioPriority", {"class": "IOPRIO_CLASS_BE", "priority": 8}, "process.ioPriority.priority"),
    ("process.execCPUAffinity", {"initial": 5}, "process.execCPUAffinity.initial"),
    ("process.execCPUAffinity", {"final": "x"}, "process.execCPUAffinity.final"),
    ("hooks", []), ("hooks.prestart", {}), ("hooks.prestart[0]", {}, "hooks.prestart[0].path"),
    ("hooks.prestart[0]", {"path": "relative"}, "hooks.prestart[0].path"),
    ("hooks.createRuntime[0]", {**HOOK, "timeout": 0}, "hooks.createRuntime[0].timeout"),
    ("hooks.poststop[0]", {**HOOK, "timeout": -1}, "hooks.poststop[0].timeout"),
    ("hooks.poststop[0]", {**HOOK, "args": "x"}, "hooks.poststop[0].args"),
    ("hooks.startContainer[0]", {**HOOK, "env": ["x"]}, "hooks.startContainer[0].env[0]"),
    ("linux", []), ("linux.namespaces", {}), ("linux.namespaces[0].type", "nonsense"),
    ("linux.namespaces[0].type", _GONE),
    ("linux.namespaces[1].type", "pid"), ("linux.namespaces[2].path", "relative"), ("linux.namespaces[0].type", "net"),
    ("linux.uidMappings", [MAPPING]), ("linux.timeOffsets", {"monotonic": {"secs": 1}}),
    ("linux.devices[0]", {**DEVICE, "type": "x"}, "linux.devices[0].type"),
    ("linux.devices[0]", {**DEVICE, "path": "dev/x"}, "linux.devices[0].path"),
    ("linux.devices[0]", {**DEVICE, "major": "1"}, "linux.devices[0].major"),
    ("linux.devices[0]", {**DEVICE, "fileMode": -1}, "linux.devices[0].fileMode"),
    ("linux.devices[0]", {**DEVICE, "uid": 1 << 32}, "linux.devices[0].uid"),
    ("linux.netDevices", {"no-such-device-1": {}}), ("linux.netDevices", {"no-such": {}}), ("linux.netDevices", []),
    ("linux.cgroupsPath", 5), ("linux.cgroupsPath", f"/../{MARK}x"), ("linux.cgroupsPath", f"{MARK}x/../.."),
    ("linux.resources", []), ("linux.resources.memory", {"limit": "1m"}, "linux.resources.memory.limit"),
    ("linux.resources.memory", {"swappiness": 101}, "linux.resources.memory.swappiness"),
    ("linux.resources.memory", {"limit": 1 << 63}, "linux.resources.memory.limit"),
    ("linux.resources.memory", {"disableOOMKiller": 1}, "linux.resources.memory.disableOOMKiller"),
    ("linux.resources.cpu", {"shares": -1}, "linux.resources.cpu.shares"),
    ("linux.resources.cpu", {"cpus": 1}, "linux.resources.cpu.cpus"),
    ("linux.resources.cpu", {"cpus": "x"}, "linux.resources.cpu.cpus"),
    ("linux.resources.cpu", {"quota": 10000, "burst": 20000}, "linux.resources.cpu.burst"),
    ("linux.resources.cpu", {"idle": 2}, "linux.resources.cpu.idle"),
    ("linux.resources.pids", {"limit": "5"}, "linux.resources.pids.limit"),
    ("linux.resources.devices[0]", {"access": "rwm"}, "linux.resources.devices[0].allow"),
    ("linux.resources.devices[0]", {"allow": False, "access": "x"}, "linux.resources.devices[0].access"),
    ("linux.resources.devices[0]", {"allow": False, "type": "x"}, "linux.resources.devices[0].type"),
    ("linux.resources.blockIO", {"weightDevice": [{"major": 1, "minor": 1}]},
     "linux.resources.blockIO.weightDevice[0].weight"),
    ("linux.resources.blockIO", {"throttleReadBpsDevice": [{"major": 1}]},
     "linux.resources.blockIO.throttleReadBpsDevice[0].minor"),
    ("linux.resources.hugepageLimits[0]", {"pageSize": "2m", "limit": 1}, "linux.resources.hugepageLimits[0].pageSize"),
    ("linux.resources.rdma", {"x": {}}, 'linux.resources.rdma["x"]'),
    ("linux.resources.unified", {"../x": "1"}, "linux.resources.unified"),
    ("linux.rootfsPropagation", "nonsense"), ("linux.sysctl", {"vm.swappiness": "1"}), ("linux.sysctl", []),
    ("linux.sysctl", {"net.core.somaxconn": 5}, 'linux.sysctl["net.core.somaxconn"]'),
    ("linux.maskedPaths", ["relative"], "linux.maskedPaths[0]"), ("linux.readonlyPaths", "x"),
    ("linux.personality", {"domain": "X"}, "linux.personality.domain"),
    ("linux.personality", {"domain": "LINUX", "flags": ["X"]}, "linux.personality.flags"),
    ("linux.memoryPolicy", {"mode": "X"}, "linux.memoryPolicy.mode"),
    ("linux.memoryPolicy", {"mode": "MPOL_BIND"}, "linux.memoryPolicy.nodes"),
    ("linux.memoryPolicy", {"mode": "MPOL_LOCAL", "nodes": "0"}, "linux.memoryPolicy.nodes"),
    ("linux.memoryPolicy", {"mode": "MPOL_BIND", "nodes": "0", "flags": ["X"]}, "linux.memoryPolicy.flags[0]"),
    ("linux.intelRdt", {"closID": "x", "schemata": ["L3:0=f"]}),
    ("linux.intelRdt", {"memBwSchema": "x"}, "linux.intelRdt"),
    ("linux.intelRdt", []),
    ("linux.seccomp", []), ("linux.seccomp", {}, "linux.seccomp.defaultAction"),
    ("linux.seccomp", {"defaultAction": "X"}, "linux.seccomp.defaultAction"),
    ("linux.seccomp", {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{**RULE, "action": "X"}]},
     "linux.seccomp.syscalls[0].action"),
    ("linux.seccomp", {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{**RULE, "names": []}]},
     "linux.seccomp.syscalls[0].names"),
    ("linux.seccomp", {"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["X"]}, "linux.seccomp.architectures[0]"),
    ("linux.seccomp", {"defaultAction": "SCMP_ACT_ALLOW", "flags": ["X"]}, "linux.seccomp.flags[0]"),
]  # fmt: skip


def name_of(case: Any) -> str:
    path, value = case[:2]
    return f"{path}={'gone' if value is _GONE else json.dumps(value)[:60]}".replace(MARK, "")


def refused(box: Bundle) -> dict[str, Any]:
    """The one object of level error in the log of a create that fails, as it should."""
    name, code = box.try_create()
    assert code != 0
    entries = [json.loads(line) for line in box.logged().splitlines()]
    (error,) = [entry for entry in entries if entry["level"] == "error"]
    assert error.keys() >= {"level", "msg", "time"}
    assert box.status(name) == "gone"
    assert not (box.state_root / name).exists()
    assert cgroups(MARK) == []
    assert [line for line in mountinfo() if MARK in line] == []
    assert living(box.others) == []
    return dict(error)


@pytest.mark.parametrize("case", VALUES, ids=name_of)
def test_a_value_that_makes_no_sense_is_an_error_that_names_its_path(box: Bundle, case: Any) -> None:
    path, value = case[:2]
    if path.startswith("process.rlimits[0]."):
        box.process["rlimits"] = [{**RLIMIT, "hard": 1024}]
    put(box.config, path, value)
    message = refused(box)["msg"]
    assert "\n" not in message
    if is_ours():
        assert (case[2] if len(case) > 2 else path) in message


# What no parser can know.
IMPOSSIBLE: list[tuple[str, Callable[[Bundle], object], str]] = [
    ("a root that is not there", lambda box: put(box.config, "root.path", "none"), "root.path"),
    ("a mount of no filesystem", lambda box: box.mount("/data", kind="nonsense"), "mounts[6]"),
    ("a bind mount of nothing", lambda box: box.mount("/data", "bind", source="/no/such"), "mounts[6]"),
    ("an option that the filesystem refuses", lambda box: box.mount("/data", "nonsense=1"), "mounts[6]"),
    ("a namespace that is not there", lambda box: box.namespace("ipc", "/no/such"), "linux.namespaces[4].path"),
    ("a namespace of another type", lambda box: box.namespace("ipc", "/proc/self/ns/uts"), "linux.namespaces[4].path"),
    ("a processor that is not there", lambda box: put(box.config, "linux.resources.cpu", {"cpus": "4096"}),
     "linux.resources.cpu.cpus"),
    ("a limit that the kernel refuses", lambda box: put(box.config, "linux.resources.cpu", {"period": 1}),
     "linux.resources.cpu.period"),
    ("a hostname of the runtime's namespace", lambda box: box.without_namespace("uts"), "hostname"),
    ("a label without its module", lambda box: put(box.config, "linux.mountLabel", "u:r:t:s0"), "linux.mountLabel"),
    ("a profile without its module", lambda box: put(box.config, "process.apparmorProfile", "nonsense"),
     "process.apparmorProfile"),
    ("a hook that is not there", lambda box: put(box.config, "hooks.createRuntime[0]", {"path": "/no/such"}),
     "hooks.createRuntime[0]"),
    ("a terminal without a socket", lambda box: put(box.config, "process.terminal", value=True), "process.terminal"),
]  # fmt: skip


@pytest.mark.parametrize("case", IMPOSSIBLE, ids=lambda case: case[0])
def test_what_is_impossible_is_an_error_that_names_its_path(box: Bundle, case: Any) -> None:
    _, change, path = case
    change(box)
    message = refused(box)["msg"]
    assert "\n" not in message
    if is_ours():
        assert path in message


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "null",
        "[]",
        '"x"',
        "5",
        "{} {}",
        "\ufeff{}",
        '{"ociVersion": NaN}',
        "[" * 20000,
        b"\xff\xfe",
        b"\x80{}",
    ],
    ids=lambda text: repr(text[:9]),
)
def test_a_file_that_is_no_object_of_json_is_an_error(box: Bundle, text: str | bytes) -> None:
    content = text if isinstance(text, bytes) else text.encode()
    (box.directory / "config.json").write_bytes(content)
    name = box.new_id()
    logged = ("--log", str(box.log), "--log-format", "json")
    done = box.call(*logged, "create", "--bundle", str(box.directory), name)
    assert done.returncode != 0
    (entry,) = [json.loads(line) for line in box.logged().splitlines()]
    assert entry["level"] == "error"
    assert "Traceback" not in done.stderr
    if is_ours():
        assert "config.json" in entry["msg"]


def test_a_name_that_is_given_twice_is_an_error(box: Bundle) -> None:
    box.write()
    text = (box.directory / "config.json").read_text()
    (box.directory / "config.json").write_text('{"hostname": "first", ' + text[1:])
    name = box.new_id()
    done = box.call(
        "create", "--bundle", str(box.directory), name, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    assert done.returncode != 0
    assert box.status(name) == "gone"


def test_a_file_is_of_utf_8(box: Bundle) -> None:
    (box.rootfs / "é€𐍈").write_text("read")
    box.process["args"] = ["cat", "/é€𐍈"]
    (box.directory / "config.json").write_bytes(json.dumps(box.config, ensure_ascii=False).encode())
    done = box.call("run", "--bundle", str(box.directory), box.new_id())
    assert done.stdout == "read", done.stderr


def test_a_name_that_is_escaped_is_the_same(box: Bundle) -> None:
    box.write()
    text = (box.directory / "config.json").read_text().replace('"hostname"', '"\\u0068ostname"')
    (box.directory / "config.json").write_text(text)
    assert box.call("run", "--bundle", str(box.directory), box.new_id()).returncode == 0


def test_an_error_of_start_is_in_the_log_too(box: Bundle) -> None:
    name = box.started()
    log = box.directory / "start.json"
    assert box.call("--log", str(log), "--log-format", "json", "start", name).returncode != 0
    (entry,) = [json.loads(line) for line in log.read_text().splitlines()]
    assert entry["level"] == "error"


def test_a_directory_of_state_that_cannot_be_made_is_an_error(box: Bundle) -> None:
    box.write()
    done = box.call("--root", "/proc/nonsense", "create", "--bundle", str(box.directory), box.new_id())
    assert done.returncode != 0
    assert "Traceback" not in done.stderr


def test_a_log_that_cannot_be_written_does_not_hide_the_error(box: Bundle) -> None:
    done = box.call("--log", "/no/such/directory/log", "state", "no-such")
    assert done.returncode != 0
    assert done.stderr


def test_nothing_is_left_of_a_container_whose_process_cannot_be_executed(box: Bundle) -> None:
    done = box.run("/no/such/program")
    assert done.returncode != 0
    assert box.status(box.ids[-1]) == "gone"
    assert cgroups(MARK) == []
    assert [line for line in mountinfo() if MARK in line] == []
    assert [pid for pid in living(box.others) if pid != os.getpid()] == []

"""The command line that engines drive: global options, files, formats, and exec (runc's man pages; features.md)."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from runtime.spec.config import parse_config
from tests.conformance.terminal import Console
from tests.support.bundle import Bundle, is_ours, runtime_path, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

GIVEN = "through the descriptor\n"
QUIET: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
MUST_OPTIONS = [
    "async",
    "atime",
    "bind",
    "defaults",
    "dev",
    "diratime",
    "dirsync",
    "exec",
    "iversion",
    "lazytime",
    "loud",
    "noatime",
    "nodev",
    "nodiratime",
    "noexec",
    "noiversion",
    "nolazytime",
    "norelatime",
    "nostrictatime",
    "nosuid",
    "private",
    "rbind",
    "relatime",
    "remount",
    "ro",
    "rprivate",
    "rshared",
    "rslave",
    "runbindable",
    "rw",
    "shared",
    "silent",
    "slave",
    "strictatime",
    "suid",
    "sync",
    "unbindable",
]


def runtime(*argv: str, **options: Any) -> subprocess.CompletedProcess[str]:
    options = {"capture_output": True} | options
    return subprocess.run((runtime_path(), *argv), check=False, text=True, timeout=30, **options)


def with_descriptor(box: Bundle, ground: Path, *argv: str, **options: Any) -> subprocess.CompletedProcess[str]:
    """The command with a file as its descriptor 3, which the process of the configuration reads."""
    (ground / "given").write_text(GIVEN)
    box.process["args"] = ["sh", "-c", "cat <&3; env"] if "env" in options else ["sh", "-c", "cat <&3"]
    box.write()
    command = ("sh", "-c", 'file=$1; shift; exec "$@" 3<"$file"', "sh", str(ground / "given"), *box.command(*argv))
    options = {"stdin": subprocess.DEVNULL, "capture_output": True, "timeout": 30} | options
    return subprocess.run(command, check=False, text=True, **options)


def test_the_version_names_the_specifications(box: Bundle) -> None:
    said = box.ask("--version")
    assert re.search(r"version \d", said.splitlines()[0])
    assert re.search(r"^spec: \d+\.\d+\.\d+", said, re.MULTILINE)


def test_help_names_every_operation(box: Bundle) -> None:
    said = box.ask("--help")
    verbs = ("create", "start", "state", "kill", "delete", "run", "exec", "list", "ps", "pause", "resume", "update",
             "events", "spec", "features", "checkpoint", "restore")  # fmt: skip
    assert [verb for verb in verbs if not re.search(rf"\b{verb}\b", said)] == []


@pytest.mark.parametrize("verb", ["create", "run", "exec", "kill", "delete", "list", "update"])
def test_every_operation_has_help(box: Bundle, verb: str) -> None:
    assert verb in box.ask(verb, "--help")


@pytest.mark.parametrize("argv", [("no-such-verb",), ("--no-such-option", "list"), ("list", "--no-such-option")])
def test_a_word_that_nobody_knows_is_an_error(box: Bundle, argv: Sequence[str]) -> None:
    done = box.call(*argv)
    assert done.returncode != 0 or "No help topic" in done.stderr + done.stdout


def test_containers_are_remembered_below_the_root(box: Bundle, ground: Path) -> None:
    name = box.create()
    other = ground / "other"
    assert box.ask("list", "--quiet").split() == [name]
    assert runtime("--root", str(other), "list", "--quiet").stdout == ""
    assert runtime("--root", str(other), "state", name).returncode != 0


def test_the_root_is_made_and_only_its_owner_may_read_it(box: Bundle) -> None:
    box.create()
    assert box.state_root.stat().st_mode & 0o077 in {0o011, 0}


@pytest.mark.parametrize("form", ["json", "text"])
def test_an_error_is_in_the_log_and_on_stderr(box: Bundle, ground: Path, form: str) -> None:
    log = ground / "log"
    done = box.call("--log", str(log), "--log-format", form, "state", "no-such")
    assert done.returncode != 0
    assert done.stderr.strip()
    lines = log.read_text().splitlines()
    if form == "json":
        (entry,) = [entry for entry in map(json.loads, lines) if entry["level"] == "error"]
        assert entry["msg"]
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", entry["time"])
    else:
        (line,) = lines
        assert re.search(r'time="?\S+"? level=error msg=".+"', line)


def test_a_log_is_appended_to(box: Bundle, ground: Path) -> None:
    log = ground / "log"
    log.write_text("before\n")
    box.call("--log", str(log), "state", "no-such")
    assert log.read_text().startswith("before\n")
    assert len(log.read_text().splitlines()) == 2


def test_a_format_of_the_log_that_nobody_knows_is_an_error(box: Bundle) -> None:
    assert box.call("--log-format", "nonsense", "list").returncode != 0


def test_debug_says_more_and_does_the_same(box: Bundle, ground: Path) -> None:
    box.write()
    log = ground / "log"
    done = box.call("--debug", "--log", str(log), "create", "--bundle", str(box.directory), box.new_id(), **QUIET)
    assert done.returncode == 0
    assert box.status(box.ids[-1]) == "created"


@pytest.mark.needs("no systemd")
def test_the_systemd_driver_is_refused_without_systemd(box: Bundle) -> None:
    box.write()
    done = box.call("--systemd-cgroup", "create", "--bundle", str(box.directory), box.new_id())
    assert done.returncode != 0
    assert "systemd" in done.stderr
    assert box.status(box.ids[-1]) == "gone"


@pytest.mark.parametrize("verb", ["create", "run"])
def test_a_pid_file_holds_the_number_alone(box: Bundle, ground: Path, verb: str) -> None:
    file = ground / "pid"
    box.process["args"] = ["sleep", "1000"]
    box.write()
    options = ("--detach",) if verb == "run" else ()
    name = box.new_id()
    assert (
        box.call(verb, *options, "--pid-file", str(file), "--bundle", str(box.directory), name, **QUIET).returncode == 0
    )
    assert file.read_text() == str(box.pid(name))


def test_a_pid_file_that_cannot_be_written_is_an_error(box: Bundle) -> None:
    name, code = box.try_create(options=("--pid-file", "/no/such/directory/pid"))
    assert code != 0
    assert box.status(name) == "gone"


def test_descriptors_are_preserved_on_demand(box: Bundle, ground: Path) -> None:
    done = with_descriptor(box, ground, "run", "--preserve-fds", "1", "--bundle", str(box.directory), box.new_id())
    assert done.stdout == GIVEN, done.stderr


def test_descriptors_of_socket_activation_are_preserved(box: Bundle, ground: Path) -> None:
    environment = {**os.environ, "LISTEN_FDS": "1"}
    done = with_descriptor(box, ground, "run", "--bundle", str(box.directory), box.new_id(), env=environment)
    assert done.stdout.startswith(GIVEN), done.stderr
    assert {"LISTEN_FDS=1", "LISTEN_PID=1"} <= set(done.stdout.split())


def test_descriptors_that_are_not_open_are_an_error(box: Bundle) -> None:
    name, code = box.try_create(options=("--preserve-fds", "50"))
    assert code != 0
    assert box.status(name) == "gone"


def test_the_root_can_be_moved_where_it_cannot_be_pivoted(box: Bundle) -> None:
    assert box.says("echo ran", options=("--no-pivot",)) == "ran"


def test_a_list_is_a_table_or_json_or_ids(box: Bundle) -> None:
    first, second = box.started(), box.create()
    table = box.ask("list").splitlines()
    assert [word in table[0] for word in ("ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER")] == [True] * 6
    assert any(line.split()[:3] == [first, str(box.pid(first)), "running"] for line in table[1:])
    entries = {entry["id"]: entry for entry in json.loads(box.ask("list", "--format", "json"))}
    assert {name: entry["status"] for name, entry in entries.items()} == {first: "running", second: "created"}
    assert entries[first]["bundle"] == str(box.directory)
    assert entries[first]["owner"] == "root"
    assert sorted(box.ask("list", "--quiet").split()) == sorted((first, second))


def test_a_list_of_nothing_is_empty(box: Bundle) -> None:
    assert json.loads(box.ask("list", "--format", "json")) in (None, [])
    assert box.ask("list", "--quiet") == ""


def test_a_format_of_a_list_that_nobody_knows_is_an_error(box: Bundle) -> None:
    assert box.call("list", "--format", "nonsense").returncode != 0


def test_a_specification_is_written_that_can_be_run(box: Bundle) -> None:
    box.ask("spec", "--bundle", str(box.directory))
    document = json.loads((box.directory / "config.json").read_text())
    parse_config(document)
    document["process"] |= {"terminal": False, "args": ["echo", "ran"]}
    box.config = document
    assert box.run().stdout == "ran\n"


def test_a_specification_does_not_replace_one(box: Bundle) -> None:
    box.write()
    before = (box.directory / "config.json").read_text()
    assert box.call("spec", "--bundle", str(box.directory)).returncode != 0
    assert (box.directory / "config.json").read_text() == before


def test_a_specification_for_a_user_without_rights_is_one(box: Bundle) -> None:
    box.ask("spec", "--rootless", "--bundle", str(box.directory))
    document = json.loads((box.directory / "config.json").read_text())
    parse_config(document)
    assert "user" in {entry["type"] for entry in document["linux"]["namespaces"]}
    assert document["linux"]["uidMappings"]


def features(box: Bundle) -> Any:
    return json.loads(box.ask("features"))


def version(text: str) -> list[int]:
    return [int(number) for number in text.partition("-")[0].split(".")]


def test_features_are_of_versions_in_order_that_are_accepted(box: Bundle) -> None:
    known = features(box)
    assert version(known["ociVersionMin"]) <= version(known["ociVersionMax"])
    for name in ("ociVersionMin", "ociVersionMax"):
        box.config["ociVersion"] = known[name]
        assert box.says("echo ran") == "ran"


def test_features_name_what_is_known(box: Bundle) -> None:
    known = features(box)
    assert set(known["hooks"]) == {
        "prestart",
        "createRuntime",
        "createContainer",
        "startContainer",
        "poststart",
        "poststop",
    }
    assert [option for option in MUST_OPTIONS if option not in known["mountOptions"]] == []
    linux = known["linux"]
    assert set(linux["namespaces"]) >= {"cgroup", "ipc", "mount", "network", "pid", "user", "uts"}
    assert "CAP_SYS_ADMIN" in linux["capabilities"]
    assert linux["cgroup"]["v1"]
    assert linux["cgroup"]["v2"]
    assert linux["seccomp"]["enabled"]


def test_features_name_what_version_1_3_has(box: Bundle) -> None:
    known = features(box)
    linux = known["linux"]
    assert version(known["ociVersionMax"]) >= [1, 3, 0]
    assert "time" in linux["namespaces"]
    assert "MPOL_BIND" in linux["memoryPolicy"]["modes"]
    assert linux["memoryPolicy"]["flags"]
    assert linux["mountExtensions"]["idmap"]["enabled"]
    assert linux["netDevices"]["enabled"]
    assert {"idmap", "ridmap", "rro"} <= set(known["mountOptions"])
    assert set(linux["seccomp"]["knownFlags"]) >= {"SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"}
    assert not set(linux["seccomp"]["supportedFlags"]) - set(linux["seccomp"]["knownFlags"])


# By object of the document, the properties of the specification 1.3 (features.md, features-linux.md).
DEFINED = {
    "": "ociVersionMin ociVersionMax hooks mountOptions linux annotations potentiallyUnsafeConfigAnnotations",
    "linux": "namespaces capabilities cgroup seccomp apparmor selinux memoryPolicy intelRdt mountExtensions netDevices",
    "linux.cgroup": "v1 v2 systemd systemdUser rdma",
    "linux.seccomp": "enabled actions operators archs knownFlags supportedFlags",
    "linux.apparmor": "enabled",
    "linux.selinux": "enabled",
    "linux.memoryPolicy": "modes flags",
    "linux.intelRdt": "enabled schemata monitoring",
    "linux.mountExtensions": "idmap",
    "linux.mountExtensions.idmap": "enabled",
    "linux.netDevices": "enabled",
}


def test_features_have_nothing_that_is_not_defined(box: Bundle) -> None:
    def objects(path: str, content: Any) -> Iterator[tuple[str, dict[str, Any]]]:
        if isinstance(content, dict) and not path.endswith("annotations"):
            yield path, content
            for name, inner in content.items():
                yield from objects(f"{path}.{name}".lstrip("."), inner)

    known = features(box)
    undefined = {path: set(content) - set(DEFINED[path].split()) for path, content in objects("", known)}
    assert {path: names for path, names in undefined.items() if names} == {}
    assert all(isinstance(text, str) for text in known.get("annotations", {}).values())


def test_every_mount_option_of_the_features_is_recognized(box: Bundle) -> None:
    """None of them comes to the filesystem, which would refuse a word that it does not know."""
    alone = {"remount", "bind", "rbind", "idmap", "ridmap", "acl", "noacl", "mand", "nomand", "iversion", "noiversion"}
    options = sorted(set(features(box)["mountOptions"]) - alone)
    for number in range(0, len(options), 12):
        box.mount(f"/data{number}", *options[number : number + 12])
    name = box.create()
    assert box.status(name) == "created"


def test_every_action_operator_and_architecture_of_the_features_is_accepted(box: Bundle) -> None:
    seccomp = features(box)["linux"]["seccomp"]
    actions = [action for action in seccomp["actions"] if action != "SCMP_ACT_NOTIFY"]
    calls = [{"names": ["acct"], "action": action, "args": [{"index": 0, "value": number, "op": "SCMP_CMP_EQ"}]}
             for number, action in enumerate(actions)]  # fmt: skip
    refuse = {"names": ["acct"], "action": "SCMP_ACT_ERRNO"}
    calls += [refuse | {"args": [{"index": 1, "value": number + 90, "op": operator}]}
              for number, operator in enumerate(seccomp["operators"])]  # fmt: skip
    box.linux["seccomp"] = {"defaultAction": "SCMP_ACT_ALLOW", "architectures": seccomp["archs"], "syscalls": calls}
    assert box.says("echo ran") == "ran"


def test_every_capability_of_the_features_is_known(box: Bundle) -> None:
    names = features(box)["linux"]["capabilities"]
    box.process["capabilities"] = dict.fromkeys(("bounding", "permitted", "effective"), names)
    name = box.create()
    unknown = [line for line in (box.logged() + box.complaints()).splitlines() if "unknown" in line.lower()]
    assert unknown == []
    assert box.status(name) == "created"


def test_exec_runs_a_command_and_has_its_exit_status(box: Bundle) -> None:
    name = box.started()
    done = box.call("exec", name, "sh", "-c", "echo out; echo err >&2; cat; exit 42", input="in")
    assert (done.returncode, done.stdout, done.stderr) == (42, "out\nin", "err\n")


def test_exec_has_the_exit_status_of_a_signal(box: Bundle) -> None:
    assert box.call("exec", box.started(), "sh", "-c", "kill -KILL $$").returncode == 137


@pytest.mark.parametrize("program", ["/no/such/program", "no-such", "/etc"])
def test_exec_of_what_cannot_be_executed_is_an_error(box: Bundle, program: str) -> None:
    name = box.started()
    done = box.call("exec", name, program)
    assert done.returncode != 0
    assert done.stderr
    assert box.status(name) == "running"


@pytest.mark.parametrize("status", ["stopped", "gone"])
def test_exec_needs_a_container_that_runs(box: Bundle, status: str) -> None:
    name = "no-such"
    if status == "stopped":
        name = box.started("true")
        box.wait_for(name, "stopped")
    assert box.call("exec", name, "true").returncode != 0


def test_exec_takes_a_working_directory(box: Bundle) -> None:
    assert box.execute(box.started(), "pwd", "--cwd", "/var") == "/var"


def test_exec_takes_more_variables(box: Bundle) -> None:
    box.process["env"].append("OWN=1")
    said = box.execute(box.started(), "echo $OWN $A $B", "--env", "A=a b", "--env", "B=2")
    assert said == "1 a b 2"


@pytest.mark.parametrize(("user", "expected"), [("1000:1001", "1000 1001"), ("1000", "1000 0")])
def test_exec_takes_a_user(box: Bundle, user: str, expected: str) -> None:
    assert box.execute(box.started(), "echo $(id -u) $(id -g)", "--user", user) == expected


def test_exec_takes_more_groups(box: Bundle) -> None:
    said = box.execute(
        box.started(), "grep ^Groups /proc/self/status", "--additional-gids", "77", "--additional-gids", "88"
    )
    assert said.split()[1:] == ["77", "88"]


def test_exec_takes_more_capabilities(box: Bundle) -> None:
    script = "grep ^CapEff /proc/self/status"
    name = box.started()
    before, after = (
        int(box.execute(name, script, *options).split()[1], 16) for options in ((), ("--cap", "CAP_SYS_PTRACE"))
    )
    assert after == before | 1 << 19


def test_exec_has_the_rights_of_the_container(box: Bundle) -> None:
    box.process["user"] = {"uid": 1000, "gid": 1001, "umask": 0o077}
    name = box.started()
    pid = box.pid(name)
    wait_until(lambda: Path(f"/proc/{pid}/comm").read_text() == "sleep\n")
    status = Path(f"/proc/{pid}/status").read_text()
    fields = ("Uid", "Gid", "Groups", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs")
    said = box.execute(name, f"grep -E '^({'|'.join(fields)}):' /proc/self/status")
    assert [line.rstrip() for line in said.splitlines()] == [
        line.rstrip() for line in status.splitlines() if line.split(":")[0] in fields
    ]


def test_exec_takes_no_new_privileges(box: Bundle) -> None:
    box.process["noNewPrivileges"] = False
    said = box.execute(box.started(), "grep ^NoNewPrivs /proc/self/status", "--no-new-privs")
    assert said.split()[1] == "1"


def test_exec_takes_a_whole_process(box: Bundle, ground: Path) -> None:
    script = "pwd; id -u; echo $A; umask; ulimit -n"
    process = {"args": ["sh", "-c", script], "cwd": "/var", "env": ["PATH=/bin", "A=1"],
               "user": {"uid": 1000, "gid": 1000, "umask": 0o027},
               "rlimits": [{"type": "RLIMIT_NOFILE", "soft": 77, "hard": 88}]}  # fmt: skip
    (ground / "process.json").write_text(json.dumps(process))
    said = box.ask("exec", "--process", str(ground / "process.json"), box.started()).split()
    assert said == ["/var", "1000", "1", "0027", "77"]


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"args": []}', '{"args": ["true"]}', '{"args": ["true"], "cwd": "x"}']
)
def test_exec_of_a_process_that_makes_no_sense_is_an_error(box: Bundle, ground: Path, text: str) -> None:
    (ground / "process.json").write_text(text)
    name = box.started()
    assert box.call("exec", "--process", str(ground / "process.json"), name).returncode != 0
    assert box.status(name) == "running"


def test_exec_detached_returns_at_once(box: Bundle, ground: Path) -> None:
    name = box.started()
    done = box.call("exec", "--detach", "--pid-file", str(ground / "pid"), name, "sleep", "1234", **QUIET)
    assert done.returncode == 0
    pid = int((ground / "pid").read_text())
    wait_until(lambda: Path(f"/proc/{pid}/cmdline").read_bytes() == b"sleep\x001234\0")
    assert os.readlink(f"/proc/{pid}/ns/mnt") == os.readlink(f"/proc/{box.pid(name)}/ns/mnt")


def test_exec_has_a_terminal_on_demand(box: Bundle) -> None:
    name = box.started()
    with Console(box.directory) as console:
        command = box.command("exec", "--tty", *console.options, "--detach", name, "sh", "-c", "tty; sleep 1000")
        assert subprocess.run(command, check=False, stdin=subprocess.DEVNULL, **QUIET).returncode == 0
        console.read_until("/dev/pts/0")


def test_exec_preserves_descriptors_on_demand(box: Bundle, ground: Path) -> None:
    name = box.started()
    done = with_descriptor(box, ground, "exec", "--preserve-fds", "1", name, "sh", "-c", "cat <&3")
    assert done.stdout == GIVEN, done.stderr


def test_exec_sees_what_the_container_sees(box: Bundle) -> None:
    name = box.started("sh", "-c", "echo text > /dev/shm/file; sleep 1000 & wait")
    wait_until(lambda: box.call("exec", name, "cat", "/dev/shm/file").stdout == "text\n")
    assert box.execute(name, "cat /proc/1/cmdline | tr '\\0' ' '").startswith("sh -c")


def test_events_go_on_until_the_container_stops(box: Bundle) -> None:
    name = box.started()
    command = box.command("events", "--interval", "100ms", name)
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        lines = [json.loads(process.stdout.readline()) for _ in range(2)]
        box.ask("kill", name, "KILL")
        # Not every runtime notices the end at once: ours does, and for all the pipe must close when it is ended.
        if not is_ours():
            process.kill()
        process.stdout.read()
    assert {(line["type"], line["id"]) for line in lines} == {("stats", name)}


@pytest.mark.parametrize("interval", ["0s", "-1s", "x", ""])
def test_an_interval_that_is_none_is_an_error(box: Bundle, interval: str) -> None:
    assert box.call("events", "--interval", interval, box.started()).returncode != 0

"""Hooks: when, where, with what, and what their failure does (config.md, "POSIX-platform Hooks"; runtime.md)."""

from __future__ import annotations

import json
import os
import time
from typing import TYPE_CHECKING

import pytest

from tests.support.leftovers import cgroups

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.bundle import Bundle, Json

CREATING = ("prestart", "createRuntime", "createContainer")
PID = r"""pid=$(sed 's/.*"pid": *\([0-9]*\).*/\1/')"""
STARTING = ("startContainer", "poststart")
MOMENTS = (*CREATING, *STARTING, "poststop")
IN_RUNTIME = ("prestart", "createRuntime", "poststart", "poststop")


def put(box: Bundle, moment: str, script: str, **more: object) -> Path:
    """Append a hook, a shell script that has a file ``$log`` to write to; gives that file's place on the host."""
    inside = moment == "startContainer"
    log = (box.rootfs if inside else box.directory) / f"{moment}.log"
    seen = f"/{moment}.log" if inside else str(log)
    hook: Json = {
        "path": "/bin/sh",
        "args": ["sh", "-c", f"log={seen}; {script}"],
        "env": ["PATH=/usr/bin:/bin"],
        **more,
    }
    box.config.setdefault("hooks", {}).setdefault(moment, []).append(hook)
    return log


def through(box: Bundle, *args: str) -> str:
    """A container that went through its whole life."""
    name = box.started(*args)
    box.ask("kill", name, "KILL")
    box.wait_for(name, "stopped")
    box.ask("delete", name)
    return name


def test_hooks_run_in_the_order_of_the_life_cycle(box: Bundle) -> None:
    (box.directory / "order").touch()
    box.mount("/order", "bind", kind="none", source=str(box.directory / "order"))
    for moment in MOMENTS:
        order = "/order" if moment == "startContainer" else box.directory / "order"
        for number in (1, 2):
            put(box, moment, f"echo {moment}{number} >> {order}")
    name = box.create("sh", "-c", "echo process >> /order; sleep 1000")
    created = (box.directory / "order").read_text().split()
    assert created == [f"{moment}{number}" for moment in CREATING for number in (1, 2)]
    box.ask("start", name)
    started = (box.directory / "order").read_text().split()[len(created) :]
    assert [entry for entry in started if entry != "process"] == [f"{m}{n}" for m in STARTING for n in (1, 2)]
    assert "process" not in started[: started.index("startContainer2")]
    box.ask("kill", name, "KILL")
    box.wait_for(name, "stopped")
    assert "poststop1" not in (box.directory / "order").read_text()
    box.ask("delete", name)
    assert (box.directory / "order").read_text().split()[-2:] == ["poststop1", "poststop2"]


def test_poststart_runs_after_the_program_was_executed(box: Bundle) -> None:
    log = put(box, "poststart", f"{PID}; cat /proc/$pid/cmdline > $log")
    box.started("sleep", "1234")
    assert log.read_bytes() == b"sleep\x001234\0"


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_hook_gets_the_state_on_its_stdin(box: Bundle, moment: str) -> None:
    box.config["annotations"] = {"org.example.key": "value"}
    log = put(box, moment, "cat > $log")
    name = through(box)
    state = json.loads(log.read_text())
    assert (state["id"], state["bundle"]) == (name, str(box.directory))
    assert state["annotations"]["org.example.key"] == "value"
    assert state["ociVersion"]


@pytest.mark.parametrize(
    ("moment", "statuses"),
    [
        ("prestart", {"creating", "created"}),
        ("createRuntime", {"creating", "created"}),
        ("createContainer", {"creating", "created"}),
        ("startContainer", {"created"}),
        ("poststart", {"running"}),
        ("poststop", {"stopped"}),
    ],
)
def test_a_hook_is_told_the_status_of_its_moment(box: Bundle, moment: str, statuses: set[str]) -> None:
    log = put(box, moment, "cat > $log")
    through(box)
    assert json.loads(log.read_text())["status"] in statuses


@pytest.mark.parametrize("moment", [moment for moment in MOMENTS if moment != "poststop"])
def test_the_pid_is_as_seen_from_the_hooks_namespace(box: Bundle, moment: str) -> None:
    log = put(box, moment, "cat > $log")
    name = box.started()
    assert json.loads(log.read_text())["pid"] == (box.pid(name) if moment in IN_RUNTIME else 1)


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("kind", ["mnt", "net", "uts", "ipc", "pid"])
def test_a_hook_runs_in_the_namespace_of_its_moment(box: Bundle, moment: str, kind: str) -> None:
    log = put(box, moment, f"readlink /proc/self/ns/{kind} > $log")
    name = box.started()
    inside = os.readlink(f"/proc/{box.pid(name)}/ns/{kind}")
    box.ask("delete", "--force", name)
    host = os.readlink(f"/proc/self/ns/{kind}")
    assert inside != host
    assert log.read_text().strip() == (host if moment in IN_RUNTIME else inside)


@pytest.mark.parametrize("moment", CREATING)
def test_hooks_of_create_run_before_the_root_changes(box: Bundle, moment: str) -> None:
    log = put(box, moment, f"ls -d {box.directory}/config.json > $log")
    box.create()
    assert log.read_text().strip() == f"{box.directory}/config.json"


def test_create_container_hooks_see_the_mounts_of_the_container(box: Bundle) -> None:
    box.mount("/data")
    log = put(box, "createContainer", "cut -d' ' -f5 /proc/self/mountinfo > $log")
    box.create()
    assert f"{box.rootfs}/data" in log.read_text().split()


def test_start_container_hooks_run_in_the_root_of_the_container(box: Bundle) -> None:
    log = put(box, "startContainer", "echo /* > $log")
    box.started()
    assert set(log.read_text().split()) >= {"/bin", "/proc", "/sys"}
    assert "/boot" not in log.read_text()


def test_runtime_hooks_can_change_the_new_namespaces(box: Bundle) -> None:
    put(box, "createRuntime", f"{PID}; nsenter -t $pid -n ip link set lo mtu 1400")
    assert box.says("cat /sys/class/net/lo/mtu") == "1400"


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_hook_gets_its_arguments_and_environment(box: Bundle, moment: str) -> None:
    log = put(box, moment, 'echo "$0 $A $B" > $log', env=["A=1", "B=two words", "PATH=/usr/bin:/bin"])
    box.config["hooks"][moment][0]["args"].append("zero")
    through(box)
    assert log.read_text() == "zero 1 two words\n"


def test_a_hook_has_no_environment_but_its_own(box: Bundle) -> None:
    log = put(box, "createRuntime", "cat /proc/self/environ > $log", env=["ONLY=this", "PATH=/usr/bin:/bin"])
    box.write()
    name = box.new_id()
    box.call(
        "create",
        "--bundle",
        str(box.directory),
        name,
        env={**os.environ, "SECRET": "of the engine"},
        stdout=-3,
        stderr=-3,
    )
    assert "SECRET" not in log.read_text()


@pytest.mark.parametrize("moment", CREATING)
@pytest.mark.parametrize("script", ["exit 3", "kill -KILL $$"])
def test_a_hook_of_create_that_fails_undoes_create(box: Bundle, moment: str, script: str) -> None:
    put(box, moment, script)
    after = put(box, moment, "touch $log")
    name, code = box.try_create()
    assert code != 0
    assert not after.exists()
    assert box.status(name) == "gone"
    assert cgroups(name) == []


@pytest.mark.parametrize("moment", STARTING)
def test_a_hook_of_start_that_fails_ends_and_destroys_the_container(box: Bundle, moment: str) -> None:
    put(box, moment, "exit 3")
    name = box.create("sleep", "1000")
    pid = box.pid(name)
    assert box.call("start", name).returncode != 0
    assert box.status(name) == "gone"
    assert not os.path.exists(f"/proc/{pid}/root/bin")


def test_a_start_container_hook_that_fails_keeps_the_program_from_running(box: Bundle) -> None:
    put(box, "startContainer", "exit 3")
    name = box.create("touch", "/ran")
    assert box.call("start", name).returncode != 0
    assert not (box.rootfs / "ran").exists()


@pytest.mark.parametrize("moment", [*CREATING, *STARTING])
def test_poststop_hooks_run_after_a_hook_that_fails(box: Bundle, moment: str) -> None:
    put(box, moment, "exit 3")
    log = put(box, "poststop", "cat > $log")
    name, code = box.try_create()
    if moment in STARTING:
        assert code == 0
        assert box.call("start", name).returncode != 0
    assert json.loads(log.read_text())["id"] == name


def test_a_poststop_hook_that_fails_is_a_warning_and_the_others_run(box: Bundle) -> None:
    put(box, "poststop", "exit 3")
    after = put(box, "poststop", "touch $log")
    name = box.started("true")
    box.wait_for(name, "stopped")
    done = box.call("delete", name)
    assert done.returncode == 0, done.stderr
    assert "hook" in done.stderr
    assert after.exists()
    assert box.status(name) == "gone"


@pytest.mark.parametrize("moment", CREATING)
def test_a_hook_is_ended_at_its_timeout(box: Bundle, moment: str) -> None:
    put(box, moment, "exec sleep 1000", timeout=1)
    before = time.monotonic()
    name, code = box.try_create()
    assert code != 0
    assert time.monotonic() - before < 60, "the hook ran on"
    assert box.status(name) == "gone"


def test_a_hook_is_ended_with_what_it_has_started(box: Bundle) -> None:
    put(box, "createRuntime", "sleep 1000 & wait", timeout=1)
    assert box.try_create()[1] != 0


def test_a_timeout_that_is_not_reached_is_of_no_effect(box: Bundle) -> None:
    log = put(box, "createRuntime", "echo ran > $log", timeout=60)
    box.create()
    assert log.read_text() == "ran\n"


@pytest.mark.parametrize("moment", CREATING)
def test_a_hook_that_does_not_exist_is_an_error(box: Bundle, moment: str) -> None:
    box.config["hooks"] = {moment: [{"path": "/no/such/hook"}]}
    name, code = box.try_create()
    assert code != 0
    assert box.status(name) == "gone"


def test_run_goes_through_all_hooks(box: Bundle) -> None:
    logs = [put(box, moment, "touch $log") for moment in MOMENTS]
    assert box.says("echo ran") == "ran"
    assert all(log.exists() for log in logs)

"""The operations and the states between them (runtime.md)."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.support.bundle import Bundle, wait_until
from tests.support.leftovers import cgroups

SEMVER = re.compile(r"\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?")


def test_a_created_container_has_the_state_of_the_specification(box: Bundle) -> None:
    box.config["annotations"] = {"org.example.key": "value", "empty": ""}
    name = box.create()
    state = box.state(name)
    assert SEMVER.fullmatch(state["ociVersion"])
    assert (state["id"], state["status"], state["bundle"]) == (name, "created", str(box.directory))
    assert Path(f"/proc/{state['pid']}").exists()
    assert state["annotations"].items() >= {"org.example.key": "value", "empty": ""}.items()


def test_the_bundle_in_the_state_is_absolute(box: Bundle) -> None:
    box.write()
    name = box.new_id()
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    assert box.call("create", "--bundle", ".", name, cwd=box.directory, **quiet).returncode == 0
    assert box.state(name)["bundle"] == str(box.directory)


def test_the_bundle_is_the_working_directory_unless_it_is_given(box: Bundle) -> None:
    box.write()
    name = box.new_id()
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    assert box.call("create", name, cwd=box.directory, **quiet).returncode == 0
    assert box.status(name) == "created"


def test_create_does_not_run_the_program_and_start_does(box: Bundle) -> None:
    name = box.create("sh", "-c", "touch /ran; sleep 1000")
    assert box.status(name) == "created"
    assert not (box.rootfs / "ran").exists()
    box.ask("start", name)
    wait_until((box.rootfs / "ran").exists)
    assert box.status(name) == "running"


def test_create_makes_the_environment(box: Bundle) -> None:
    box.mount("/data")
    pid = box.pid(box.create())
    assert os.stat(f"/proc/{pid}/ns/mnt").st_ino != os.stat("/proc/self/ns/mnt").st_ino
    assert any(line.split()[4] == "/data" for line in Path(f"/proc/{pid}/mountinfo").read_text().splitlines())


def test_the_pid_is_that_of_the_process_as_the_host_sees_it(box: Bundle) -> None:
    name = box.started("sleep", "1234")
    pid = box.pid(name)
    wait_until(lambda: Path(f"/proc/{pid}/cmdline").read_bytes() == b"sleep\x001234\0")
    assert Path(f"/proc/{pid}/status").read_text().split("NSpid:")[1].split("\n")[0].split() == [str(pid), "1"]


def test_a_process_that_ends_leaves_a_stopped_container(box: Bundle) -> None:
    name = box.started("true")
    assert box.wait_for(name, "stopped").get("pid", 0) == 0
    assert box.state(name)["bundle"] == str(box.directory)


def test_a_process_that_is_killed_from_elsewhere_leaves_a_stopped_container(box: Bundle) -> None:
    name = box.started()
    os.kill(box.pid(name), 9)
    box.wait_for(name, "stopped")


def test_a_process_that_dies_before_start_leaves_a_stopped_container(box: Bundle) -> None:
    name = box.create()
    os.kill(box.pid(name), 9)
    box.wait_for(name, "stopped")
    assert box.call("start", name).returncode != 0


@pytest.mark.parametrize("operation", ["state", "create", "start", "kill", "delete", "pause", "resume", "exec", "ps"])
def test_every_operation_wants_an_id(box: Bundle, operation: str) -> None:
    box.write()
    done = box.call(operation, cwd=box.directory)
    assert done.returncode != 0
    assert done.stderr


@pytest.mark.parametrize(
    "argv",
    [("state",), ("start",), ("kill",), ("delete",), ("pause",), ("resume",), ("exec", "true"), ("ps",),
     ("events", "--stats"),
     ("update", "--pids-limit", "5")],
    ids=lambda argv: argv[0],
)  # fmt: skip
def test_a_container_that_does_not_exist_is_an_error(box: Bundle, argv: tuple[str, ...]) -> None:
    box.started()
    *options, last = argv
    words = [*argv[:1], "no-such", last] if last == "true" else [*argv, "no-such"]
    done = box.call(*words)
    assert done.returncode != 0
    assert "no-such" in done.stderr or "exist" in done.stderr, options


def test_a_running_container_cannot_be_started(box: Bundle) -> None:
    name = box.started("sh", "-c", "echo x >> /ran; sleep 1000")
    wait_until((box.rootfs / "ran").exists)
    pid = box.pid(name)
    assert box.call("start", name).returncode != 0
    assert (box.status(name), box.pid(name)) == ("running", pid)
    assert (box.rootfs / "ran").read_text() == "x\n"


def test_a_stopped_container_cannot_be_started(box: Bundle) -> None:
    name = box.started("sh", "-c", "echo x >> /ran")
    box.wait_for(name, "stopped")
    assert box.call("start", name).returncode != 0
    assert box.status(name) == "stopped"
    assert (box.rootfs / "ran").read_text() == "x\n"


def test_a_container_without_a_process_can_be_created_but_not_started(box: Bundle) -> None:
    del box.config["process"]
    name, code = box.try_create()
    assert code == 0, box.logged()
    assert box.call("start", name).returncode != 0
    assert box.status(name) == "created"


@pytest.mark.parametrize("signal", ["USR1", "SIGUSR1", "10", "usr1"])
def test_kill_sends_the_signal(box: Bundle, signal: str) -> None:
    name = box.started("sh", "-c", "trap 'echo got >> /got' USR1; touch /ready; while :; do sleep 0.05; done")
    wait_until((box.rootfs / "ready").exists)
    box.ask("kill", name, signal)
    wait_until((box.rootfs / "got").exists)
    assert box.status(name) == "running"


def test_kill_sends_sigterm_unless_told_otherwise(box: Bundle) -> None:
    name = box.started("sh", "-c", "trap 'echo got >> /got; exit' TERM; touch /ready; while :; do sleep 0.05; done")
    wait_until((box.rootfs / "ready").exists)
    box.ask("kill", name)
    box.wait_for(name, "stopped")
    assert (box.rootfs / "got").exists()


def test_a_created_container_can_be_killed(box: Bundle) -> None:
    name = box.create()
    box.ask("kill", name, "KILL")
    box.wait_for(name, "stopped")


def test_kill_all_reaches_every_process(box: Bundle) -> None:
    box.without_namespace("pid")
    name = box.started("sh", "-c", "sleep 1000 & sleep 1000 & wait")
    wait_until(lambda: len(json.loads(box.ask("ps", "--format", "json", name))) == 3)
    box.ask("kill", "--all", name, "KILL")
    box.wait_for(name, "stopped")


def test_a_stopped_container_cannot_be_killed(box: Bundle) -> None:
    name = box.started("true")
    box.wait_for(name, "stopped")
    assert box.call("kill", name, "KILL").returncode != 0
    assert box.status(name) == "stopped"


@pytest.mark.parametrize("signal", ["NONSENSE", "-1", "4711"])
def test_a_signal_that_does_not_exist_is_an_error(box: Bundle, signal: str) -> None:
    name = box.started()
    assert box.call("kill", name, signal).returncode != 0
    assert box.status(name) == "running"


def test_a_running_container_cannot_be_deleted(box: Bundle) -> None:
    name = box.started()
    pid = box.pid(name)
    assert box.call("delete", name).returncode != 0
    assert (box.status(name), box.pid(name)) == ("running", pid)


def test_a_created_container_cannot_be_deleted(box: Bundle) -> None:
    name = box.create()
    assert box.call("delete", name).returncode != 0
    assert box.status(name) == "created"


@pytest.mark.parametrize("status", ["created", "running", "stopped"])
def test_delete_by_force_takes_every_status(box: Bundle, status: str) -> None:
    name = box.create("true") if status == "created" else box.started("true" if status == "stopped" else "cat")
    if status == "stopped":
        box.wait_for(name, "stopped")
    box.ask("delete", "--force", name)
    assert box.status(name) == "gone"


def test_delete_by_force_of_what_does_not_exist_is_no_error(box: Bundle) -> None:
    box.ask("delete", "--force", "no-such")


def test_delete_undoes_create_and_frees_the_id(box: Bundle) -> None:
    name = box.started("true")
    box.wait_for(name, "stopped")
    assert cgroups(name)
    box.ask("delete", name)
    assert cgroups(name) == []
    assert list(box.state_root.glob("*")) == []
    assert box.status(name) == "gone"
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    assert box.call("create", "--bundle", str(box.directory), name, **quiet).returncode == 0
    assert box.status(name) == "created"


def test_delete_leaves_what_the_container_did_not_make(box: Bundle, ground: Path) -> None:
    (ground / "source").mkdir()
    (ground / "source/file").write_text("kept")
    box.mount("/data", "rbind", kind="none", source=str(ground / "source"))
    before = sorted(path.name for path in box.rootfs.iterdir() if path.name != "data")
    assert box.says("cat /data/file") == "kept"
    assert (ground / "source/file").read_text() == "kept"
    assert sorted(path.name for path in box.rootfs.iterdir() if path.name != "data") == before


def test_an_id_is_unique(box: Bundle, ground: Path) -> None:
    name = box.started()
    before = box.state(name)
    done = box.call("create", "--bundle", str(box.directory), name)
    assert done.returncode != 0
    assert "exist" in done.stderr or "in use" in done.stderr, ground
    assert box.state(name) == before


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "../x", "/abs", "a b", "a\nb", "é", "a" * 1025, "$x", "x;y"])
def test_an_id_that_is_no_name_is_an_error_and_makes_nothing(box: Bundle, ground: Path, name: str) -> None:
    box.write()
    before = sorted(path for path in ground.rglob("*") if path.parts[-2] != "bin")
    done = box.call("create", "--bundle", str(box.directory), name)
    assert done.returncode != 0
    after = sorted(path for path in ground.rglob("*") if path.parts[-2] != "bin")
    assert [path for path in after if path not in before and path != box.state_root] == []


@pytest.mark.parametrize("name", ["a", "A.b_c-d+e", "0", "x" * 64])
def test_an_id_may_have_letters_digits_and_a_few_signs(box: Bundle, name: str) -> None:
    box.write()
    box.ids.append(name)
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    box.linux["cgroupsPath"] = f"/{box.new_id()}"
    box.write()
    assert box.call("create", "--bundle", str(box.directory), name, **quiet).returncode == 0
    assert box.state(name)["id"] == name


@pytest.mark.parametrize("command", ["state", "start", "kill", "delete"])
def test_an_id_never_leads_out_of_the_state_root(box: Bundle, ground: Path, command: str) -> None:
    name = box.create()
    inside = ground / "state" / "below"
    inside.mkdir()
    done = box.call("--root", str(inside), command, f"../{name}")
    assert done.returncode != 0
    assert box.status(name) == "created"


def test_what_is_written_to_the_configuration_after_create_has_no_effect(box: Bundle) -> None:
    with (box.directory / "out").open("w") as out:
        name = box.create("sh", "-c", "hostname; umask", stdout=out)
    box.config["hostname"] = "changed"
    box.process["args"] = ["echo", "changed"]
    box.write()
    box.ask("start", name)
    box.wait_for(name, "stopped")
    assert (box.directory / "out").read_text().split()[0] == "bundle"


@pytest.mark.parametrize("missing", ["bundle", "config", "directory"])
def test_create_without_a_bundle_is_an_error(box: Bundle, ground: Path, missing: str) -> None:
    (ground / "empty").mkdir()
    bundles = {"bundle": ground / "none", "config": ground / "empty", "directory": box.rootfs / "bin/busybox"}
    name = box.new_id()
    assert box.call("create", "--bundle", str(bundles[missing]), name).returncode != 0
    assert box.status(name) == "gone"


def test_a_failed_create_leaves_nothing(box: Bundle) -> None:
    box.mount("/data", "no-such-option", kind="tmpfs")
    name, code = box.try_create()
    assert code != 0
    assert box.status(name) == "gone"
    assert cgroups(name) == []
    assert list(box.state_root.glob("*")) == []
    assert wait_until(lambda: not any(name in line for line in Path("/proc/self/mountinfo").read_text().splitlines()))


@pytest.mark.parametrize("code", [0, 1, 42, 255])
def test_run_has_the_exit_status_of_the_process(box: Bundle, code: int) -> None:
    assert box.shell(f"exit {code}").returncode == code
    assert box.status(box.ids[-1]) == "gone"


def test_run_has_the_exit_status_of_a_process_that_a_signal_ended(box: Bundle) -> None:
    assert box.shell("sh -c 'kill -KILL $$'; exit $?").returncode == 137


def test_run_passes_the_streams_on(box: Bundle) -> None:
    done = box.shell("cat; echo err >&2", input="in")
    assert (done.stdout, done.stderr) == ("in", "err\n")


def test_run_detached_leaves_a_running_container(box: Bundle) -> None:
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    assert box.run("sleep", "1000", options=("--detach",), **quiet).returncode == 0
    assert box.status(box.ids[-1]) == "running"


def test_run_keep_leaves_a_stopped_container(box: Bundle) -> None:
    assert box.run("true", options=("--keep",)).returncode == 0
    assert box.status(box.ids[-1]) == "stopped"


def test_properties_that_nobody_knows_are_ignored(box: Bundle) -> None:
    for place in (box.config, box.process, box.linux, box.config["root"], box.process["user"], box.config["mounts"][0]):
        place["xNobodyKnows"] = {"any": ["thing", None, 1.5]}
    box.config["annotations"] = {"com.example.unknown": "x"}
    assert box.says("echo ran") == "ran"


@pytest.mark.parametrize("version", ["1.0.0", "1.0.0-rc6", "1.0.2", "1.0.2-dev"])
def test_older_versions_are_accepted(box: Bundle, version: str) -> None:
    box.config["ociVersion"] = version
    assert box.says("echo ran") == "ran"


@pytest.mark.parametrize("version", ["1.1.0", "1.2.1", "1.3.0", "1.3.0+build.5"])
def test_every_version_of_the_major_is_accepted(box: Bundle, version: str) -> None:
    box.config["ociVersion"] = version
    assert box.says("echo ran") == "ran"


@pytest.mark.parametrize("version", ["", "1", "1.0", "v1.0.0", "01.0.0", "1.0.0-", "x", "2.0.0", "0.9.0"])
def test_a_version_that_is_none_or_not_ours_is_an_error(box: Bundle, version: str) -> None:
    box.config["ociVersion"] = version
    name, code = box.try_create()
    assert code != 0
    assert box.status(name) == "gone"

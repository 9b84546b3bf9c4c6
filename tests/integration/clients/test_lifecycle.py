"""A container's life as docker and podman lead it: logs, stop, kill, pause, wait, restart, events."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.support.bundle import wait_until
from tests.support.engine import IMAGE

if TYPE_CHECKING:
    from tests.support.engine import Engine

pytestmark = [pytest.mark.root, pytest.mark.engines, pytest.mark.slow]

_TRAPS = "trap 'echo got {0}; exit {1}' {0}; echo ready; while :; do sleep 0.1; done"
_COUNTS = "n=0; while :; do n=$((n + 1)); echo $n; sleep 0.05; done"


def test_detached_and_logs(engine: Engine) -> None:
    with engine.container("sh", "-c", "echo one; echo two >&2; echo three") as container:
        assert container.wait() == 0
        done = engine("logs", container.name)
        assert (done.stdout, done.stderr) == ("one\nthree\n", "two\n")


def test_logs_tail(engine: Engine) -> None:
    with engine.container("seq", "9") as container:
        container.wait()
        assert container.logs("--tail", "2") == "8\n9\n"


def test_logs_follow_until_the_end(engine: Engine) -> None:
    with engine.container("sh", "-c", "for n in 1 2 3; do echo $n; sleep 0.3; done") as container:
        assert container.logs("--follow") == "1\n2\n3\n"
        assert container.wait() == 0


def test_create_then_start(engine: Engine) -> None:
    with engine.container("sh", "-c", "echo ran", verb="create") as container:
        assert container.status in {"created", "configured"}
        assert container.logs() == ""
        engine("start", container.name)
        assert container.wait() == 0
        assert container.logs() == "ran\n"


def test_start_again(engine: Engine) -> None:
    with engine.container("sh", "-c", "echo ran; exit 2") as container:
        assert container.wait() == 2
        engine("start", container.name)
        assert container.wait() == 2
        assert container.logs() == "ran\nran\n"


def test_restart(engine: Engine) -> None:
    with engine.container() as container:
        before = container.pid
        engine("restart", "--time", "0", container.name)
        assert container.status == "running"
        assert container.pid != before


def test_start_attached(engine: Engine) -> None:
    with engine.container("sh", "-c", "echo ran; exit 6", verb="create") as container:
        assert engine("start", "--attach", container.name, code=6).text == "ran"


def test_attach(engine: Engine) -> None:
    script = "while read line; do echo got $line; [ $line = quit ] && exit 8; done"
    with (
        engine.container("sh", "-c", script, options=("--interactive",)) as container,
        engine.running("attach", container.name) as process,
    ):
        assert process.stdin is not None
        assert process.stdout is not None
        for line in ("this\n", "quit\n"):
            process.stdin.write(line)
            process.stdin.flush()
            assert process.stdout.readline() == f"got {line}"
        assert container.wait() == 8


def test_stop_asks_first(engine: Engine) -> None:
    with engine.container("sh", "-c", _TRAPS.format("TERM", 3)) as container:
        container.wait_for_log("ready")
        engine("stop", container.name)
        assert container.wait() == 3
        assert "got TERM" in container.logs()


def test_stop_ends_what_handles_nothing(engine: Engine) -> None:
    """SIGTERM ends the process behind an init, and the exit code says so."""
    with engine.container(options=("--init",)) as container:
        engine("stop", container.name)
        assert container.wait() == 143


def test_stop_kills_after_the_timeout(engine: Engine) -> None:
    """The first process of a pid namespace ignores signals that it has no handler for."""
    with engine.container() as container:
        engine("stop", "--time", "1", container.name)
        assert container.wait() == 137
        assert container.status == "exited"


def test_stop_signal(engine: Engine) -> None:
    with engine.container("sh", "-c", _TRAPS.format("USR2", 4), options=("--stop-signal", "USR2")) as container:
        container.wait_for_log("ready")
        engine("stop", container.name)
        assert container.wait() == 4


def test_kill(engine: Engine) -> None:
    with engine.container() as container:
        engine("kill", container.name)
        assert container.wait() == 137


def test_kill_with_a_signal(engine: Engine) -> None:
    with engine.container("sh", "-c", _TRAPS.format("USR1", 5)) as container:
        container.wait_for_log("ready")
        engine("kill", "--signal", "USR1", container.name)
        assert container.wait() == 5


def test_kill_of_an_ended_container_is_refused(engine: Engine) -> None:
    with engine.container("true") as container:
        container.wait()
        assert engine("kill", container.name, code=None).code != 0


def test_rm_of_a_running_container_is_refused(engine: Engine) -> None:
    with engine.container() as container:
        assert engine("rm", container.name, code=None).code != 0
        assert container.status == "running"


def test_rm_force(engine: Engine) -> None:
    with engine.container("sh", "-c", "trap '' TERM; while :; do sleep 1; done") as container:
        pid = container.pid
        engine.remove(container.name)
        assert container.name not in engine.names()
        assert not (engine.host.sandbox.root / f"proc/{pid}").exists()


def test_pause_freezes(engine: Engine) -> None:
    with engine.container("sh", "-c", _COUNTS) as container:
        container.wait_for_log("3\n")
        engine("pause", container.name)
        assert container.status == "paused"
        before = container.logs()
        engine.host.sandbox.output("sleep", "0.5")
        assert container.logs() == before
        engine("unpause", container.name)
        assert container.status == "running"
        wait_until(lambda: container.logs() != before)


def test_a_paused_container_can_be_removed(engine: Engine) -> None:
    with engine.container() as container:
        engine("pause", container.name)
        engine.remove(container.name)
        assert container.name not in engine.names()


def test_wait_reports_the_exit_code(engine: Engine) -> None:
    with engine.container("sh", "-c", "sleep 0.3; exit 9") as container:
        assert container.wait() == 9


def test_restart_on_failure(engine: Engine) -> None:
    options = ("--restart", "on-failure:2")
    with engine.container("sh", "-c", "echo tried; exit 1", options=options) as container:
        wait_until(lambda: container.status == "exited" and container.logs() == "tried\n" * 3)
        assert container.inspect("{{.RestartCount}} {{.State.ExitCode}}") == "2 1"


def test_inspect_of_a_running_container(engine: Engine) -> None:
    with engine.container() as container:
        assert container.inspect("{{.State.Running}} {{.State.ExitCode}}") == "true 0"
        assert engine.host.read(f"/proc/{container.pid}/cmdline").split("\0")[:2] == ["sleep", "1000"]


def test_inspect_of_an_ended_container(engine: Engine) -> None:
    with engine.container("sh", "-c", "exit 3") as container:
        container.wait()
        assert container.inspect("{{.State.Running}} {{.State.ExitCode}} {{.State.OOMKilled}}") == "false 3 false"


def test_top(engine: Engine) -> None:
    with engine.container() as container:
        titles, *processes = engine("top", container.name).stdout.splitlines()
        assert "PID" in titles
        assert [line for line in processes if "sleep 1000" in line]
        assert len(processes) == 1


def test_stats(engine: Engine) -> None:
    with engine.container("sh", "-c", "sleep 1000 & sleep 1000", options=("--memory", "64m")) as container:
        template = "{{.Name}} {{.%s}} {{.MemUsage}}" % ("PIDs" if engine.is_docker else "PIDS")

        def stats() -> list[str]:
            return engine("stats", "--no-stream", "--format", template, container.name).text.split()

        # The first sample may be taken before the shell has started the other process.
        wait_until(lambda: stats()[1] == "2")
        name, _, used, _, limit = stats()
        assert name == container.name
        assert limit in {"64MiB", "67.11MB"}
        assert not used.startswith("0B")


def test_events(engine: Engine) -> None:
    with engine.container("sh", "-c", "exit 3") as container:
        container.wait()
        name = container.name
    now = engine.host.sandbox.output("date", "+%s.%N").strip()
    until = ("--until", now) if engine.is_docker else ("--stream=false",)
    options = ("--filter", f"container={name}", "--since", "1m", *until, "--format", "{{json .}}")
    events = [json.loads(line) for line in engine("events", *options).stdout.splitlines()]
    happened = [event.get("Action") or event.get("Status") for event in events]
    for wanted in ({"create"}, {"start"}, {"die", "died"}, {"destroy", "remove"}):
        assert wanted & set(happened), happened


def test_two_containers_at_once(engine: Engine) -> None:
    with engine.container() as first, engine.container() as second:
        assert first.pid != second.pid
        engine("kill", first.name)
        assert first.wait() == 137
        assert second.status == "running"


def test_names_are_unique(engine: Engine) -> None:
    with engine.container() as container:
        engine("run", "--rm", "--name", container.name, IMAGE, "true", code=125)

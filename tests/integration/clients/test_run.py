"""``run`` as docker and podman do it: output, exit codes, errors, and what the command line sets of a process."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

from tests.support.engine import IMAGE
from tests.support.engines import RUNTIME
from tests.support.sandbox import send

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.engine import Engine

pytestmark = [pytest.mark.root, pytest.mark.engines, pytest.mark.slow]


def test_the_runtime_is_the_one_under_test(engine: Engine) -> None:
    with engine.container() as container:
        named = container.inspect("{{.HostConfig.Runtime}}" if engine.is_docker else "{{.OCIRuntime}}")
        assert named == ("tare-runtime" if engine.name == "tare" else RUNTIME)


def test_stdout_and_stderr(engine: Engine) -> None:
    done = engine.run("sh", "-c", "echo out; echo err >&2")
    assert (done.stdout, done.stderr) == ("out\n", "err\n")


def test_stdin(engine: Engine) -> None:
    assert engine.run("cat", options=("--interactive",), input="typed\n").stdout == "typed\n"


def test_much_output_is_whole(engine: Engine) -> None:
    assert len(engine.run("seq", "200000").stdout.splitlines()) == 200000


@pytest.mark.parametrize(("script", "code"), [("true", 0), ("exit 3", 3), ("kill -9 $$", 137)])
def test_exit_code(engine: Engine, script: str, code: int) -> None:
    # The shell is not the first process, which no signal of its own can kill.
    engine.run("sh", "-c", f"sh -c '{script}'; exit $?", code=code)


@pytest.mark.parametrize(
    ("command", "code"), [("/bin/nothing", 127), ("nothing", 127), ("/etc", 126), ("/etc/passwd", 126)]
)
def test_a_command_that_cannot_be_run(engine: Engine, command: str, code: int) -> None:
    assert command in engine.run(command, code=code).stderr
    assert engine.names() == []


def test_an_option_that_does_not_exist(engine: Engine) -> None:
    engine("run", "--nonsense", IMAGE, code=125)


def test_an_image_that_does_not_exist(engine: Engine) -> None:
    engine("run", "--rm", "--pull", "never", "localhost/nothing:1", code=125)


def test_rm_leaves_nothing(engine: Engine) -> None:
    engine.run("true")
    assert engine.names() == []


def test_env(engine: Engine) -> None:
    assert engine.shell("echo $A $PATH", "--env", "A=b c") == "b c /bin"


def test_env_file(engine: Engine, tmp_path: Path) -> None:
    (tmp_path / "env").write_text("A=from a file\n# not this\nB=2\n")
    assert engine.shell("echo $A $B", "--env-file", str(tmp_path / "env")) == "from a file 2"


def test_workdir(engine: Engine) -> None:
    assert engine.shell("pwd", "--workdir", "/etc") == "/etc"


def test_workdir_that_does_not_exist(engine: Engine) -> None:
    """docker has it made; podman refuses."""
    done = engine.run("pwd", options=("--workdir", "/not/there"), code=0 if engine.is_docker else 126)
    assert done.text == ("/not/there" if engine.is_docker else "")


def test_entrypoint(engine: Engine) -> None:
    assert engine.run("a", "b", options=("--entrypoint", "/bin/echo")).text == "a b"


def test_hostname(engine: Engine) -> None:
    assert engine.shell("hostname; cat /etc/hostname", "--hostname", "box") == "box\nbox"


def test_add_host(engine: Engine) -> None:
    assert "192.0.2.7" in engine.shell("grep somewhere /etc/hosts", "--add-host", "somewhere:192.0.2.7")


def test_init(engine: Engine) -> None:
    """The first process is the engine's init, and it reaps what others left."""
    script = "cat /proc/1/comm; sh -c 'sleep 0.1 & exec true'; sleep 0.5; ps -o stat,comm | grep -c '^Z'"
    first, zombies = engine.run("sh", "-c", script, options=("--init",), code=1).text.splitlines()
    assert first in {"docker-init", "tini", "catatonit", "podman-init"}
    assert zombies == "0"


def test_init_passes_the_exit_code_on(engine: Engine) -> None:
    engine.run("sh", "-c", "exit 5", options=("--init",), code=5)


def test_stopped_by_sigint_to_the_client(engine: Engine) -> None:
    """``run`` in the foreground passes signals on."""
    # podman shows output before it is ready for signals.
    script = "trap 'echo caught; exit 7' INT; sleep 0.5; echo ready; while :; do sleep 0.1; done"
    with engine.named() as name, engine.running("run", "--name", name, IMAGE, "sh", "-c", script) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        send(process, signal.SIGINT)
        assert process.stdout.readline() == "caught\n"
        assert process.wait(timeout=30) == 7

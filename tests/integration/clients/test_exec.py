"""``exec``: further processes in a running container."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.bundle import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.engine import Container, Engine

pytestmark = [pytest.mark.root, pytest.mark.engines, pytest.mark.slow]


@pytest.fixture(scope="module")
def container(engine: Engine) -> Iterator[Container]:
    """One for all tests that leave it as it was."""
    with engine.container(options=("--env", "FROM=container", "--workdir", "/etc", "--hostname", "box")) as made:
        yield made


CAP_SYS_ADMIN = 21
DOCKER_KNOWS = (1 << 38) - 1  # up to CAP_AUDIT_READ


def test_output(container: Container) -> None:
    done = container.exec("sh", "-c", "echo out; echo err >&2")
    assert (done.stdout, done.stderr) == ("out\n", "err\n")


@pytest.mark.parametrize(("script", "code"), [("exit 0", 0), ("exit 3", 3), ("kill -9 $$", 137), ("kill -15 $$", 143)])
def test_exit_code(container: Container, script: str, code: int) -> None:
    container.exec("sh", "-c", script, code=code)


@pytest.mark.parametrize(("command", "code"), [("/bin/nothing", 127), ("nothing", 127), ("/etc", 126)])
def test_a_command_that_cannot_be_run(container: Container, command: str, code: int) -> None:
    done = container.exec(command, code=None)
    # docker 20.10 knows no 127 here.
    assert done.code in {code, 126 if container.engine.is_docker else code}
    assert command in done.stdout + done.stderr


def test_stdin(container: Container) -> None:
    assert container.exec("cat", options=("--interactive",), input="typed\n").stdout == "typed\n"


def test_it_is_in_the_containers_namespaces(container: Container) -> None:
    script = "cat /proc/1/comm; hostname; for n in pid mnt net ipc uts; do readlink /proc/self/ns/$n; done"
    first, name, *namespaces = container.shell(script).splitlines()
    assert (first, name) == ("sleep", "box")
    links = container.engine.host.sandbox.root / f"proc/{container.pid}/ns"
    assert namespaces == [str((links / kind).readlink()) for kind in ("pid", "mnt", "net", "ipc", "uts")]


def test_it_is_in_the_containers_control_groups(container: Container) -> None:
    first, further = container.shell("cat /proc/1/cgroup; echo --; cat /proc/self/cgroup").split("--\n")
    assert further.split() == first.split()


def test_environment_and_directory_are_the_containers(container: Container) -> None:
    assert container.shell("echo $FROM; pwd") == "container\n/etc"


def test_user(container: Container) -> None:
    assert container.shell("id -u; id -g", "--user", "nobody") == "65534\n65534"
    assert container.shell("id -u; id -g", "--user", "7:8") == "7\n8"


def test_user_has_no_capabilities(container: Container) -> None:
    assert "CapEff:\t0000000000000000" in container.shell("cat /proc/self/status", "--user", "7:8")


def test_workdir(container: Container) -> None:
    assert container.shell("pwd", "--workdir", "/tmp") == "/tmp"


def test_env(container: Container) -> None:
    assert container.shell("echo $A $FROM", "--env", "A=1") == "1 container"


def test_detached(container: Container) -> None:
    container.exec("sh", "-c", "echo done > /tmp/mark; exec sleep 1234", options=("--detach",))
    wait_until(lambda: container.shell("cat /tmp/mark || true") == "done")
    assert "sleep 1234" in container.shell("ps")


def test_privileged_gives_what_the_host_has(container: Container) -> None:
    """Where root itself lacks a capability it cannot be given; that is said, or the rest is given."""
    done = container.exec("grep", "CapEff", "/proc/self/status", options=("--privileged",), code=None)
    bounding = container.engine.host.sandbox.output("grep", "CapBnd", "/proc/self/status").split()[1]
    if done.code == 0:
        given = int(done.text.split()[1], 16)
        # docker 20.10 does not know the newest ones.
        assert given == int(bounding, 16) & (given | DOCKER_KNOWS)
        assert given >> CAP_SYS_ADMIN & 1
    else:
        assert "not permitted" in done.stdout + done.stderr


def test_restrictions_hold_for_it_too(engine: Engine) -> None:
    with engine.container(options=("--security-opt", "no-new-privileges")) as container:
        said = container.shell("grep -E 'NoNewPrivs|Seccomp:' /proc/self/status").split()
        assert said == ["NoNewPrivs:", "1", "Seccomp:", "2"]


def test_many_at_once(container: Container) -> None:
    sandbox = container.engine.host.sandbox
    argv = (*container.engine.prefix, "exec", container.name, "sh", "-c", "sleep 0.2; exit 5")
    processes = [sandbox.popen(*argv) for _ in range(4)]
    assert [process.wait(timeout=60) for process in processes] == [5] * 4


def test_not_in_an_ended_container(engine: Engine) -> None:
    with engine.container("true") as container:
        container.wait()
        assert container.exec("true", code=None).code != 0


def test_not_in_a_paused_container(container: Container) -> None:
    container.engine("pause", container.name)
    assert container.exec("true", code=None).code != 0
    container.engine("unpause", container.name)
    container.exec("true")


def test_it_ends_with_the_container(engine: Engine) -> None:
    with engine.container() as container:
        container.exec("sleep", "4321", options=("--detach",))
        wait_until(lambda: "sleep 4321" in container.shell("ps"))
        engine("kill", container.name)
        container.wait()
        assert "sleep 4321" not in engine.host.sandbox.output("ps", "-eo", "args")

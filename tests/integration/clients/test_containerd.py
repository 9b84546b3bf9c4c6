"""containerd's own client drives the runtime by the shim, without dockerd."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from tests.support.bundle import runtime_path, wait_until
from tests.support.engine import IMAGE, Outcome
from tests.support.terminal import terminal

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import Any

    from tests.support.engine import Host

pytestmark = [pytest.mark.root, pytest.mark.engines, pytest.mark.slow]

ROOT = "/run/tare-test/ctr"
COUNTS = "n=0; while :; do n=$((n + 1)); echo $n > /count; sleep 0.05; done"


@dataclass(slots=True)
class Ctr:
    """The command line, and names for what it makes."""

    host: Host
    prefix: tuple[str, ...]
    made: int = 0

    def __call__(self, *argv: str, **options: Any) -> Outcome:
        return self.host.call(*self.prefix, *argv, **options)

    def words(self, *options: str) -> tuple[str, ...]:
        """What runs a container with the runtime under test, up to its command; the last word is its name."""
        self.made += 1
        runtime = ("--runc-binary", runtime_path(), "--runc-root", ROOT)
        return (*self.prefix, "run", *runtime, *options, IMAGE, f"c{self.made}")

    def run(self, *argv: str, options: tuple[str, ...] = (), **more: Any) -> Outcome:
        return self.host.call(*self.words("--rm", *options), *argv, **more)

    @contextmanager
    def task(self, *argv: str, options: tuple[str, ...] = ()) -> Iterator[str]:
        """The name of a container that runs in the background."""
        words = self.words("--detach", "--null-io", *options)
        self.host.call(*words, *(argv or ("sleep", "1000")))
        try:
            yield words[-1]
        finally:
            self("task", "delete", "--force", words[-1], code=None)
            self("containers", "delete", words[-1])

    def exec(self, name: str, *argv: str, options: tuple[str, ...] = (), **more: Any) -> Outcome:
        self.made += 1
        return self("task", "exec", "--exec-id", f"e{self.made}", *options, name, *argv, **more)

    def status(self, name: str) -> str:
        tasks = dict(line.split()[::2] for line in self("task", "list").stdout.splitlines()[1:])
        return tasks[name]


@pytest.fixture(scope="module")
def client(host: Host, ctr: tuple[str, ...]) -> Iterator[Ctr]:
    yield Ctr(host, ctr)
    state = host.sandbox.root / ROOT.lstrip("/") / "default"
    assert [path.name for path in state.iterdir()] == [], "the runtime keeps the state of removed containers"


@pytest.mark.parametrize("code", [0, 3])
def test_run(client: Ctr, code: int) -> None:
    done = client.run("sh", "-c", f"echo out; echo err >&2; exit {code}", code=code)
    assert (done.stdout, done.stderr) == ("out\n", "err\n")


@pytest.mark.parametrize("command", ["/bin/nothing", "nothing", "/etc"])
def test_a_command_that_cannot_be_run(client: Ctr, command: str) -> None:
    assert command in client.run(command, code=1).stderr
    assert client("containers", "list", "--quiet").text == ""


def test_run_on_a_terminal(client: Ctr) -> None:
    words = client.words("--rm", "--tty", "--env", "PS1=> ")
    with terminal(client.host.sandbox.command(*words, "sh"), rows=33, columns=99) as shell:
        shell.expect("> ")
        shell.line("until [ \"$(stty size)\" = '33 99' ]; do sleep 0.05; done; echo as''ked; exit 4")
        shell.expect("asked")
        assert shell.wait() == 4


def test_environment_and_directory(client: Ctr) -> None:
    assert client.run("sh", "-c", "echo $A; pwd", options=("--env", "A=1", "--cwd", "/etc")).stdout == "1\n/etc\n"


def test_exec(client: Ctr) -> None:
    with client.task(options=("--cwd", "/etc")) as name:
        done = client.exec(name, "sh", "-c", "pwd; cat /proc/1/comm; exit 5", code=5)
        assert done.stdout == "/etc\nsleep\n"


def test_exec_as_a_user(client: Ctr) -> None:
    with client.task() as name:
        assert client.exec(name, "id", "-u", options=("--user", "7:8", "--cwd", "/tmp")).text == "7"


def test_exec_of_what_is_not_there(client: Ctr) -> None:
    with client.task() as name:
        assert "/bin/nothing" in client.exec(name, "/bin/nothing", code=1).stderr
        assert client.status(name) == "RUNNING"


def test_ps(client: Ctr) -> None:
    with client.task("sh", "-c", "sleep 1000 & sleep 1000") as name:
        pids = [line.split()[0] for line in client("task", "ps", name).stdout.splitlines()[1:]]
        assert {client.host.read(f"/proc/{pid}/comm").strip() for pid in pids} == {"sleep", "sh"} - {"sh"}
        assert len(pids) == 2


def test_pause_and_resume(client: Ctr) -> None:
    with client.task("sh", "-c", COUNTS) as name:
        pid = client("task", "list").stdout.split(f"{name} ")[1].split()[0]
        counter = client.host.sandbox.root / f"proc/{pid}/root/count"
        wait_until(lambda: counter.exists() and int(counter.read_text() or 0) > 3)
        client("task", "pause", name)
        assert client.status(name) == "PAUSED"
        before = counter.read_text()
        client.host.sandbox.output("sleep", "0.4")
        assert counter.read_text() == before
        client("task", "resume", name)
        assert client.status(name) == "RUNNING"
        wait_until(lambda: counter.read_text() != before)


def test_kill(client: Ctr) -> None:
    with client.task() as name:
        client("task", "kill", "--signal", "KILL", name)
        wait_until(lambda: client.status(name) == "STOPPED")
        assert "137" in client("task", "delete", name, code=None).stderr


def test_kill_with_a_signal(client: Ctr) -> None:
    with client.task("sh", "-c", "trap 'exit 6' USR1; touch /ready; while :; do sleep 0.05; done") as name:
        wait_until(lambda: client.exec(name, "ls", "/ready", code=None).code == 0)
        client("task", "kill", "--signal", "USR1", name)
        wait_until(lambda: client.status(name) == "STOPPED")


def test_kill_all(client: Ctr) -> None:
    with client.task("sh", "-c", "sleep 1000 & wait") as name:
        client("task", "kill", "--all", "--signal", "KILL", name)
        wait_until(lambda: client.status(name) == "STOPPED")


def test_metrics(client: Ctr) -> None:
    with client.task(options=("--memory-limit", str(64 << 20))) as name:
        said = client("task", "metrics", name).stdout
        assert "memory" in said
        assert str(64 << 20) in said


def test_read_only_with_a_mount(client: Ctr, tmp_path: Path) -> None:
    (tmp_path / "in").write_text("mounted")
    mount = ("--mount", f"type=bind,src={tmp_path},dst=/mnt,options=rbind:ro")
    done = client.run("sh", "-c", "cat /mnt/in; touch /x || touch /mnt/x", options=("--read-only", *mount), code=1)
    assert done.stdout == "mounted"
    assert done.stderr.count("Read-only file system") == 2


def test_seccomp_and_capabilities(client: Ctr) -> None:
    script = "grep -E '^(Seccomp|CapEff|NoNewPrivs):' /proc/self/status"
    said = client.run("sh", "-c", script, options=("--seccomp", "--cap-drop", "CAP_CHOWN")).stdout.split()
    assert (said[said.index("Seccomp:") + 1], said[said.index("NoNewPrivs:") + 1]) == ("2", "1")
    assert int(said[said.index("CapEff:") + 1], 16) & 1 == 0


def test_namespace_of_another(client: Ctr) -> None:
    with client.task() as name:
        pid = client("task", "list").stdout.split(f"{name} ")[1].split()[0]
        option = f"ipc:/proc/{pid}/ns/ipc"
        said = client.run("readlink", "/proc/self/ns/ipc", options=("--with-ns", option)).text
        assert said == client.exec(name, "readlink", "/proc/self/ns/ipc").text


def test_out_of_memory(client: Ctr) -> None:
    argv = ("dd", "if=/dev/zero", "of=/dev/null", "bs=256M", "count=1")
    client.run(*argv, options=("--memory-limit", str(32 << 20)), code=137)

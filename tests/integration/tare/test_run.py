"""`run` and `create`: streams, exit codes, and what is left."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

from tests.support.registry import docker_registry
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.tare.conftest import Tare

pytestmark = pytest.mark.root


def test_what_it_writes_is_on_our_streams_and_its_exit_code_ours(tare: Tare) -> None:
    done = tare("run", "--rm", "busybox", "sh", "-c", "echo out; echo err >&2; exit 7")
    assert (done.code, done.out, done.err) == (7, "out\n", "err\n")


def test_much_output_is_whole(tare: Tare) -> None:
    done = tare("run", "--rm", "busybox", "sh", "-c", "seq 1 60000; echo end >&2")
    assert done.out.splitlines() == [str(number) for number in range(1, 60001)]
    assert done.err == "end\n"


def test_what_we_read_is_its_stdin(tare: Tare) -> None:
    content = bytes(range(256)) * 2000
    done = tare("run", "-i", "--rm", "busybox", "md5sum", stdin=content)
    import hashlib

    assert done.out.split()[0] == hashlib.md5(content, usedforsecurity=False).hexdigest()


def test_without_i_it_has_no_stdin(tare: Tare) -> None:
    assert tare("run", "--rm", "busybox", "cat", stdin=b"unread").out == ""


@pytest.mark.parametrize(
    ("command", "code", "message"),
    [
        (["nonexistent"], 127, "executable file not found in $PATH"),
        (["/etc"], 126, "permission denied"),
        (["sh", "-c", "exec 2>/dev/null; sleep 1000 & kill -9 $!; wait $!"], 137, ""),
    ],
)
def test_exit_codes_of_commands(tare: Tare, command: list[str], code: int, message: str) -> None:
    done = tare("run", "--rm", "busybox", *command)
    assert done.code == code
    assert message in done.err
    assert done.err.count("\n") == bool(message)


def test_exit_codes_of_ours(tare: Tare, name: str) -> None:
    assert "not found" in tare.fails(125, "run", "--network", "nonexistent", "busybox")
    assert "No such image" in tare.fails(125, "run", "--pull", "never", "nonexistent")
    tare.says("create", "--name", name, "busybox")
    assert f'The container name "/{name}" is already in use' in tare.fails(125, "run", "--name", name, "busybox")
    assert "already in use" in tare.fails(1, "create", "--name", name, "busybox")
    tare.says("rm", name)


def test_an_image_that_is_missing_is_pulled(tare: Tare, name: str, tmp_path: Path) -> None:
    with docker_registry(tmp_path / "registry") as registry:
        image = f"{registry.host}/{name}"
        tare.says("tag", "busybox", image)
        tare.says("push", image)
        tare.says("rmi", image)
        done = tare("run", "--rm", image, "echo", "hi")
        assert (done.code, done.out) == (0, "hi\n")
        assert done.err.startswith(f"Unable to find image '{image}:latest' locally\n")
        assert "Digest: sha256:" in done.err
        again = tare("run", "--rm", image, "echo", "hi")
        assert (again.out, again.err) == ("hi\n", "")
        always = tare("run", "--rm", "--pull", "always", image, "echo", "hi")
        assert "Image is up to date" in always.err
        assert tare("run", "-q", "--pull", "always", "--rm", image, "true").err == ""
    assert tare("run", "--rm", f"{image}:other", "true").code == 125
    tare.says("rmi", image)


def test_rm_leaves_nothing_and_without_it_there_is_one_more(tare: Tare, name: str) -> None:
    tare.says("run", "--rm", "--name", name, "busybox", "true")
    assert "No such container" in tare.fails(1, "container", "inspect", name).lower().replace("no such", "No such")
    tare.says("run", "--name", name, "busybox", "true")
    assert tare.field(name, "{{.State.Status}} {{.State.ExitCode}}") == "exited 0"
    assert tare.says("rm", name) == name


def test_detached_it_prints_its_id(tare: Tare, name: str, tmp_path: Path) -> None:
    file = tmp_path / "cid"
    container_id = tare.says("run", "-d", "--name", name, "--cidfile", str(file), "busybox", "sleep", "1000")
    assert len(container_id) == 64
    assert file.read_text() == container_id == tare.field(name, "{{.Id}}")
    assert "container ID file found" in tare.fails(125, "run", "--cidfile", str(file), "busybox")
    assert tare.says("rm", "-f", name) == name


def test_the_environment(tare: Tare, tmp_path: Path) -> None:
    file = tmp_path / "env"
    file.write_text("A=file\nB=file\n")
    done = tare(
        "run", "--rm", "-e", "A=flag", "-e", "OURS", "--env-file", str(file), "busybox", "sh", "-c", "echo $A $B $OURS",
        env={"OURS": "ours"},
    )  # fmt: skip
    assert done.out == "flag file ours\n"


def test_its_identity_and_place(tare: Tare) -> None:
    script = "hostname; pwd; id -u; id -g"
    out = tare.says("run", "--rm", "-h", "me", "-w", "/tmp", "-u", "5:6", "busybox", "sh", "-c", script)
    assert out.split() == ["me", "/tmp", "5", "6"]


def test_binds_volumes_and_memory(tare: Tare, name: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("ours\n")
    script = "cat /a/file; echo x > /a/x; touch /v/kept; mount | grep -c ' /t type tmpfs'"
    out = tare.says(
        "run", "--rm", "-v", f"{tmp_path}:/a:ro", "-v", f"{name}:/v", "--tmpfs", "/t", "busybox", "sh", "-c",
        f"({script}) 2>/dev/null",
    )  # fmt: skip
    assert out.split() == ["ours", "1"]
    assert not (tmp_path / "x").exists()
    mount = f"type=volume,src={name},dst=/w"
    assert tare.says("run", "--rm", "--mount", mount, "busybox", "ls", "/w") == "kept"


def test_limits(tare: Tare, name: str) -> None:
    with tare.running("-m", "64m", "--cpus", "0.5", "--pids-limit", "50", name=name):
        template = "{{.HostConfig.Memory}} {{.HostConfig.NanoCpus}} {{.HostConfig.PidsLimit}}"
        assert tare.field(name, template) == f"{64 << 20} 500000000 50"
        assert tare.says("update", "-m", "128m", "--memory-swap", "-1", name) == name
        assert tare.field(name, "{{.HostConfig.Memory}}") == str(128 << 20)


def test_signals_are_handed_on(tare: Tare, name: str) -> None:
    script = "trap 'echo got; exit 3' TERM; echo ready; while :; do sleep 0.1; done"
    with tare.beside("run", "--rm", "--name", name, "busybox", "sh", "-c", script) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        process.send_signal(signal.SIGTERM)
        assert process.stdout.read() == b"got\n"
        assert process.wait(60) == 3


def test_without_proxy_a_signal_is_for_us(tare: Tare, name: str) -> None:
    command = ("sh", "-c", "echo ready; sleep 1000")
    with tare.beside("run", "--sig-proxy=false", "--name", name, "busybox", *command) as run:
        assert run.stdout is not None
        assert run.stdout.readline() == b"ready\n"
        run.send_signal(signal.SIGTERM)
        assert run.wait(60) == -signal.SIGTERM
    assert tare.field(name, "{{.State.Status}}") == "running"
    tare.says("rm", "-f", name)


def test_only_what_is_attached_is_shown(tare: Tare) -> None:
    done = tare("run", "--rm", "-a", "stderr", "busybox", "sh", "-c", "echo out; echo err >&2")
    assert (done.out, done.err) == ("", "err\n")


def test_create_then_start(tare: Tare, name: str) -> None:
    container_id = tare.says("create", "-i", "--name", name, "busybox", "cat")
    assert tare.field(name, "{{.State.Status}}") == "created"
    assert tare.says("start", "-a", "-i", container_id[:12], stdin=b"hello\n") == "hello"
    tare.says("rm", name)


def test_start_gives_the_exit_code_when_attached(tare: Tare, name: str) -> None:
    tare.says("create", "--name", name, "busybox", "sh", "-c", "echo hi; exit 4")
    assert tare("start", name).out == f"{name}\n"
    assert tare.says("wait", name) == "4"
    done = tare("start", "-a", name)
    assert (done.code, done.out) == (4, "hi\n")
    tare.says("rm", name)


def test_a_container_restarts(tare: Tare, name: str) -> None:
    with tare.running("--restart", "on-failure:2", "--", "false", name=name):
        assert tare.says("wait", name) == "1"
        assert eventually(lambda: tare.field(name, "{{.RestartCount}}") == "2", timeout_s=60)


def test_a_reader_that_goes_ends_it_quietly(tare: Tare, name: str) -> None:
    with tare.beside("run", "--name", name, "busybox", "yes") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.read(4) == b"y\ny\n"
        process.stdout.close()
        assert process.wait(60) == 141
        assert process.stderr.read() == b""
    tare.says("rm", "-f", name)

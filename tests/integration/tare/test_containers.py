"""The verbs of containers, but for those that run something in front of us."""

from __future__ import annotations

import json
import signal
import tarfile
from io import BytesIO
from typing import TYPE_CHECKING

import pytest

from tests.integration.tare.conftest import new_name
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.integration.tare.conftest import Tare

pytestmark = pytest.mark.root


@pytest.fixture(scope="module")
def box(tare: Tare) -> Iterator[str]:
    """A container that runs, which tests leave as it is."""
    words = ("-p", "127.0.0.1::80", "-l", "kind=test", "-l", "com.example/x=y", "-v", "/anonymous")
    with tare.running(*words) as name:
        yield name


@pytest.fixture(scope="module")
def ended(tare: Tare) -> Iterator[str]:
    """One that has ended, with exit code 3."""
    name = new_name()
    tare("run", "--name", name, "-l", "kind=test", "busybox", "sh", "-c", "echo one; echo two >&2; exit 3")
    yield name
    tare("rm", "-v", name)


@pytest.fixture(scope="module")
def waiting(tare: Tare) -> Iterator[str]:
    """One that has been created only."""
    name = new_name()
    tare.says("create", "--name", name, "-l", "kind=test", "busybox", "sleep", "1000")
    yield name
    tare("rm", "-v", name)


@pytest.fixture(scope="module")
def three(box: str, ended: str, waiting: str) -> dict[str, str]:
    return {"box": box, "ended": ended, "waiting": waiting}


def names(tare: Tare, *words: str) -> set[str]:
    return set(tare.says("ps", "--format", "{{.Names}}", *words).split())


def test_ps(tare: Tare, box: str, ended: str, waiting: str) -> None:
    header, *lines = tare.says("ps", "--filter", "label=kind=test").splitlines()
    assert header.split("  ")[0] == "CONTAINER ID"
    (line,) = [line for line in lines if line.endswith(box)]
    assert '"sleep 1000"' in line
    assert "->80/tcp" in line
    assert " Up " in line
    assert names(tare) & {box, ended, waiting} == {box}
    assert names(tare, "-a") >= {box, ended, waiting}
    assert names(tare, "-n", "500") >= {box, ended, waiting}
    assert len(tare.says("ps", "-lq")) == 12
    assert len(tare.says("ps", "-q", "-l", "--no-trunc")) == 64


@pytest.mark.parametrize(
    ("given", "found"),
    [
        (["status=exited"], {"ended"}),
        (["status=created", "status=running"], {"box", "waiting"}),
        (["exited=3"], {"ended"}),
        (["exited=0"], set()),
        (["label=com.example/x"], {"box"}),
        (["label=kind=other"], set()),
        (["ancestor=busybox"], {"box", "ended", "waiting"}),
        (["ancestor=busybox:other"], set()),
        (["volume=/anonymous"], {"box"}),
        (["publish=80"], {"box"}),
        (["network=bridge", "expose=80/tcp"], {"box", "ended", "waiting"}),
        (["health=none"], {"box", "ended", "waiting"}),
        (["name=^/NAME$"], {"box"}),
        (["since=NAME"], {"ended", "waiting"}),
        (["before=ENDED"], {"box"}),
    ],
)
def test_filters(tare: Tare, three: dict[str, str], given: list[str], found: set[str]) -> None:
    words = [text.replace("NAME", three["box"]).replace("ENDED", three["ended"]) for text in given]
    flags = [part for text in words for part in ("--filter", text)]
    assert names(tare, "-a", "--filter", "label=kind=test", *flags) == {three[one] for one in found}


def test_what_is_no_filter(tare: Tare) -> None:
    assert tare.fails(1, "ps", "--filter", "nope=1").startswith("invalid filter 'nope'")
    assert tare.fails(64, "ps", "--format", "{{.Nope").startswith("template parsing error")


def test_rows_as_json(tare: Tare, ended: str) -> None:
    (row,) = map(json.loads, tare.says("ps", "-a", "--filter", f"name={ended}", "--format", "json").splitlines())
    assert row["Names"] == ended
    assert row["State"] == "exited"
    assert row["Status"].startswith("Exited (3) ")
    assert row["Command"] == '"sh -c \'echo one; ec…"'
    assert row["Labels"] == "kind=test,made=here" or set(row["Labels"].split(",")) == {"kind=test", "made=here"}


def test_inspect(tare: Tare, box: str) -> None:
    (document,) = json.loads(tare.says("inspect", box))
    assert document["Name"] == f"/{box}"
    assert document["State"]["Running"] is True
    template = "{{.Id}} {{range $port, $on := .NetworkSettings.Ports}}{{$port}} {{(index $on 0).HostIp}}{{end}}"
    assert tare.says("inspect", "-f", template, box) == f"{document['Id']} 80/tcp 127.0.0.1"
    assert tare.says("inspect", "-f", '{{index .Config.Labels "com.example/x"}}', box) == "y"
    assert json.loads(tare.says("inspect", "-f", "{{json .Config.Cmd}}", box)) == ["sleep", "1000"]
    assert json.loads(tare.says("container", "inspect", "-s", box))[0]["SizeRw"] >= 0


def test_inspect_finds_whatever_is_called_so(tare: Tare, box: str) -> None:
    kinds = [list(one) for one in json.loads(tare.says("inspect", box, "busybox", "bridge"))]
    assert ["HostConfig" in kinds[0], "RootFS" in kinds[1], "IPAM" in kinds[2]] == [True, True, True]
    done = tare("inspect", box, "nonexistent")
    assert done.code == 1
    assert len(json.loads(done.out)) == 1
    assert done.err == "tare: No such object: nonexistent\n"
    assert tare.says("inspect", "-f", "{{.Name}}", box[:-1] + box[-1]) == f"/{box}"
    assert "No such image" in tare.fails(1, "inspect", "--type", "image", box)


def test_port(tare: Tare, box: str) -> None:
    (host,) = tare.says("port", box, "80").splitlines()
    assert host.startswith("127.0.0.1:")
    assert tare.says("port", box) == f"80/tcp -> {host}"
    assert "no public port '81/tcp'" in tare.fails(1, "port", box, "81")


def test_top(tare: Tare, box: str) -> None:
    header, line = tare.says("top", box).splitlines()
    assert header.split() == ["UID", "PID", "PPID", "C", "STIME", "TTY", "TIME", "CMD"]
    assert line.endswith("sleep 1000")
    assert tare.says("top", box, "-o", "pid,args").splitlines()[1].split()[1:] == ["sleep", "1000"]


def test_stats(tare: Tare, box: str) -> None:
    (row,) = map(json.loads, tare.says("stats", "--no-stream", "--format", "json", box).splitlines())
    assert row["Name"] == box
    assert row["PIDs"] == "1"
    assert row["MemUsage"].split(" / ")[0] != "0B"
    with tare.on_terminal("stats", box) as shown:
        shown.expect("CONTAINER ID")
        shown.expect(box)
        shown.expect(box)
        shown.send("\x03")
        shown.wait()


def test_logs(tare: Tare, ended: str) -> None:
    done = tare("logs", ended)
    assert (done.out, done.err) == ("one\n", "two\n")
    assert tare("logs", "--tail", "0", ended).out == ""
    assert tare("logs", "--since", "1h", "--until", "1h", ended).out == ""
    assert tare("logs", "--since", "2000-01-01", ended).out == "one\n"
    stamp, text = tare("logs", "-t", ended).out.split()
    assert text == "one"
    assert stamp.endswith("Z")
    assert len(stamp) == len("2026-01-01T00:00:00.123456789Z")
    assert 'invalid value for "tail": x' in tare.fails(1, "logs", "--tail", "x", ended)
    assert tare.fails(1, "logs", "nonexistent") == "No such container: nonexistent"


def test_logs_that_are_followed_end_with_the_container(tare: Tare, name: str) -> None:
    with tare.running("--", "sh", "-c", "for i in 1 2 3; do echo $i; sleep 0.2; done", name=name):
        assert tare("logs", "-f", name).out == "1\n2\n3\n"


def test_pause(tare: Tare, name: str) -> None:
    with tare.running(name=name):
        assert tare.says("pause", name) == name
        assert "(Paused)" in tare.says("ps", "--filter", f"name={name}", "--format", "{{.Status}}")
        assert "is paused" in tare.fails(1, "exec", name, "true")
        assert tare.says("unpause", name) == name
        assert "is not paused" in tare.fails(1, "unpause", name)


def test_stop_kill_restart_and_wait(tare: Tare, name: str) -> None:
    script = "trap 'exit 5' TERM; trap 'exit 6' USR1; echo on; while :; do sleep 0.1; done"
    with tare.running("--", "sh", "-c", script, name=name):
        assert eventually(lambda: tare("logs", name).out == "on\n", timeout_s=60)
        assert tare.says("stop", name) == name
        assert tare.says("wait", name) == "5"
        assert tare.says("restart", "-t", "5", name) == name
        assert eventually(lambda: tare("logs", name).out == "on\non\n", timeout_s=60)
        with tare.beside("wait", name) as process:
            assert tare.says("kill", "-s", "USR1", name) == name
            assert process.wait(60) == 0
            assert process.stdout is not None
            assert process.stdout.read() == b"6\n"
        assert "is not running" in tare.fails(1, "kill", name)


def test_exec(tare: Tare, box: str) -> None:
    assert (
        tare.says("exec", "-e", "A=b", "-w", "/tmp", "-u", "1:2", box, "sh", "-c", "echo $A $PWD; id -u") == "b /tmp\n1"
    )
    assert tare("exec", box, "sh", "-c", "echo err >&2; exit 4").code == 4
    assert tare.says("exec", "-i", box, "cat", stdin=b"hello") == "hello"
    assert "executable file not found" in tare.fails(127, "exec", box, "nonexistent")
    assert "permission denied" in tare.fails(126, "exec", box, "/etc")
    assert tare.fails(1, "exec", "nonexistent", "true") == "No such container: nonexistent"
    assert tare.says("exec", "-d", box, "touch", "/made") == ""
    assert eventually(lambda: tare("exec", box, "test", "-e", "/made").code == 0, timeout_s=60)


def test_exec_wants_one_that_runs(tare: Tare, ended: str) -> None:
    assert "is not running" in tare.fails(1, "exec", ended, "true")


def test_rename_and_remove(tare: Tare, name: str) -> None:
    with tare.running(name=name):
        assert tare.says("rename", name, f"{name}-new") == ""
        assert "is running" in tare.fails(1, "rm", f"{name}-new").replace("cannot remove", "is running")
        done = tare("rm", "-f", "nonexistent", f"{name}-new")
        assert (done.code, done.out, done.err) == (0, f"{name}-new\n", "tare: No such container: nonexistent\n")


def test_diff_and_commit(tare: Tare, name: str) -> None:
    with tare.running("--", "sh", "-c", "echo x > /made; rm /etc/passwd; sleep 1000", name=name):
        assert eventually(
            lambda: {"A /made", "C /etc", "D /etc/passwd"} <= set(tare.says("diff", name).splitlines()), 60
        )
        tag = f"{name}:1"
        digest = tare.says("commit", "-m", "why", "-a", "who", name, tag)
        assert digest.startswith("sha256:")
        assert tare.says("run", "--rm", tag, "cat", "/made") == "x"


def test_commit_with_changes(tare: Tare, name: str, ended: str) -> None:
    changes = ["ENV A=b", 'CMD ["sh", "-c", "echo $A"]', "LABEL x=y", "EXPOSE 81", "WORKDIR /tmp"]
    tare.says("commit", *(part for text in changes for part in ("--change", text)), ended, name)
    assert tare.says("run", "--rm", name) == "b"
    template = '{{.Config.WorkingDir}} {{index .Config.Labels "x"}} {{json .Config.ExposedPorts}}'
    assert tare.says("image", "inspect", "-f", template, name) == '/tmp y {"80/tcp":{},"81/tcp":{}}'
    assert "RUN is not a valid change command" in tare.fails(1, "commit", "-c", "RUN true", ended, name)
    assert "unknown instruction" in tare.fails(1, "commit", "-c", "NOPE", ended, name)


def test_export(tare: Tare, name: str, tmp_path: Path) -> None:
    with tare.running("--", "sh", "-c", "echo x > /made; sleep 1000", name=name):
        assert eventually(lambda: tare("exec", name, "test", "-s", "/made").code == 0, timeout_s=60)
        tare.says("export", "-o", str(tmp_path / "tar"), name)
        with tarfile.open(tmp_path / "tar") as archive:
            assert {"made", "bin/busybox"} <= {member.name.removeprefix("./") for member in archive}
        with tare.on_terminal("export", name) as shown:
            assert shown.wait() == 1
            assert "cowardly refusing" in shown.shown


def test_cp(tare: Tare, name: str, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in/file").write_text("content\n")
    with tare.running(name=name):
        assert tare.says("cp", str(tmp_path / "in"), f"{name}:/srv") == ""
        assert tare.says("exec", name, "cat", "/srv/in/file") == "content"
        tare.says("cp", f"{name}:/srv/in/file", str(tmp_path / "out"))
        assert (tmp_path / "out").read_text() == "content\n"
        streamed = tare("cp", f"{name}:/srv/in", "-")
        assert streamed.code == 0
        with tarfile.open(fileobj=BytesIO(streamed.out.encode())) as archive:
            assert archive.getnames() == ["in", "in/file"]
        tare.says("cp", "-", f"{name}:/tmp", stdin=streamed.out.encode())
        assert tare.says("exec", name, "cat", "/tmp/in/file") == "content"
        assert "Could not find the file /none" in tare.fails(1, "cp", f"{name}:/none", str(tmp_path))
    assert "between containers" in tare.fails(1, "cp", "a:/x", "b:/y")
    assert "at least one container" in tare.fails(1, "cp", "./a", "./b")


def test_update(tare: Tare, box: str) -> None:
    assert tare.says("update", "--cpus", "0.7", "--restart", "on-failure:4", box) == box
    template = (
        "{{.HostConfig.NanoCpus}} {{.HostConfig.RestartPolicy.Name}} {{.HostConfig.RestartPolicy.MaximumRetryCount}}"
    )
    assert tare.field(box, template) == "700000000 on-failure 4"
    assert "you must provide one or more flags" in tare.fails(1, "update", box)


def test_events(tare: Tare, name: str) -> None:
    with tare.beside(
        "events", "--filter", f"container={name}", "--format", "{{.Action}} {{.Actor.Attributes.name}}"
    ) as heard:
        assert heard.stdout is not None
        assert eventually(lambda: _hears(tare, name), timeout_s=60)
        lines = [heard.stdout.readline().decode().split() for _ in range(4)]
        heard.send_signal(signal.SIGINT)
        assert heard.wait(60) == 130
    assert [line[1] for line in lines] == [name] * 4
    past = tare.says("events", "--since", "10m", "--until", "0s", "--filter", f"container={name}").splitlines()
    assert " container create " in past[0]
    assert f"name={name}" in past[0]
    assert any(" container die " in line and "exitCode=0" in line for line in past)


def _hears(tare: Tare, name: str) -> bool:
    tare.says("run", "--rm", "--name", name, "busybox", "true")
    return True


def test_prune(tare: Tare, name: str) -> None:
    container_id = tare.says("create", "--name", name, "-l", f"prune={name}", "busybox")
    asked = tare("container", "prune", "--filter", f"label=prune={name}", stdin=b"n\n")
    assert "Are you sure you want to continue? [y/N]" in asked.out
    assert tare.field(name, "{{.Id}}") == container_id
    done = tare.says("container", "prune", "-f", "--filter", f"label=prune={name}").splitlines()
    assert done[:2] == ["Deleted Containers:", container_id]
    assert done[-1].startswith("Total reclaimed space: ")

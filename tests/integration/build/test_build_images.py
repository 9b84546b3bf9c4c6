"""Images that we build: what is in them, what they are called, and what is found in the cache."""

from __future__ import annotations

import http.server
import io
import os
import socketserver
import stat
import tarfile
import threading
from typing import TYPE_CHECKING, Any

import pytest

from runtime.build.errors import BuildError
from tests.integration.build.conftest import BASE, leftovers

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.build.conftest import Builder

pytestmark = pytest.mark.root


def test_a_run_writes_a_layer_and_one_that_changes_nothing_does_not(builder: Builder) -> None:
    built, output = builder.build(f"FROM {BASE}\nRUN echo hi > /file\nRUN true\n", tags=("a", "b:2"))
    assert builder.read(built, "/file") == "hi\n"
    assert builder.layers(built) == 2
    history = builder.store.resolve("a").config.history
    assert [(item.created_by, item.empty_layer) for item in history[1:]] == [
        ("/bin/sh -c echo hi > /file", False), ("/bin/sh -c true", True)
    ]  # fmt: skip
    assert builder.store.resolve("b:2").digest == built.digest
    assert "Step 1/3 : FROM base:1" in output
    assert output.endswith("Successfully tagged a:latest\nSuccessfully tagged b:2\n")


def test_mount_points_of_a_run_are_no_part_of_the_image(builder: Builder) -> None:
    built, _ = builder.build(f"FROM {BASE}\nRUN cat /etc/hosts /etc/resolv.conf /etc/hostname > /tmp/seen\n")
    assert builder.stat(built, "/etc/resolv.conf") is None
    assert builder.stat(built, "/proc/self") is None
    assert "localhost" in builder.read(built, "/tmp/seen")


def test_rights_of_a_run_are_those_of_a_container(builder: Builder) -> None:
    built, _ = builder.build(
        f"FROM {BASE}\nRUN grep -E 'CapEff|Seccomp:' /proc/self/status > /s; mount -t tmpfs x /srv || echo no >> /s; "
        "echo $$ >> /s; cat /proc/1/comm >> /s; readlink /proc/self/cwd >> /s; echo $HOME $HOSTNAME >> /s\n"
    )
    lines = builder.read(built, "/s").splitlines()
    assert lines[0].split()[1] == "00000000a80425fb"
    assert lines[1].split()[1] == "2"
    assert lines[2:4] == ["no", "1"]
    assert lines[5] == "/"
    assert lines[6].startswith("/root ")


def test_cached_steps_are_not_run_again_and_the_image_is_the_same(builder: Builder) -> None:
    text = f"FROM {BASE}\nENV A=1\nWORKDIR /new\nCOPY f .\nRUN cat /proc/sys/kernel/random/uuid > u\nCMD x\n"
    builder.write(f="1")
    first, _ = builder.build(text)
    again, output = builder.build(text)
    assert again == first
    assert output.count("Using cache") == 5
    fresh, output = builder.build(text, no_cache=True)
    assert fresh != first
    assert "Using cache" not in output


@pytest.mark.parametrize("change", ["content", "mode", "name"])
def test_a_copys_sources_decide(builder: Builder, change: str) -> None:
    (builder.context / "d").mkdir()
    (builder.context / "d/f").write_text("1")
    text = f"FROM {BASE}\nCOPY d /d\nRUN true\n"
    builder.build(text)
    os.utime(builder.context / "d/f", (1, 1))
    assert builder.build(text)[1].count("Using cache") == 2
    if change == "content":
        (builder.context / "d/f").write_text("2")
    elif change == "mode":
        (builder.context / "d/f").chmod(0o600)
    else:
        (builder.context / "d/f").rename(builder.context / "d/g")
    assert builder.build(text)[1].count("Using cache") == 0


def test_build_arguments_decide_what_comes_after_them(builder: Builder) -> None:
    text = f"FROM {BASE}\nRUN true\nARG A=1\nRUN echo $A > /a\n"
    builder.build(text)
    built, output = builder.build(text, build_args=(("A", "2"), ("http_proxy", "p")))
    assert output.count("Using cache") == 2
    assert builder.read(built, "/a") == "2\n"
    assert "http_proxy" not in str(builder.config(built))
    assert builder.store.resolve(built.digest).config.history[-1].created_by == "|1 A=2 /bin/sh -c echo $A > /a"


def test_a_cached_layer_that_was_collected_is_made_again(builder: Builder) -> None:
    text = f"FROM {BASE}\nRUN echo x > /x\n"
    built, _ = builder.build(text)
    layer = builder.store.resolve(built.digest).manifest.layers[-1]
    builder.store.layout.blobs.path(layer.digest).unlink()
    again, output = builder.build(text, tags=("x",))
    assert "Using cache" not in output
    assert builder.read(again, "/x") == "x\n"


def test_targets_and_stages_that_are_not_needed(builder: Builder) -> None:
    text = f"FROM {BASE} AS a\nRUN echo a > /a\nFROM a AS b\nRUN echo b > /b\nFROM {BASE} AS c\nRUN exit 9\n"
    built, output = builder.build(text, target="b")
    assert (builder.read(built, "/a"), builder.read(built, "/b")) == ("a\n", "b\n")
    assert "Step 4/4" in output
    with pytest.raises(BuildError, match="failed to reach build target z"):
        builder.build(text, target="z")


def test_copy_from_an_image_and_onbuild(builder: Builder) -> None:
    builder.write(f="later")
    builder.build(
        f"FROM {BASE}\nRUN echo t > /t; chown 5:6 /t\nONBUILD COPY f /f\nONBUILD RUN cat /f > /g\n", tags=("on",)
    )
    built, output = builder.build("FROM on\nCOPY --from=on /t /copied\n")
    assert "# Executing 2 build triggers" in output
    assert builder.read(built, "/g") == "later"
    copied = builder.stat(built, "/copied")
    assert copied is not None
    assert (copied.st_uid, copied.st_gid) == (5, 6)
    assert "OnBuild" not in builder.config(built)


def test_heredocs(builder: Builder) -> None:
    built, _ = builder.build(
        f"FROM {BASE}\nENV A=1\nRUN <<EOF\necho one > /x\necho two >> /x\nEOF\n"
        "RUN cat <<END > /y\nA=$A\nEND\nCOPY <<one <<'two' /d/\n$A \"q\"\none\n$A\ntwo\nRUN <<E\n#!/bin/cat\nE\n"
    )
    assert builder.read(built, "/x") == "one\ntwo\n"
    assert builder.read(built, "/y") == "A=1\n"
    assert (builder.read(built, "/d/one"), builder.read(built, "/d/two")) == ('1 "q"\n', "$A\n")


def test_run_mounts(builder: Builder, tmp_path: Path) -> None:
    (tmp_path / "s").write_text("hidden")
    builder.write(f="of the context")
    text = (
        f"FROM {BASE}\nRUN --mount=type=cache,target=/var/cache/x echo 1 >> /var/cache/x/n; cp /var/cache/x/n /n\n"
        "RUN --mount=type=secret,id=s --mount=type=tmpfs,target=/scratch --mount=type=bind,target=/ctx "
        "cat /run/secrets/s /ctx/f > /scratch/y; cp /scratch/y /y\n"
    )
    builder.build(text, secrets=(("s", str(tmp_path / "s")),))
    built, _ = builder.build(text, secrets=(("s", str(tmp_path / "s")),), no_cache=True)
    assert builder.read(built, "/n") == "1\n1\n"
    assert builder.read(built, "/y") == "hiddenof the context"
    for path in ("/var", "/run", "/scratch", "/ctx"):
        assert builder.stat(built, path) is None


def test_what_is_put_into_a_volume_is_kept(builder: Builder) -> None:
    built, _ = builder.build(f"FROM {BASE}\nVOLUME /data\nRUN echo kept > /data/file\n")
    assert builder.read(built, "/data/file") == "kept\n"


def test_add_of_an_address(builder: Builder) -> None:
    builder.write(file_txt="fetched")
    handler = http.server.SimpleHTTPRequestHandler

    class Quiet(handler):  # type: ignore[misc,valid-type]
        def __init__(self, *args: object) -> None:
            super().__init__(*args, directory=str(builder.context))

        def log_message(self, *_: object) -> None:
            pass

    with socketserver.TCPServer(("127.0.0.1", 0), Quiet) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            url = f"http://127.0.0.1:{server.server_address[1]}"
            built, _ = builder.build(f"FROM scratch\nADD {url}/file.txt /d/\n")
            with pytest.raises(BuildError, match=r"Dockerfile:2: ADD: download .*: 404"):
                builder.build(f"FROM scratch\nADD {url}/none.txt /d/\n")
        finally:
            server.shutdown()
    assert builder.read(built, "/d/file.txt") == "fetched"
    status = builder.stat(built, "/d/file.txt")
    assert status is not None
    assert stat.S_IMODE(status.st_mode) == 0o600
    assert int(status.st_mtime) == int((builder.context / "file.txt").stat().st_mtime)


@pytest.mark.parametrize("form", ["", "gz", "bz2", "xz"])
def test_a_context_by_standard_input(builder: Builder, form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = io.BytesIO()
    mode: Any = f"w:{form}"
    with tarfile.open(fileobj=archive, mode=mode) as tar:
        for name, text in {
            "sub/Df": "FROM scratch\nCOPY . /\n",
            "f": "x",
            "out.log": "",
            ".dockerignore": "*.log",
        }.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(text)
            tar.addfile(entry, io.BytesIO(text.encode()))
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(archive.getvalue())))
    built, _ = builder.build(context="-", file="sub/Df")
    assert builder.read(built, "/f") == "x"
    assert builder.stat(built, "/out.log") is None


def test_a_dockerfile_by_standard_input(builder: Builder, monkeypatch: pytest.MonkeyPatch) -> None:
    builder.write(f="x")
    text = b"FROM scratch\nCOPY f /\n"
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text)))
    assert builder.read(builder.build(file="-")[0], "/f") == "x"
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"FROM scratch\nLABEL a=b\n")))
    assert builder.config(builder.build(context="-")[0])["Labels"] == {"a": "b"}


def test_the_bridge_is_there_and_gone_afterwards(builder: Builder) -> None:
    built, _ = builder.build(
        f"FROM {BASE}\nRUN ip -o addr show eth0 > /addr && cat /etc/resolv.conf > /tmp/r\n"
        "RUN --network=none ip -o link > /l\n",
        network="default",
    )
    assert "inet " in builder.read(built, "/addr")
    assert "nameserver" in builder.read(built, "/tmp/r")
    assert "eth0" not in builder.read(built, "/l")
    assert leftovers(builder.root) == []


@pytest.mark.parametrize(
    ("text", "message", "code"),
    [
        ("FROM base:1\n\nRUN exit 7",
         r"^Dockerfile:3: RUN: The command '/bin/sh -c exit 7' returned a non-zero code: 7", 7),
        ('FROM base:1\nRUN ["nothing"]',
         r"Dockerfile:2: RUN: The command 'nothing' returned a non-zero code: 127", 127),
        ("FROM base:1\nRUN sh -c 'kill -9 $$'; exit $?", r"returned a non-zero code: 137", 137),
        ("FROM base:1\nCOPY none /", r"Dockerfile:2: COPY: file not found in build context .*: stat none", 1),
        ("FROM base:1\nCOPY none* /", r"Dockerfile:2: COPY: no source files were specified", 1),
        ("FROM base:1\nCOPY Dockerfile Dockerfile /x", r"COPY: When using COPY with more than one source file", 1),
        ("FROM base:1\nCOPY --from=9 x /x", r"COPY: invalid from flag value 9", 1),
        ("FROM base:1\nUSER ghost\nRUN true", r"Dockerfile:3: RUN: find user 'ghost'", 1),
        ("FROM base:1\nCOPY --chown=ghost Dockerfile /x", r"Dockerfile:2: COPY: find user 'ghost'", 1),
        ("FROM base:1\nEXPOSE x", r"Dockerfile:2: EXPOSE: invalid containerPort: x", 1),
        ("FROM --platform=windows/amd64 base:1", r"Dockerfile:1: FROM: platform windows/amd64 is not this host's", 1),
        ("FROM base:1\nADD bad.tar.gz /x", r"Dockerfile:2: ADD: extract bad.tar.gz: ", 1),
    ],
)  # fmt: skip
def test_errors_name_the_place(builder: Builder, text: str, message: str, code: int) -> None:
    (builder.context / "bad.tar.gz").write_bytes(b"\x1f\x8b" + bytes(600))
    with pytest.raises(BuildError, match=message) as caught:
        builder.build(text)
    assert caught.value.code == code


def test_a_quiet_build_shows_what_a_command_said_when_it_fails(builder: Builder) -> None:
    assert builder.build(f"FROM {BASE}\nRUN echo loud\n", quiet=True)[1] == ""
    with pytest.raises(BuildError) as caught:
        builder.build(f"FROM {BASE}\nRUN echo loud; false\n", quiet=True)
    assert caught.value.__notes__ == ["loud\n"]


def test_a_name_alone_is_the_image_itself(builder: Builder) -> None:
    built, _ = builder.build(f"FROM {BASE}\n", tags=("same",))
    assert built.digest == builder.store.resolve(BASE).digest


def test_layers_beyond_a_page_of_mount_options(builder: Builder) -> None:
    """More than 40 paths do not fit into mount(2)'s options."""
    runs = "".join(f"COPY Dockerfile /f{number}\n" for number in range(50))
    built, _ = builder.build(f"FROM {BASE}\n{runs}RUN ls / > /list\n")
    assert "f49\n" in builder.read(built, "/list")

"""Who may speak to a supervisor, and what it makes of nonsense."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from runtime.supervision.client import Supervisor
from runtime.supervision.errors import BadRequest, SupervisionError, Unknown
from runtime.values import replace

if TYPE_CHECKING:
    from tests.integration.supervision.conftest import House

pytestmark = pytest.mark.root

NOBODY = 65534


def connect(house: House) -> socket.socket:
    house.client.containers()
    channel = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    fd = os.open(house.root, os.O_PATH)
    channel.connect(f"/proc/self/fd/{fd}/socket")
    os.close(fd)
    channel.settimeout(20)
    return channel


def ask(channel: socket.socket, data: bytes) -> Any:
    channel.send(data)
    return json.loads(channel.recv(1 << 18))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"{", "no JSON"),
        (b"\xff", "no JSON"),
        (b"[]", "expected an object"),
        (b"{}", "op: is missing"),
        (b'{"op": "destroy"}', "no operation"),
        (b'{"op": "start"}', "id: is missing"),
        (b'{"op": "start", "id": "../x"}', "make one"),
        (b'{"op": "start", "id": ".."}', "make one"),
        (b'{"op": "start", "id": 7}', "expected a string"),
        (b'{"op": "create"}', "terms: is missing"),
        (b'{"op": "create", "terms": {"id": "x", "bundle": "rel"}}', "no absolute path"),
        (b'{"op": "create", "terms": {"id": "x", "bundle": "/b", "restart": "maybe"}}', "is none of no"),
        (b'{"op": "stop", "id": "x", "signal": "SIGNOTHING"}', "there is none of this name"),
        (b'{"op": "stop", "id": "x", "timeoutMs": -1}', "is not within"),
        (b'{"op": "create", "terms": {"id": "x", "bundle": "/b", "log": {"maxBytes": 1}}}', "is not within"),
        (b"[" * 20000, "no JSON"),
        (b"x" * 100_000, "too long"),
    ],
)
def test_nonsense_has_a_name_and_does_no_harm(house: House, data: bytes, message: str) -> None:
    with connect(house) as channel:
        answer = ask(channel, data)
        assert message in answer["error"]
        assert answer["kind"] == "BadRequest"
        assert ask(channel, b'{"op": "list"}') == {"ok": None, "more": False}
    assert "x" not in house.ids


def test_one_request_at_a_time(house: House) -> None:
    terms = house.terms("sleep", "1000")
    house.client.run(terms)
    with connect(house) as channel:
        channel.send(json.dumps({"op": "wait", "id": terms.id}).encode())
        assert "before the reply" in ask(channel, b'{"op": "list"}')["error"]


def test_descriptors_where_none_belong(house: House) -> None:
    with connect(house) as channel:
        ask(channel, b'{"op": "list"}')
        before = len(list(Path(f"/proc/{house.supervisor}/fd").iterdir()))
        socket.send_fds(channel, [b'{"op": "list"}'], [0, 1])
        assert "takes no descriptors" in json.loads(channel.recv(1 << 18))["error"]
        socket.send_fds(channel, [b'{"op": "attach", "id": "x"}'], [0, 1])
        assert "not supervised" in json.loads(channel.recv(1 << 18))["error"]
        assert len(list(Path(f"/proc/{house.supervisor}/fd").iterdir())) == before


def test_another_user_is_refused(house: House) -> None:
    """The socket's own mode and the directory's already keep others out; here both are open."""
    house.client.containers()
    (house.root / "socket").chmod(0o666)
    house.root.chmod(0o711)
    code = """if True:
        import os, socket, sys
        channel = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        os.setgroups([])
        os.setresgid(65534, 65534, 65534)
        os.setresuid(65534, 65534, 65534)
        channel.connect("socket")
        print(channel.recv(1 << 16).decode())
        assert channel.recv(1 << 16) == b""
    """
    done = subprocess.run([sys.executable, "-c", code], cwd=house.root, capture_output=True, text=True, check=False)
    house.root.chmod(0o700)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer["kind"] == "NotAllowed"
    assert f"user {NOBODY}" in answer["error"]
    assert house.client.containers() == ()


def test_nobody_else_gets_to_the_socket(house: House) -> None:
    house.client.containers()
    assert house.root.stat().st_mode & 0o777 == 0o700
    assert (house.root / "socket").stat().st_mode & 0o777 == 0o600


def test_a_directory_of_somebody_else_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    root = tmp_path / "root"
    root.mkdir(mode=0o700)
    os.chown(root, NOBODY, NOBODY)
    with Supervisor(str(root)) as client, pytest.raises(SupervisionError, match=f"belongs to user {NOBODY}"):
        client.containers()
    os.chown(root, 0, 0)
    root.chmod(0o777)
    with Supervisor(str(root)) as client, pytest.raises(SupervisionError, match="others may write to it"):
        client.containers()


def test_a_root_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with Supervisor(str(tmp_path / "file/root")) as client, pytest.raises(SupervisionError, match="not a directory"):
        client.containers()


def test_a_path_longer_than_an_address(tmp_path: Path) -> None:
    with Supervisor(str(tmp_path / ("x" * 100) / ("y" * 100)), idle_s=0.1) as client:
        assert client.containers() == ()


def test_what_is_asked_of_nobody(house: House) -> None:
    for ask_for in (house.client.start, house.client.stop, house.client.wait, house.client.inspect, house.client.kill):
        with pytest.raises(Unknown, match="'nobody' is not supervised here"):
            ask_for("nobody")
    with pytest.raises(Unknown):
        house.client.logs("nobody")


def test_a_request_that_is_too_long_is_not_sent(house: House) -> None:
    terms = house.terms("true")
    with pytest.raises(BadRequest, match="is longer than"):
        house.client.create(replace(terms, bundle="/" + "x" * 70_000))
    assert house.client.containers() == ()


def test_a_terminal_that_was_not_agreed_on_is_refused(house: House) -> None:
    terms = replace(house.terms("true"), terminal=True)
    with pytest.raises(SupervisionError, match=r"process\.terminal: False is not what was agreed on"):
        house.client.run(terms)
    assert house.leftovers() == []

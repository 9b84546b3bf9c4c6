"""What a runtime remembers on the host, and what it is told: nobody else may read or change it, and no name leads out.

A container's id becomes a directory; its state tells a later command which process to kill and which groups to remove;
the FIFO that releases the first process starts it for whoever opens it. An error message holds text of the image's and
the configuration's, and is what an engine's log parser reads (runc's ``--log``): one line, one object.
"""

from __future__ import annotations

import json
import os
import stat
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.attack import run_detached
from tests.support.bundle import is_ours, runtime_path
from tests.support.containers import NOBODY

if TYPE_CHECKING:
    from tests.support.bundle import Bundle

pytestmark = pytest.mark.root

IDS = ("..", ".", "../escape", "a/b", "/etc/escape", "", "a\nb", "a\0b", "a b", "x" * 1025, "é", "..%2fescape", "a\\b",
       "\x1b[31m", "*", "~", "$HOME")  # fmt: skip


@pytest.mark.parametrize("name", [name for name in IDS if "\0" not in name])
def test_an_id_that_is_no_plain_name_is_refused(box: Bundle, name: str) -> None:
    box.config["process"]["args"] = ["true"]
    box.write()
    before = sorted(os.listdir(box.state_root.parent)), sorted(os.listdir("/etc"))
    for verb in (("run", "--bundle", str(box.directory)), ("state",), ("delete", "--force"), ("kill",), ("start",)):
        assert box.call(*verb, name).returncode != 0 or verb[0] == "delete"
    box.state_root.mkdir(exist_ok=True)
    assert os.listdir(box.state_root) == []
    after = sorted({*os.listdir(box.state_root.parent)} - {"state"}), sorted(os.listdir("/etc"))
    assert after == (sorted({*before[0]} - {"state"}), before[1])


def test_what_is_remembered_is_root_s_alone(box: Bundle) -> None:
    name = box.create("sleep", "1000")
    entries = [box.state_root / name, *(box.state_root / name).rglob("*")]
    assert len(entries) > 1
    for entry in entries:
        status = entry.lstat()
        assert status.st_uid == 0
        assert not stat.S_IMODE(status.st_mode) & 0o022, entry
    assert not stat.S_IMODE((box.state_root / name).stat().st_mode) & 0o066
    if is_ours():
        assert stat.S_IMODE((box.state_root / name).stat().st_mode) == 0o700
        assert stat.S_IMODE(box.state_root.stat().st_mode) & 0o022 == 0
        assert all(stat.S_IMODE(entry.lstat().st_mode) & 0o077 == 0 for entry in entries if entry.is_fifo())


@pytest.mark.parametrize("verb", ["state", "kill", "start", "exec", "delete"])
def test_nobody_else_can_use_it(box: Bundle, verb: str) -> None:
    name = box.create("sleep", "1000")
    extra = {"exec": ("true",), "kill": ("KILL",)}.get(verb, ())
    command = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", runtime_path(), "--root",
               str(box.state_root), verb, name, *extra)  # fmt: skip
    assert subprocess.run(command, check=False, capture_output=True, timeout=30).returncode != 0
    assert box.state(name)["status"] == "created"


def test_a_state_that_was_tampered_with_kills_nobody(box: Bundle) -> None:
    """A pid that is another's by now, such as after a restart of the host, is not the container's."""
    if not is_ours():
        pytest.skip("the format of the state is each runtime's own")
    name, _ = run_detached(box, "sleep", "1000")
    pid = box.state(name)["pid"]
    file = box.state_root / name / "state.json"
    with subprocess.Popen(("sleep", "100")) as bystander:
        state = json.loads(file.read_text())
        assert state["pid"] == pid
        file.write_text(json.dumps(state | {"pid": bystander.pid}))
        assert str(bystander.pid) in file.read_text()
        box.call("kill", name, "KILL")
        box.call("delete", "--force", name)
        assert bystander.poll() is None
        bystander.kill()
    if Path(f"/proc/{pid}").exists():
        os.kill(pid, 9)


def test_a_link_in_the_place_of_a_container_is_not_followed(box: Bundle, outside: Path) -> None:
    box.state_root.mkdir()
    name = box.new_id()
    (box.state_root / name).symlink_to(outside)
    box.config["process"]["args"] = ["true"]
    box.write()
    assert box.call("run", "--bundle", str(box.directory), name).returncode != 0
    box.call("delete", "--force", name)
    assert (outside / "secret").read_text() == "kept\n"
    assert os.listdir(outside) == ["secret"]


INJECTIONS = ('x"}\n{"level":"info","msg":"forged', "line\r\nforged", "\x1b[2J\x1b[31mred", "\u2028forged", "\udcff")


@pytest.mark.parametrize("text", INJECTIONS)
def test_no_text_of_a_configuration_forges_a_line_of_the_log(box: Bundle, text: str) -> None:
    log = box.directory / "log.json"
    box.config["process"]["args"] = [f"/{text}"]
    box.config["process"]["cwd"] = "/"
    box.config["annotations"] = {text: text}
    box.write()
    options = ("--log", str(log), "--log-format", "json")
    done = box.call(*options, "run", "--bundle", str(box.directory), box.new_id())
    assert done.returncode != 0
    lines = log.read_text().splitlines()
    assert lines
    for line in lines:
        entry = json.loads(line)
        assert entry["level"] in {"error", "warning", "debug"}
        assert "forged" not in entry.get("level", "")
    if is_ours():
        assert len(lines) == 1
        assert len(done.stderr.splitlines()) == 1

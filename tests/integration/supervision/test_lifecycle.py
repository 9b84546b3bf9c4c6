"""One container under supervision: from its creation to its removal, and what clients ask for in between."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from runtime.supervision.client import Supervisor
from runtime.supervision.errors import SupervisionError, Unknown, WrongPhase
from runtime.supervision.life import Exit, Phase
from runtime.supervision.terms import Terms
from runtime.values import replace
from tests.integration.supervision.conftest import alive, processes
from tests.support.bundle import wait_until

if TYPE_CHECKING:
    from tests.integration.supervision.conftest import House

pytestmark = pytest.mark.root


def test_a_container_runs_to_its_end(house: House) -> None:
    terms = house.shell("echo out; echo err >&2; exit 3")
    record = house.client.run(terms)
    assert record.terms == terms
    assert record.life.phase is Phase.RUNNING
    assert record.life.process is not None
    record = house.client.wait(terms.id)
    assert record.life.phase is Phase.EXITED
    assert record.life.exit == Exit(3, "wait")
    assert (house.told(terms.id), house.told(terms.id, "stderr")) == (b"out\n", b"err\n")
    assert house.client.inspect(terms.id).life.restarts == 0


def test_the_record_on_disk_holds_the_start_time_beside_the_pid(house: House) -> None:
    terms = house.terms("sleep", "1000")
    process = house.client.run(terms).life.process
    assert process is not None
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    assert process.start_time == int(fields[19])
    text = (house.root / "containers" / terms.id / "record.json").read_text()
    assert f'"process": {{"pid": {process.pid}, "start_time": {process.start_time}}}' in text


def test_created_and_started_apart(house: House) -> None:
    terms = house.terms("true")
    assert house.client.create(terms).life.phase is Phase.CREATED
    with pytest.raises(SupervisionError, match="already in use"):
        house.client.create(terms)
    assert house.client.start(terms.id).life.phase is Phase.RUNNING
    house.client.wait(terms.id)
    assert house.client.start(terms.id).life.phase is Phase.RUNNING  # again, from the same bundle
    house.client.wait(terms.id)


def test_signal_deaths_are_128_and_more(house: House) -> None:
    terms = house.shell("kill -9 $$; sleep 5")
    house.bundle.config["linux"]["namespaces"] = [
        entry for entry in house.bundle.config["linux"]["namespaces"] if entry["type"] != "pid"
    ]
    terms = house.shell("kill -9 $$; sleep 5")
    house.client.run(terms)
    assert house.client.wait(terms.id).life.exit.code == 137


@pytest.mark.parametrize("args", [("/no/such/program",), ("nosuchprogram",), ("/etc/passwd",)])
def test_what_does_not_start_leaves_nothing(house: House, args: tuple[str, ...]) -> None:
    terms = house.terms(*args)
    with pytest.raises(SupervisionError, match=args[0].rpartition("/")[2]):
        house.client.run(terms)
    assert house.leftovers() == []


def test_a_container_that_does_not_start_can_be_asked_why(house: House) -> None:
    terms = house.terms("/no/such/program", restart="always")
    house.client.create(terms)
    with pytest.raises(SupervisionError, match="no such file"):
        house.client.start(terms.id)
    life = house.client.inspect(terms.id).life
    assert (life.phase, life.exit.code) == (Phase.EXITED, None)
    assert "no such file" in (life.error or "")


def test_stop_asks_first(house: House) -> None:
    terms = house.shell("trap 'echo asked; exit 5' TERM; echo up; while :; do sleep 0.05; done", restart="always")
    house.client.run(terms)
    wait_until(lambda: house.told(terms.id) == b"up\n")
    record = house.client.stop(terms.id)
    assert record.life.phase is Phase.EXITED
    assert record.life.exit == Exit(5, "wait")
    assert house.told(terms.id) == b"up\nasked\n"
    assert house.client.stop(terms.id).life.phase is Phase.EXITED  # again: nothing to do


def test_stop_insists(house: House) -> None:
    terms = house.shell("trap '' TERM; echo up; while :; do sleep 0.05; done", restart="always")
    house.client.run(terms)
    wait_until(lambda: house.told(terms.id) == b"up\n")
    assert house.client.stop(terms.id, timeout_s=0.3).life.exit.code == 137


def test_stop_by_another_signal(house: House) -> None:
    terms = house.shell("trap 'exit 6' USR1; echo up; while :; do sleep 0.05; done", stop_signal="USR1")
    house.client.run(terms)
    wait_until(lambda: house.told(terms.id) == b"up\n")
    assert house.client.stop(terms.id).life.exit.code == 6


def test_a_paused_container_is_stopped(house: House) -> None:
    terms = house.terms("sleep", "1000")
    house.client.run(terms)
    pause = [sys.executable, "runtime/cli/tare-runtime", "--root", str(house.root / "runtime"), "pause", terms.id]
    subprocess.run(pause, check=True)
    assert house.client.stop(terms.id, timeout_s=0.2).life.exit.code == 137


def test_kill_sends_a_signal(house: House) -> None:
    terms = house.shell("trap 'echo one' USR1; echo up; while :; do sleep 0.05; done", restart="always")
    house.client.run(terms)
    wait_until(lambda: house.told(terms.id) == b"up\n")
    house.client.kill(terms.id, "USR1")
    wait_until(lambda: house.told(terms.id) == b"up\none\n")
    house.client.kill(terms.id)
    life = house.client.wait(terms.id).life
    assert (life.phase, life.exit.code, life.restarts) == (Phase.EXITED, 137, 0)
    with pytest.raises(WrongPhase, match="not running"):
        house.client.kill(terms.id)


def test_remove_wants_force_while_it_runs(house: House) -> None:
    terms = house.shell("sleep 1000 & sleep 1000", restart="always")
    process = house.client.run(terms).life.process
    assert process is not None
    with pytest.raises(WrongPhase, match="stop it first"):
        house.client.remove(terms.id)
    house.client.remove(terms.id, force=True)
    assert not alive(process.pid)
    assert house.leftovers() == []
    with pytest.raises(Unknown, match="is not supervised here"):
        house.client.inspect(terms.id)


def test_many_start_and_go_and_nothing_is_left(house: House) -> None:
    house.client.run(keeps := house.terms("sleep", "1000"))
    pid = house.supervisor
    fds = len(list(Path(f"/proc/{pid}/fd").iterdir()))
    for number in range(20):
        terms = house.shell(f"echo {number}; exit {number}", log=replace(Terms("", "").log, max_files=1))
        house.client.run(terms)
        assert house.client.wait(terms.id).life.exit.code == number
        assert house.told(terms.id) == f"{number}\n".encode()
        house.client.remove(terms.id)
    assert house.supervisor == pid
    wait_until(lambda: len(list(Path(f"/proc/{pid}/fd").iterdir())) == fds)
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    process = house.client.inspect(keeps.id).life.process
    assert process is not None
    assert len(children) == 2, "the container and the keeper are all"
    assert str(process.pid) in children


def test_two_clients_at_once(house: House) -> None:
    first, second = house.shell("exit 1"), house.terms("sleep", "1000")
    with Supervisor(str(house.root), idle_s=0.2) as other:
        other.run(second)
        house.client.run(first)
        assert other.wait(first.id).life.exit.code == 1
        assert [record.terms.id for record in other.containers()] == sorted([first.id, second.id])
        assert house.client.containers() == other.containers()


def test_clients_who_come_together_start_one_supervisor(house: House) -> None:
    code = (
        "import sys, time; from runtime.supervision.client import Supervisor\n"
        "with Supervisor(sys.argv[1], idle_s=0.2) as client: print(len(client.containers())); time.sleep(1)"
    )
    clients = [
        subprocess.Popen([sys.executable, "-c", code, str(house.root)], stdout=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    assert [client.communicate(timeout=60)[0] for client in clients] == ["0\n"] * 4
    assert len(processes("runtime.supervision.main", str(house.root))) <= 1


def test_ctrl_c_of_a_client_ends_no_container(house: House) -> None:
    terms = house.terms("sleep", "1000")
    house.client.create(terms)
    house.client.close()
    wait_until(lambda: house.supervisor is None)  # so that the client below is who starts it
    code = (
        "import sys; from runtime.supervision.client import Supervisor\n"
        "with Supervisor(sys.argv[1], idle_s=0.2) as client:\n"
        "    client.start(sys.argv[2]); print('up', flush=True); client.wait(sys.argv[2])"
    )
    client = subprocess.Popen(
        [sys.executable, "-c", code, str(house.root), terms.id], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        start_new_session=True,
    )  # fmt: skip
    assert client.stdout is not None
    assert client.stdout.readline() == b"up\n"
    pid = house.supervisor
    os.killpg(client.pid, signal.SIGINT)  # as a terminal does, to its whole foreground
    assert b"KeyboardInterrupt" in client.communicate(timeout=20)[1]
    assert house.client.inspect(terms.id).life.phase is Phase.RUNNING
    assert house.supervisor == pid


def test_it_ends_when_it_has_nothing_to_do(house: House) -> None:
    terms = house.terms("true")
    house.client.run(terms)
    house.client.wait(terms.id)
    house.client.close()
    wait_until(lambda: house.supervisor is None)
    assert not (house.root / "socket").exists()
    assert house.client.inspect(terms.id).life.exit == Exit(0, "wait")  # and is there again


def test_it_is_small(house: House) -> None:
    house.client.run(house.terms("sleep", "1000"))
    status = dict(
        line.split(":", 1) for line in Path(f"/proc/{house.supervisor}/status").read_text().splitlines()
    )
    assert int(status["Threads"]) == 1
    assert int(status["RssAnon"].split()[0]) < 16_000
    assert status["Name"].strip() == "tare-supervisor"


def test_its_executable_can_be_written_by_nobody(house: House) -> None:
    house.client.containers()
    assert str(Path(f"/proc/{house.supervisor}/exe").readlink()).startswith("/memfd:")


def test_stdin_and_output_of_an_attached_client(house: House) -> None:
    terms = house.shell("printf 'prompt> '; read line; echo \"got $line\"; cat; echo end >&2", stdin=True)
    house.client.create(terms)
    (out, theirs_out), (err, theirs_err) = os.pipe(), os.pipe()
    before = house.client.attach(terms.id, theirs_out, theirs_err)
    assert before is not None
    os.close(before)
    os.close(theirs_out)
    os.close(theirs_err)
    house.client.start(terms.id)
    (out2, theirs_out), (err2, theirs_err) = os.pipe(), os.pipe()
    stdin = house.client.attach(terms.id, theirs_out, theirs_err)
    os.close(theirs_out)
    os.close(theirs_err)
    assert stdin is not None
    assert os.read(out, 100) == b"prompt> "  # at once, though it is no line
    os.write(stdin, b"hello\nrest")
    house.client.close_stdin(terms.id)
    os.close(stdin)
    assert house.client.wait(terms.id).life.exit.code == 0
    with os.fdopen(out, "rb") as seen, os.fdopen(err, "rb") as errors:
        assert (seen.read(), errors.read()) == (b"got hello\nrest", b"end\n")
    with os.fdopen(out2, "rb") as seen, os.fdopen(err2, "rb") as errors:
        assert seen.read().endswith(b"got hello\nrest")
        assert errors.read() == b"end\n"
    assert house.told(terms.id) == b"prompt> got hello\nrest"


def test_a_client_that_does_not_read_delays_its_container_only(house: House) -> None:
    slow = house.shell("i=0; while [ $i -lt 20000 ]; do echo line $i; i=$((i+1)); done; echo done")
    house.client.create(slow)
    (out, theirs_out), (err, theirs_err) = os.pipe(), os.pipe()
    house.client.attach(slow.id, theirs_out, theirs_err)
    for fd in (theirs_out, theirs_err):
        os.close(fd)
    house.client.start(slow.id)
    other = house.shell("echo quick")
    house.client.run(other)
    house.client.wait(other.id)
    assert house.told(other.id) == b"quick\n"
    with os.fdopen(out, "rb") as seen:
        lines = seen.read().splitlines()
    os.close(err)
    assert lines == [*(b"line %d" % number for number in range(20000)), b"done"]
    house.client.wait(slow.id)


def test_following_a_log_ends_with_the_container(house: House) -> None:
    terms = house.shell("i=0; while [ $i -lt 30 ]; do echo $i; i=$((i+1)); sleep 0.02; done")
    house.client.run(terms)
    seen = [entry.content for entry in house.client.follow(terms.id)]
    assert seen == [b"%d\n" % number for number in range(30)]


def test_a_loud_container_starves_nobody(house: House) -> None:
    loud = [house.terms("yes", log=replace(Terms("", "").log, max_bytes=1 << 20, max_files=2)) for _ in range(2)]
    for terms in loud:
        house.client.run(terms)
    pid = house.supervisor
    time.sleep(1)
    quiet = house.shell("echo quick")
    house.client.run(quiet)
    assert house.client.wait(quiet.id).life.exit.code == 0
    assert house.told(quiet.id) == b"quick\n"
    rss_kb = int(Path(f"/proc/{pid}/status").read_text().split("RssAnon:")[1].split()[0])
    assert rss_kb < 24_000
    for terms in loud:
        used = sum(path.stat().st_size for path in (house.root / "containers" / terms.id).iterdir())
        assert used < 5 << 20
        house.client.remove(terms.id, force=True)

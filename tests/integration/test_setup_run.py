"""`run` when there is something to set up: as root, with fake programs in the place of pip and ansible."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

INPUTS = ("pyproject.toml", "requirements.lock", "ansible", "bench/workloads")
STEPS = ("ansible", "host", "python", "project")
SETTING_UP = ("install ansible-core", "apply ansible/roles/host", "install 1 Python packages", "install Tare itself")
PROGRAM = '#!/bin/sh\necho "${0##*/} $*" >>"$TRACE"; [ "${0##*/}" != "$FAILING" ] || { echo no space left; exit 1; }\n'

pytestmark = pytest.mark.root


class Checkout:
    """A copy of the checkout with an environment whose programs write down how they are called."""

    def __init__(self, root: Path, repository: Path) -> None:
        self.root = root
        self.trace = root / "trace"
        self.environment = {**os.environ, "TRACE": str(self.trace), "FAILING": ""}
        root.mkdir()
        for name in INPUTS:
            copy = shutil.copytree if (repository / name).is_dir() else shutil.copy
            (root / name).parent.mkdir(exist_ok=True)
            copy(repository / name, root / name)
        (root / "requirements.lock").write_text("only==1\n")
        self.program("run", (repository / "run").read_text().replace("data=/var/lib/tare", f"data={root}"))
        for name in ("images/index.json", "guest/kernel/6.1/kernel.json"):
            (root / name).parent.mkdir(parents=True)
            (root / name).touch()
        # Every Debian package counts as installed: only what is beyond apt is set up here.
        self.program("programs/dpkg-query", "#!/bin/sh\nfor name; do printf ' %s=installed ' \"$name\"; done\n")
        for name in ("pip", "ansible-playbook", "python"):
            self.program(f".venv/bin/{name}", PROGRAM)
        self.environment["PATH"] = f"{root}/programs:{os.environ['PATH']}"
        self.stamp("venv", "kernel", "image")

    def program(self, name: str, script: str) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(script)
        path.chmod(0o755)

    def stamp(self, *steps: str) -> None:
        loop = f'for step in {" ".join(steps)}; do fingerprint $step >"$stamps/$step"; done'
        script = f'. {self.root}/run; mkdir -p "$stamps"; {loop}'
        subprocess.run(["bash", "-c", script], env=self.environment, check=True)

    def start(self, *argv: str) -> subprocess.Popen[str]:
        command = [str(self.root / "run"), *argv]
        pipe = subprocess.PIPE
        return subprocess.Popen(
            command, env=self.environment, stdout=pipe, stderr=pipe, text=True, start_new_session=True
        )

    def run(self, *argv: str) -> tuple[int, list[str]]:
        """Exit status and what was said."""
        with self.start(*argv) as process:
            _, said = process.communicate()
            return process.returncode, said.splitlines()


@pytest.fixture
def checkout(repository: Path, tmp_path: Path) -> Checkout:
    return Checkout(tmp_path / "checkout", repository)


def test_every_step_is_said_and_done_once_and_then_the_command_runs(checkout: Checkout) -> None:
    status, said = checkout.run("sh", "-c", "exit 5")
    assert status == 5
    assert len(said) == len(SETTING_UP)
    assert all(line.startswith(f"run: {what}") for line, what in zip(said, SETTING_UP, strict=True))
    assert [line.split()[0] for line in checkout.trace.read_text().splitlines()] == [
        "pip", "ansible-playbook", "pip", "pip", "python",
    ]  # fmt: skip
    assert checkout.run("sh", "-c", "exit 6") == (6, [])


def test_python_packages_are_installed_by_hash(checkout: Checkout) -> None:
    checkout.run("true")
    calls = checkout.trace.read_text()
    for lock in ("ansible/requirements.lock", "requirements.lock"):
        (call,) = (line for line in calls.splitlines() if line.endswith(f" {lock}"))
        assert "--require-hashes" in call


def test_a_step_that_fails_is_named_with_the_reason_and_done_by_the_next_call(checkout: Checkout) -> None:
    checkout.environment["FAILING"] = "ansible-playbook"
    status, said = checkout.run("true")
    assert status == 3
    assert said[-2] == "no space left"
    assert said[-1].startswith("run: failed: apply ansible/roles/host")
    assert str(checkout.root / ".venv/setup.log") in said[-1]
    checkout.environment["FAILING"] = ""
    status, said = checkout.run("true")
    assert status == 0
    assert [line.split()[1] for line in said] == ["apply", "install", "install"]


def test_a_second_call_waits_for_the_first_and_repeats_nothing(checkout: Checkout) -> None:
    directory = os.open(checkout.root, os.O_RDONLY)
    try:
        fcntl.flock(directory, fcntl.LOCK_EX)  # the first call, at work
        with checkout.start("echo", "done") as second:
            assert second.stderr is not None
            assert second.stderr.readline() == "run: waiting for another ./run to set this checkout up\n"
            checkout.stamp(*STEPS)
            fcntl.flock(directory, fcntl.LOCK_UN)
            output, said = second.communicate()
    finally:
        os.close(directory)
    assert (output, said) == ("done\n", "")
    assert not checkout.trace.exists()


def test_a_daemon_left_by_a_step_does_not_hold_the_lock(checkout: Checkout) -> None:
    checkout.program(".venv/bin/ansible-playbook", '#!/bin/sh\nsleep 30 & echo $! >"$TRACE"\n')
    assert checkout.run("true")[0] == 0
    daemon = int(checkout.trace.read_text().splitlines()[0])
    try:
        directory = os.open(checkout.root, os.O_RDONLY)
        fcntl.flock(directory, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.close(directory)
    finally:
        os.kill(daemon, 9)


@pytest.mark.parametrize(("signum", "said"), [(signal.SIGINT, "run: interrupted;"), (signal.SIGKILL, "")])
def test_an_interrupted_set_up_is_completed_by_the_next_call(checkout: Checkout, signum: int, said: str) -> None:
    checkout.program(".venv/bin/ansible-playbook", '#!/bin/sh\necho started >>"$TRACE"; exec sleep 30\n')
    with checkout.start("true") as first:
        while "started" not in (checkout.trace.read_text() if checkout.trace.exists() else ""):
            time.sleep(0.01)
        os.killpg(first.pid, signum)  # as a terminal does: everything that runs in front
        last_words = first.communicate()[1].splitlines()[-1]
    assert last_words.startswith(said)
    assert first.returncode == (130 if said else -signum)
    checkout.program(".venv/bin/ansible-playbook", PROGRAM)
    status, lines = checkout.run("true")
    assert status == 0
    assert [line.split()[1] for line in lines] == ["apply", "install", "install"]

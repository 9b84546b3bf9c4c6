"""The real command line in a process of its own, and the host as seen without any code of the project."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

ROOT = Path(__file__).resolve().parents[2]
DATA = Path("/var/lib/tare")
RUNS = Path("/run/tare")
ONE_CONTAINER = ("density", "--containers", "1", "--vms", "0", "--processes", "0")
_MAIN = "from bench.cli.main import main; main()"
_WITHIN_S = 90.0
_FREE_WITHIN_S = 280.0
_POLL_S = 0.02
# What other tests of ours make, which may run beside these: none of it is a name that a run gives.
_OTHER_TESTS = re.compile(r"tare-test|tarevmt|tarex")


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a command ended."""

    code: int
    stdout: str
    stderr: str

    @property
    def errors(self) -> list[str]:
        """The lines that say what went wrong and what to do, without the progress before them."""
        return [line for line in self.stderr.splitlines() if not line.startswith("[")]


# Somebody else in all but one thing: the checkout may be where only root can read.
NOBODY = (
    "setpriv",
    "--reuid=65534",
    "--regid=65534",
    "--clear-groups",
    "--inh-caps=+dac_read_search",
    "--ambient-caps=+dac_read_search",
)


def start(
    arguments: Sequence[str],
    environment: Mapping[str, str] | None = None,
    program: str = _MAIN,
    under: Sequence[str] = (),
) -> subprocess.Popen[str]:
    """Start ``bench`` with these arguments, in a session of its own, ``under`` a command; its output is in pipes."""
    return subprocess.Popen(
        [*under, sys.executable, "-c", program, *arguments],
        cwd=ROOT,
        env={**os.environ, **(environment or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def finish(process: subprocess.Popen[str], within_s: float = _WITHIN_S) -> Outcome:
    """Wait for it; whatever happened, nobody was shown a traceback."""
    try:
        stdout, stderr = process.communicate(timeout=within_s)
    except BaseException:
        process.kill()
        process.communicate()
        raise
    assert "Traceback" not in stderr, stderr
    return Outcome(process.returncode, stdout, stderr)


def bench(
    *arguments: str,
    environment: Mapping[str, str] | None = None,
    program: str = _MAIN,
    within_s: float = _WITHIN_S,
) -> Outcome:
    """Run the command to its end; waits for the host while somebody else's run holds it."""
    while True:
        wait_for_host()
        outcome = finish(start(arguments, environment, program), within_s)
        if "another run is under way" not in outcome.stderr:
            return outcome


def document(outcome: Outcome) -> dict[str, Any]:
    """The one JSON document on stdout."""
    loaded = json.loads(outcome.stdout)
    assert isinstance(loaded, dict)
    return loaded


def host_is_free() -> bool:
    """Whether no run holds the host's lock now."""
    if not (DATA / "lock").exists():
        return True
    with (DATA / "lock").open() as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


def wait_for_host() -> None:
    """Until no run holds the host."""
    wait_until(host_is_free, "the host is free", _FREE_WITHIN_S)


def wait_until(condition: Callable[[], object], what: str, within_s: float = _WITHIN_S) -> None:
    """Poll; the test fails if it does not come true."""
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, f"waited {within_s:g} s until {what}"
        time.sleep(_POLL_S)


def wait_for_record(process: subprocess.Popen[str], path: Path, text: str) -> None:
    """Until the running command has written ``text`` to this file of its run directory."""

    def written() -> bool:
        assert process.poll() is None, f"the command ended before it wrote {text} to {path}: {finish(process)}"
        return path.exists() and text in path.read_text()

    wait_until(written, f"{path.name} holds {text}")


def kill(process: subprocess.Popen[str]) -> None:
    """SIGKILL, to this process alone."""
    process.send_signal(signal.SIGKILL)
    process.communicate()


def host_inventory() -> dict[str, set[str]]:
    """All of the host that a run touches, asked of programs and files that the project's own inventory does not use."""
    groups = (line.split()[1] for line in Path("/proc/mounts").read_text().splitlines() if " cgroup" in line)
    return {
        "processes": _our_processes(),
        "links": set(re.findall(r"^\d+: ([^:@]+)", _output("ip", "-o", "link"), re.MULTILINE)),
        "routes": set(_output("ip", "-4", "route").splitlines()),
        "mounts": set(Path("/proc/self/mounts").read_text().splitlines()),
        "cgroups": {path for group in groups for path in _output("find", group, "-type", "d").splitlines()},
        "namespaces": set(_output("ip", "netns", "list").splitlines()),
        "runs": _entries(RUNS) | _entries(DATA / "runs"),
        "domains": _entries(Path("/run/libvirt/qemu")),
    }


def wait_until_equal(before: Mapping[str, set[str]]) -> None:
    """Until the host holds nothing that it did not; the kernel frees some of it late. The failure says what differs."""
    deadline = time.monotonic() + 30.0
    while differs := _difference(before, host_inventory()):
        assert time.monotonic() < deadline, f"the host is not as before: {differs}"
        time.sleep(0.1)


def _difference(before: Mapping[str, set[str]], after: Mapping[str, set[str]]) -> dict[str, set[str]]:
    new = {kind: {entry for entry in after[kind] - before[kind] if not _OTHER_TESTS.search(entry)} for kind in before}
    return {kind: entries for kind, entries in new.items() if entries}


def _our_processes() -> set[str]:
    """Whatever serves a run: launchers, QEMU, and the workload's httpd."""
    listed = _output("ps", "-ww", "-eo", "pid=,args=").splitlines()
    return {line.strip() for line in listed if re.search(r"runtime\.process\.launcher|qemu-system|/bin/httpd", line)}


def _entries(directory: Path) -> set[str]:
    return set(map(str, directory.iterdir())) if directory.is_dir() else set()


def _output(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


@contextlib.contextmanager
def small_disk(directory: Path, size: str) -> Iterator[Path]:
    """A file system of ``size`` on ``directory``."""
    directory.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", directory], check=True)
    try:
        yield directory
    finally:
        subprocess.run(["umount", directory], check=True)

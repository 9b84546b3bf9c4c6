"""The floor: a C program that makes the same system calls as our launcher and does nothing else."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from importlib.resources import files
from typing import TYPE_CHECKING

from bench.calibration.job import Timing
from bench.calibration.script import Script
from bench.workload import HostCannot, WorkloadError
from runtime.cgroups.cgroup import Cgroup
from runtime.linux.numbers import MACHINE

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from bench.calibration.ground import Ground
    from bench.calibration.job import Job

_OPTIONS = ("-O2", "-Wall", "-Wextra")
_ENDS_WITHIN_S = 60.0


def compile_floor(data: Path) -> Path:
    """The program, compiled on this host; kept below ``data`` by the digest of its source. Raises `HostCannot`."""
    source = files(__package__).joinpath("floor.c").read_bytes()
    digest = hashlib.sha256(b"\0".join((source, *(option.encode() for option in _OPTIONS)))).hexdigest()
    program = data / "floor" / digest
    if not program.exists():
        program.parent.mkdir(parents=True, exist_ok=True)
        made = program.with_suffix(".new")
        command = ("gcc", *_OPTIONS, "-x", "c", "-o", str(made), "-")
        try:
            done = subprocess.run(command, input=source, capture_output=True, check=False)
        except FileNotFoundError as error:
            raise HostCannot("compile the floor: no gcc", "install it with: apt-get install gcc libc6-dev") from error
        if done.returncode:
            lines = done.stderr.decode(errors="replace").splitlines() or [f"gcc ended with {done.returncode}"]
            raise HostCannot(f"compile the floor: {lines[0]}", "install with: apt-get install gcc libc6-dev")
        made.rename(program)
    return program


class Floor:
    """Runs one process of it for each of the containers launched at once."""

    name = "floor"

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._running: list[subprocess.Popen[str]] = []

    def absence(self) -> str | None:
        """It needs a compiler, and a processor that its few instructions are of."""
        if MACHINE != "x86_64":
            return f"the floor is written for x86-64, and this is {MACHINE}"
        return None if shutil.which("gcc") else "gcc is not installed"

    def connects(self) -> bool:
        """As the launcher does."""
        return True

    def open(self) -> None:
        """Compile it."""
        self._program = compile_floor(self._ground.context.roots.data)

    def stock(self, jobs: Sequence[Job], parallel: int) -> None:
        """Nothing is made ahead."""

    def launch(self, jobs: Sequence[Job], parallel: int) -> Timing:
        """Each process times its own launches; all begin at once."""
        lanes = [self._load(jobs[lane::parallel]) for lane in range(parallel) if jobs[lane::parallel]]
        for process, _, _ in lanes:
            _write_line(process)
        times = []
        for process, script, count in lanes:
            times.append([int(line) for line in _lines(process, script, count)])
        return Timing(tuple(one for lane in times for one in lane), max(map(sum, times)))

    def _load(self, jobs: Sequence[Job]) -> tuple[subprocess.Popen[str], Script, int]:
        path = self._ground.context.directory / f"script-{len(self._running)}"
        script = Script([self._ground.container(job) for job in jobs], self._ground.surroundings())
        script.write(path)
        process = subprocess.Popen(
            (self._program, path),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            pass_fds=(self._ground.null_fd,),
            start_new_session=True,
        )
        self._running.append(process)
        _lines(process, script, 1)
        path.unlink()
        return process, script, len(jobs)

    def remove(self, jobs: Sequence[Job]) -> None:
        """Each process kills and reaps what it has started; directories and groups are removed by us."""
        self._end()
        for job in jobs:
            spec = self._ground.container(job)
            Cgroup(self._ground.hierarchy, spec.cgroup).remove()
            shutil.rmtree(spec.directory, ignore_errors=True)

    def close(self) -> None:
        """End every process. Idempotent."""
        self._end()

    def _end(self) -> None:
        for process in self._running:
            process.communicate(timeout=_ENDS_WITHIN_S)
        self._running.clear()


def _write_line(process: subprocess.Popen[str]) -> None:
    if process.stdin is not None:
        process.stdin.write("\n")
        process.stdin.flush()


def _lines(process: subprocess.Popen[str], script: Script, count: int) -> list[str]:
    """The next lines; raises `WorkloadError` if the process has failed instead of writing them."""
    lines = [process.stdout.readline() for _ in range(count)] if process.stdout else []
    if "" in lines:
        _, complaint = process.communicate()
        place, _, problem = complaint.strip().partition(" system call: ")
        what = script.purpose(int(place)) if problem else "run"
        raise WorkloadError(f"launch on the floor: {what}: {problem or complaint.strip()}")
    return lines

"""The floor: a C program that makes the same system calls as our launcher and does nothing else."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from importlib.resources import files
from typing import TYPE_CHECKING

from bench.calibration.job import Timing, Weight
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


class Lane:
    """One process of the floor, which has read its script and waits."""

    def __init__(self, program: Path, script: Script, path: Path, null_fd: int) -> None:
        script.write(path)
        self._script = script
        self._process = subprocess.Popen(
            (program, path),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            pass_fds=(null_fd,),
            start_new_session=True,
        )
        self._lines(1)
        path.unlink()

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid

    def begin(self) -> None:
        """Let it launch."""
        if self._process.stdin is not None:
            self._process.stdin.write("\n")
            self._process.stdin.flush()

    def times_ns(self) -> tuple[int, ...]:
        """How long each launch took; raises `WorkloadError` naming the call that failed."""
        return tuple(map(int, self._lines(self._script.count)))

    def end(self) -> None:
        """Let it kill and reap what it has started, and end. Idempotent."""
        self._process.communicate(timeout=_ENDS_WITHIN_S)

    def _lines(self, count: int) -> list[str]:
        lines = [self._process.stdout.readline() for _ in range(count)] if self._process.stdout else []
        if "" in lines:
            _, complaint = self._process.communicate()
            place, _, problem = complaint.strip().partition(" system call: ")
            what = self._script.purpose(int(place)) if problem else "run"
            raise WorkloadError(f"launch on the floor: {what}: {(problem or complaint.strip()).lower()}")
        return lines


class Floor:
    """Runs one process of it for each of the containers launched at once."""

    name = "floor"
    weight = Weight()

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._lanes: list[Lane] = []

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
        lanes = [self.load(jobs[lane::parallel]) for lane in range(min(parallel, len(jobs)))]
        for lane in lanes:
            lane.begin()
        times = [lane.times_ns() for lane in lanes]
        return Timing(tuple(one for lane in times for one in lane), max(map(sum, times)))

    def load(self, jobs: Sequence[Job]) -> Lane:
        """A process that is ready to launch these."""
        ground = self._ground
        script = Script([ground.container(job) for job in jobs], ground.surroundings())
        path = ground.context.directory / f"script-{len(self._lanes)}"
        self._lanes.append(Lane(self._program, script, path, ground.null_fd))
        return self._lanes[-1]

    def remove(self, jobs: Sequence[Job]) -> None:
        """Each process kills and reaps what it has started; directories and groups are removed by us."""
        self.close()
        for job in jobs:
            spec = self._ground.container(job)
            Cgroup(self._ground.hierarchy, spec.cgroup).remove()
            shutil.rmtree(spec.directory, ignore_errors=True)

    def close(self) -> None:
        """End every process. Idempotent."""
        for lane in self._lanes:
            lane.end()
        self._lanes.clear()

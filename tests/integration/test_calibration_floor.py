"""The floor makes the system calls of our launcher and no others, as strace(1) counts them."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bench.calibration.floor import Floor, compile_floor
from bench.calibration.ground import Ground
from bench.calibration.job import Job
from bench.calibration.pool import TarePool
from bench.calibration.release import wait_until_released
from bench.calibration.tare import Tare
from bench.context import Roots, RunContext, run_directories
from bench.drivers.network import RunNetwork
from bench.workload import WorkloadError, WorkloadSpec
from bench.workloads.website import ensure_website
from runtime.image.store import ImageStore
from runtime.linux import constants, syscalls
from runtime.linux.numbers import MACHINE, numbers
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = [pytest.mark.root, pytest.mark.skipif(MACHINE != "x86_64", reason="the floor is written for x86-64")]

# What messages and supervision take, and what a process says of itself: none of it launches.
_OURS = {"recvmsg", "sendmsg", "epoll_wait", "epoll_ctl"}
_COUNT = 3
_SLEEPING = {35, 230}  # asm/unistd_64.h: nanosleep, clock_nanosleep


class OurContext(RunContext):
    """Not below /tare: whoever cleans up after a run must not meet a test's groups."""

    __slots__ = ()

    @property
    def cgroup(self) -> str:
        return f"tare-test-calibration/{self.run_id}"


@pytest.fixture
def ground(tmp_path: Path) -> Iterator[Ground]:
    roots = Roots(tmp_path / "data", tmp_path / "run")
    context = OurContext(f"test-{os.getpid()}", roots)
    with ExitStack() as stack:
        stack.enter_context(run_directories(context))
        network = RunNetwork(context.run_id, 16)
        spec = WorkloadSpec(ensure_website(ImageStore(roots.data)), 128 << 20, 1.0, 256, 8080)
        made = Ground(context, network, spec)
        stack.callback(network.close)
        stack.callback(made.close)
        yield made


def in_a_network_of_its_own(body: Callable[[], None]) -> None:
    """Run it in a thread that has left the host's network, so that no name or address meets another's."""

    def leave() -> None:
        assert syscalls.raw(numbers()["unshare"], constants.CLONE_NEWNET) == 0
        body()

    with ThreadPoolExecutor(1) as pool:
        pool.submit(leave).result()


def jobs(ground: Ground, prefix: str, *, network: bool) -> list[Job]:
    return [Job(f"{prefix}{n}", ground.network.pool.acquire() if network else None) for n in range(_COUNT)]


@contextmanager
def counted(pid: int, report: Path) -> Iterator[Counter[str]]:
    """The calls that this process and its children make meanwhile."""
    found: Counter[str] = Counter()
    command = ["strace", "-f", "-qq", "-U", "name,calls", "-c", "-o", str(report), "-p", str(pid)]
    tracer = subprocess.Popen(command, stderr=subprocess.PIPE)
    while "TracerPid:\t0" in Path(f"/proc/{pid}/status").read_text():
        assert tracer.poll() is None, tracer.communicate()
        time.sleep(0.01)
    try:
        yield found
        # Each child has executed, and now does what its program does before it sleeps.
        assert eventually(lambda: all(map(sleeps, children(pid))))
    finally:
        tracer.send_signal(signal.SIGINT)
        tracer.communicate(timeout=30)
        rows = (line.split() for line in report.read_text().splitlines())
        found.update({row[0]: int(row[1]) for row in rows if row[-1].isdigit() and row[0] != "total"})


def children(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()


def sleeps(pid: str) -> bool:
    number = Path(f"/proc/{pid}/syscall").read_text().split()[0]
    return number.isdigit() and int(number) in _SLEEPING


@pytest.mark.parametrize("network", [False, True], ids=["alone", "connected"])
def test_the_floor_makes_the_same_calls(ground: Ground, tmp_path: Path, network: bool) -> None:
    def compare() -> None:
        ground.open()
        with ExitStack() as stack:
            tare, floor = Tare(ground, 1), Floor(ground)
            for peer in (tare, floor):
                stack.callback(peer.close)
                peer.open()
            first, ours, theirs = (jobs(ground, name, network=network) for name in ("first", "ours", "floor"))
            stack.callback(tare.remove, [*first, *ours])
            stack.callback(floor.remove, theirs)
            tare.launch(first, 1)  # which compiles the program
            with counted(tare._launchers[0].pid, tmp_path / "ours") as made:
                tare.launch(ours, 1)
            lane = floor.load(theirs)
            with counted(lane.pid, tmp_path / "floor") as expected:
                lane.begin()
                assert len(lane.times_ns()) == _COUNT
            for name in _OURS:
                del made[name]
            # A line in, the script out of memory, and the times out; at their end both processes wait for more.
            expected.subtract({"read": 1, "munmap": 1, "write": 1})
            assert +made == +expected
            assert made["clone3"] == _COUNT

    in_a_network_of_its_own(compare)


@pytest.mark.parametrize("network", [False, True], ids=["alone", "connected"])
def test_what_is_made_ahead_is_what_the_container_gets(ground: Ground, network: bool) -> None:
    def check() -> None:
        ground.open()
        with ExitStack() as stack:
            pool = TarePool(ground, 1)
            stack.callback(pool.close)
            pool.open()
            several = jobs(ground, "pool", network=network)
            stack.callback(pool.remove, several)
            pool.stock(several, 1)
            assert len(links()) == (_COUNT if network else 0)
            pool.launch(several, 1)
            assert len(links()) == (_COUNT if network else 0)
            pids = children(pool._launchers[0].pid)
            namespaces = {str(Path(f"/proc/{pid}/ns/net").readlink()) for pid in (*pids, "thread-self")}
            assert len(namespaces) == _COUNT + 1
            for job, pid in zip(several, pids, strict=True):
                addresses = Path(f"/proc/{pid}/net/fib_trie").read_text()
                assert job.address is None or job.address.address in addresses
            pool.remove(several)
            wait_until_released("released")
            assert links() == []

    in_a_network_of_its_own(check)


def links() -> list[str]:
    """The near ends of containers' links."""
    rows = Path("/proc/thread-self/net/dev").read_text().splitlines()[2:]
    return [name for row in rows if (name := row.partition(":")[0].strip()).startswith("tarev")]


def test_a_launch_on_the_floor_that_fails_says_where(ground: Ground) -> None:
    def check() -> None:
        ground.open()
        floor = Floor(ground)
        floor.open()
        (job, *_) = jobs(ground, "twice", network=False)
        try:
            floor.launch([job], 1)
            with pytest.raises(WorkloadError, match=r"^launch on the floor: make directory: file exists$"):
                floor.launch([job], 1)
        finally:
            floor.remove([job])
            floor.close()

    in_a_network_of_its_own(check)


def test_the_floor_is_compiled_once(tmp_path: Path) -> None:
    program = compile_floor(tmp_path)
    before = program.stat()
    assert compile_floor(tmp_path) == program
    assert program.stat() == before
    assert subprocess.run([program], capture_output=True, check=False).returncode == 2

"""One prepared driver of each kind, on a real host where it needs one, for the contract tests."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bench.context import Roots, RunContext, run_directories
from bench.drivers.container import ContainerDriver
from bench.drivers.network import RunNetwork
from bench.drivers.process import ProcessDriver
from bench.drivers.vm import VmDriver
from tests.support.command import DATA, wait_for_host
from tests.support.fake import FakeDriver
from tests.support.images import website_spec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bench.workload import Driver, Instance, WorkloadSpec

_CAPACITY = 8


@dataclass(frozen=True, slots=True)
class Kind:
    """A driver, how to make one like it that is not prepared, and how to end an instance behind its back."""

    name: str
    driver: Driver
    fresh: Callable[[], Driver]
    end: Callable[[Instance], None]
    spec: WorkloadSpec


@contextmanager
def prepared(name: str, data: Path) -> Iterator[Kind]:
    """Prepared, with run directories of the test's own; images, layers and guests are the host's cache."""
    with ExitStack() as stack:
        if name == "fake":
            made = Kind(name, FakeDriver(), FakeDriver, _end_fake, website_spec(data))
        else:
            made = stack.enter_context(_OnHost(name))
        stack.callback(made.driver.close)
        made.driver.prepare(made.spec)
        yield made


class _OnHost:
    """A driver on the host, with the bridges that it needs."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._stack = ExitStack()

    def __enter__(self) -> Kind:
        if self._name != "process":
            wait_for_host()  # the bridges' names are those of a run
        # Not below pytest's own: QEMU does not run as root and has to reach its console, by a path of few characters.
        run = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="tare-")))
        run.chmod(0o711)
        context = RunContext(f"contract-{os.getpid()}", Roots(DATA, run))
        network = RunNetwork(context.run_id, _CAPACITY)
        self._stack.enter_context(run_directories(context))
        self._stack.callback(network.close)

        def fresh() -> Driver:
            return _driver(self._name, context, network)

        end = _end_machine if self._name == "vm" else _end_launched
        return Kind(self._name, fresh(), fresh, end, website_spec(DATA))

    def __exit__(self, *_: object) -> None:
        self._stack.close()


def _driver(name: str, context: RunContext, network: RunNetwork) -> Driver:
    if name == "process":
        return ProcessDriver(context)
    if name == "container":
        return ContainerDriver(context, network)
    return VmDriver(context, network)


def _end_fake(instance: Instance) -> None:
    instance.die()  # type: ignore[attr-defined]


def _end_launched(instance: Instance) -> None:
    """Whatever answers at the instance's address is killed, found as an operator would find it."""
    for pid in serving(instance):
        os.kill(pid, signal.SIGKILL)


def _end_machine(instance: Instance) -> None:
    for pid in pids_with(f"guest={instance.name},"):
        os.kill(pid, signal.SIGKILL)


def serving(instance: Instance) -> list[int]:
    """Processes of the host that are this instance's: in its group, or listening on its loopback address."""
    grouped = [
        int(entry.name)
        for entry in Path("/proc").iterdir()
        if entry.name.isdigit() and f"/{instance.name}\n" in _text(entry / "cgroup")
    ]
    return grouped or pids_with(f"{instance.endpoint.host}:{instance.endpoint.port}")


def pids_with(word: str) -> list[int]:
    """Processes that have this in their command line."""
    listed = subprocess.run(["ps", "-ww", "-eo", "pid=,args="], capture_output=True, text=True, check=True).stdout
    rows = [line.split(None, 1) for line in listed.splitlines() if word in line]
    return [int(row[0]) for row in rows if len(row) == 2 and "ps -ww" not in row[1]]


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""

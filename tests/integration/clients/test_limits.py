"""What a container may use: memory with a real OOM kill, processes, processor time, and changes of all that."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.support.engine import Engine

pytestmark = [pytest.mark.root, pytest.mark.engines, pytest.mark.slow]

MIB = 1 << 20
MEMORY = ("memory.limit_in_bytes", "memory.max")
PIDS = ("pids.max", "pids.max")
_HUNGRY = "dd if=/dev/zero of=/dev/null bs=256M count=1"


def cpu(text: str) -> float:
    """Processors, of what ``cpu.max`` or ``cpu.cfs_quota_us`` with the usual period says."""
    return int(text.split(maxsplit=1)[0]) / 100_000


def test_memory(engine: Engine) -> None:
    with engine.container(options=("--memory", "64m")) as container:
        assert int(container.group(*MEMORY)) == 64 * MIB


def test_out_of_memory(engine: Engine) -> None:
    """The kernel kills the first process."""
    with engine.container(*_HUNGRY.split(), options=("--memory", "32m")) as container:
        assert container.wait() == 137


def test_out_of_memory_is_told(engine: Engine) -> None:
    """Also of a further process. podman 4.3 does not find what conmon 2.1.6 notes of it."""
    # On version 1 the shim begins to listen after the start.
    script = f"sleep 1; {_HUNGRY}; code=$?; sleep 0.5; exit $code"
    with engine.container("sh", "-c", script, options=("--memory", "32m")) as container:
        assert container.wait() == 137
        assert container.inspect("{{.State.OOMKilled}}") == str(engine.is_docker).lower()


def test_enough_memory(engine: Engine) -> None:
    engine.run(*_HUNGRY.replace("256M", "8M").split(), options=("--memory", "64m"))


def test_pids_limit(engine: Engine) -> None:
    script = "for n in 1 2 3 4 5 6 7 8 9; do sleep 1000 & done; echo all"
    with engine.container("sh", "-c", f"({script}); sleep 1000", options=("--pids-limit", "6")) as container:
        assert container.group(*PIDS) == "6"
    done = engine.run("sh", "-c", script, options=("--pids-limit", "6"), code=2)
    assert "can't fork" in done.stderr


def test_cpus(engine: Engine) -> None:
    with engine.container(options=("--cpus", "0.5")) as container:
        assert cpu(container.group("cpu.cfs_quota_us", "cpu.max")) == 0.5


def test_cpuset(engine: Engine) -> None:
    assert engine.shell("grep Cpus_allowed_list /proc/self/status", "--cpuset-cpus", "0").split()[1] == "0"


def test_cpu_shares(engine: Engine) -> None:
    with engine.container(options=("--cpu-shares", "512")) as container:
        # On version 2: 1 + (512 - 2) * 9999 / 262142, as the runtime specification's authors convert.
        assert container.group("cpu.shares", "cpu.weight") in {"512", "20"}


def test_update(engine: Engine) -> None:
    with engine.container(options=("--memory", "64m", "--memory-swap", "64m")) as container:
        engine("update", "--memory", "96m", "--memory-swap", "96m", "--cpus", "0.25", container.name)
        assert int(container.group(*MEMORY)) == 96 * MIB
        assert cpu(container.group("cpu.cfs_quota_us", "cpu.max")) == 0.25
        assert container.status == "running"


def test_update_down_and_up(engine: Engine) -> None:
    with engine.container() as container:
        for mib in (64, 32, 128):
            engine("update", "--memory", f"{mib}m", "--memory-swap", f"{mib}m", container.name)
            assert int(container.group(*MEMORY)) == mib * MIB


def test_update_of_pids(docker: Engine) -> None:
    """podman 4.3 has no such option."""
    with docker.container() as container:
        docker("update", "--pids-limit", "33", container.name)
        assert container.group(*PIDS) == "33"


def test_limits_hold_for_exec(engine: Engine) -> None:
    with engine.container(options=("--memory", "32m")) as container:
        container.exec(*_HUNGRY.split(), code=137)
        assert container.status == "running"


def test_memory_reservation_and_period(engine: Engine) -> None:
    options = ("--memory-reservation", "32m", "--cpu-period", "50000", "--cpu-quota", "20000")
    with engine.container(options=options) as container:
        assert int(container.group("memory.soft_limit_in_bytes", "memory.low")) == 32 * MIB
        assert container.group("cpu.cfs_quota_us", "cpu.max").split()[0] == "20000"

"""What all tests share: where the repository is, and which tests may skip on which host.

A test says what it needs of the host by a marker: ``root``, ``vm``, ``browser`` and ``engines`` name what set-up or
the caller provides, ``needs("…")`` names what no set-up can give, one of `CAPABILITIES`. A test that lacks what it
needs skips. Under ``CI=true`` it may skip only for a lack that a probe of `CAPABILITIES` has found: any other skip is a
failure.

A test that works on the real kernel shares it with whatever else the host does. If it fails, it is run once more, and
the summary names it; a failure that is ours fails twice.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

ROOT = Path(__file__).resolve().parents[1]
PROVED = pytest.StashKey[bool]()


def _distribution(field: str = "ID") -> str:
    lines = Path("/etc/os-release").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line).get(field, "").strip('"')


def _others_may_read(path: Path) -> bool:
    return all(directory.stat().st_mode & 0o5 == 0o5 for directory in (path, *path.parents))


def _version_1_control_groups() -> bool:
    return Path("/sys/fs/cgroup/memory/release_agent").exists()


def _root_may_open_its_disk() -> bool:
    disk = Path("/").stat().st_dev
    try:
        os.close(os.open(f"/dev/block/{os.major(disk)}:{os.minor(disk)}", os.O_RDONLY))
    except OSError:
        return False
    return True


def _qemu_and_libvirt() -> bool:
    return shutil.which("qemu-system-x86_64") is not None and importlib.util.find_spec("libvirt") is not None


def _controls(name: str) -> bool:
    """Whether a controller is mounted that only version 1 has; version 2 has programs (bpf(2)) for devices."""
    lines = Path("/proc/self/mounts").read_text().splitlines()
    kinds = [line.split()[2] for line in lines]
    mounted = any(line.split()[2] == "cgroup" and name in line.split()[3].split(",") for line in lines)
    return mounted or (name == "devices" and "cgroup2" in kinds and "cgroup" not in kinds)


def _engines() -> bool:
    return all(shutil.which(name, path="/usr/sbin:/usr/bin") for name in ("buildah", "ctr", "dockerd", "podman"))


# What a host has or has not, whatever is installed on it.
CAPABILITIES: dict[str, Callable[[], bool]] = {
    "packaged chromium": lambda: _distribution() == "debian",
    "the container engines of Debian 12": lambda: _distribution() + _distribution("VERSION_ID") == "debian12",
    "a root disk that root may open": _root_may_open_its_disk,
    "a checkout that other users may read": lambda: _others_may_read(ROOT),
    "version 1 of control groups": lambda: Path("/sys/fs/cgroup/memory/memory.stat").exists(),
    "version 2 of control groups alone": lambda: Path("/sys/fs/cgroup/cgroup.controllers").exists(),
    "version 2 beside version 1 of control groups": lambda: Path("/sys/fs/cgroup/unified/cgroup.procs").exists(),
    "a devices cgroup": lambda: _controls("devices"),
    "no systemd": lambda: not Path("/run/systemd/system").exists(),
    "memory policies": lambda: Path("/proc/self/numa_maps").exists(),
}

# What set-up or the caller provides: marker, what to ask, what to do about it.
PROVISIONS: dict[str, tuple[Callable[[], bool], str]] = {
    "root": (lambda: os.geteuid() == 0, "needs root"),
    "vm": (_qemu_and_libvirt, "needs QEMU and libvirt"),
    "browser": (lambda: shutil.which("chromium") is not None, "needs chromium"),
    "engines": (_engines, "needs docker, containerd, podman and buildah"),
}
# What of a host a marker implies.
IMPLIED = {"browser": "packaged chromium", "engines": "the container engines of Debian 12"}


# Markers of tests that others on the host can disturb; outside of tests/unit, all are.
SHARING = ("root", "vm", "browser", "engines")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "unit" not in item.path.parts or any(item.get_closest_marker(marker) for marker in SHARING):
            item.add_marker(pytest.mark.flaky(reruns=1, reruns_delay=2))


def pytest_runtest_setup(item: pytest.Item) -> None:
    needed = [str(name) for marker in item.iter_markers("needs") for name in marker.args]
    needed += [name for marker, name in IMPLIED.items() if item.get_closest_marker(marker)]
    for name in needed:
        if not CAPABILITIES[name]():
            item.stash[PROVED] = True
            pytest.skip(f"cannot run here: the host lacks {name}")
    for marker, (provided, reason) in PROVISIONS.items():
        if item.get_closest_marker(marker) and not provided():
            pytest.skip(reason)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if not item.stash.get(PROVED, False) and not hasattr(report, "wasxfail"):
        _forbid_skip(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    _forbid_skip(report)
    return report


def _forbid_skip(report: pytest.TestReport | pytest.CollectReport) -> None:
    """Under CI, a test that could have run has to run."""
    if report.skipped and os.environ.get("CI") == "true":
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"skipped under CI, where everything must run: {reason}"


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of the checkout."""
    return ROOT

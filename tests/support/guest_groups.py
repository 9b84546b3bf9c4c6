"""Runs inside a guest, as its process: tests of control groups, on version 2. Prints a line of findings, as JSON."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

TESTS = "/tare/tests/integration"


class Findings:
    """How each test ended, and why."""

    def __init__(self) -> None:
        self.passed: list[str] = []
        self.others: dict[str, str] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Called by pytest after set-up, the test itself and tear-down."""
        name = report.nodeid.rpartition("::")[2]
        if not report.passed:
            self.others[name] = f"{report.outcome} in {report.when}: {report.longreprtext[-1000:]}"
        elif report.when == "call":
            self.passed.append(name)


def main() -> None:
    """Mount what a host would have mounted, and test."""
    os.environ["PATH"] = "/image/bin"
    subprocess.run(("busybox", "mount", "-t", "cgroup2", "cgroup2", "/sys/fs/cgroup"), check=True)
    found = Findings()
    options = (
        "-c",
        "/dev/null",
        "--rootdir=/tare",
        "--noconftest",
        "-p",
        "no:cacheprovider",
        "--import-mode=importlib",
    )
    pytest.main([*options, "-q", "--color=no", "--tb=short", TESTS], plugins=[found])
    answer = {"passed": found.passed, "others": found.others}
    sys.stdout.write(f"\nFOUND {json.dumps(answer)}\n")
    sys.stdout.flush()


main()

"""`bench --help` answers at once: what is heavy is imported by the functions that use it."""

from __future__ import annotations

import re
import subprocess
import sys

HEAVY = {"gevent", "jinja2", "libvirt", "locust", "numpy", "pandas", "plotly", "pyroute2", "rich", "scipy"}


def imported_by(code: str) -> set[str]:
    """Top-level modules that an interpreter of its own imports to run the code."""
    command = [sys.executable, "-X", "importtime", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return {name.split(".")[0] for name in re.findall(r"^import time:.*\| +(\S+)$", done.stderr, re.MULTILINE)}


def test_help_loads_nothing_heavy() -> None:
    loaded = imported_by("import sys; sys.argv = ['bench', '--help']; from bench.cli.main import main; main()")
    assert "click" in loaded
    assert loaded & HEAVY == set()


def test_what_is_heavy_would_be_seen() -> None:
    assert "numpy" in imported_by("import numpy.linalg")

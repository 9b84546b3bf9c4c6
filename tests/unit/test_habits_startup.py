"""Commands answer at once: what is heavy is imported by the functions that use it."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from tests.conftest import ROOT

HEAVY = {"gevent", "jinja2", "libvirt", "locust", "numpy", "pandas", "plotly", "pyroute2", "rich", "scipy"}
# What of the standard library costs a cold command more than it can afford: tens of percent of the start of Python.
SLOW = {
    "argparse", "ast", "dataclasses", "enum", "getopt", "inspect", "json", "logging", "pathlib", "pickle", "re",
    "shutil", "signal", "socket", "subprocess", "tempfile", "tomllib", "typing",
}  # fmt: skip


def imported_by(code: str, *options: str) -> set[str]:
    """Top-level modules that an interpreter of its own imports to run the code."""
    command = [sys.executable, *options, "-X", "importtime", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return {name.split(".")[0] for name in re.findall(r"^import time:.*\| +(\S+)$", done.stderr, re.MULTILINE)}


def test_help_loads_nothing_heavy() -> None:
    loaded = imported_by("import sys; sys.argv = ['bench', '--help']; from bench.cli.main import main; main()")
    assert "click" in loaded
    assert loaded & HEAVY == set()


@pytest.mark.parametrize("modules", ["lifecycle, runtime.cli.foreground", "process", "inspect", "control"])
def test_the_oci_command_line_loads_nothing_slow(modules: str) -> None:
    """With everything that creating and starting a container takes."""
    code = f"import sys; sys.path.append({str(ROOT)!r}); import runtime.cli.oci, runtime.cli.verbs.{modules}"
    loaded = imported_by(code, "-I", "-S")
    assert "runtime" in loaded
    assert loaded & (HEAVY | SLOW) == set()


def test_what_is_heavy_would_be_seen() -> None:
    assert "numpy" in imported_by("import numpy.linalg")
    assert {"re", "enum"} <= imported_by("import json", "-I", "-S")

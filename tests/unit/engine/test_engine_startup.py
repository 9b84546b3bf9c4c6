"""Commands that make containers answer at once: what they import is little."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from tests.conftest import ROOT

# What costs a cold command more than all of the engine; each is imported by the function that needs it.
SLOW = {
    "argparse", "asyncio", "contextlib", "dataclasses", "datetime", "email", "enum", "hashlib", "http", "inspect",
    "json", "logging", "msgspec", "pathlib", "pyroute2", "re", "shutil", "signal", "socket", "ssl", "subprocess",
    "tarfile", "tempfile", "tomllib", "typing", "urllib", "urllib3", "yaml", "zstandard",
}  # fmt: skip


def imported_by(code: str) -> set[str]:
    """All modules that an interpreter of its own imports to run the code."""
    prepared = f"import sys; sys.path.append({str(ROOT)!r}); {code}"
    command = [sys.executable, "-I", "-S", "-X", "importtime", "-c", prepared]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return set(re.findall(r"^import time:.*\| +(\S+)$", done.stderr, re.MULTILINE))


@pytest.mark.parametrize(
    "modules",
    ["engine", "creation", "lifecycle", "removal", "cards", "mounts", "container", "states", "changing", "attaching",
     "execution", "inspection", "volumes", "events"],
)  # fmt: skip
def test_nothing_slow_is_imported(modules: str) -> None:
    loaded = imported_by(f"import runtime.engine.{modules}")
    assert f"runtime.engine.{modules}" in loaded
    assert {name.partition(".")[0] for name in loaded} & SLOW == set()


def test_a_list_of_containers_needs_neither_images_nor_networks() -> None:
    code = "from runtime.engine.engine import Engine; [one.ports for one in Engine('/nothing/here').containers.list()]"
    loaded = imported_by(code)
    assert not any(name.startswith(("runtime.image", "runtime.network", "runtime.supervision")) for name in loaded)
    assert {name.partition(".")[0] for name in loaded} & SLOW == set()

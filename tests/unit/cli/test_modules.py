"""The file of compiled modules: used as long as it is current, made anew otherwise, and never needed."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.conftest import ROOT

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of the runtime that tests may change."""
    ignore = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "runtime", tmp_path / "runtime", ignore=ignore)
    return tmp_path


def version(checkout: Path) -> str:
    command = [str(checkout / "runtime/cli/tare-runtime"), "--version"]
    return subprocess.run(command, capture_output=True, text=True, check=True, cwd="/").stdout


def modules(checkout: Path) -> Path:
    (found,) = (checkout / "runtime/__pycache__").glob("*.modules")
    return found


def test_the_first_command_makes_it_and_the_second_uses_it(checkout: Path) -> None:
    first = version(checkout)
    made = modules(checkout).stat()
    assert version(checkout) == first
    assert modules(checkout).stat().st_mtime_ns == made.st_mtime_ns


def test_a_changed_source_is_noticed_at_once(checkout: Path) -> None:
    before = version(checkout)
    source = checkout / "runtime/__init__.py"
    source.write_text(source.read_text().replace('VERSION = "', 'VERSION = "99.'))
    assert "99." not in before
    assert "99." in version(checkout)
    assert "99." in version(checkout)


def test_a_copy_uses_its_own_sources(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    version(checkout)
    copy = tmp_path_factory.mktemp("copy") / "checkout"
    shutil.copytree(checkout, copy)  # with the times of its files
    source = checkout / "runtime/__init__.py"
    source.write_text(source.read_text().replace('VERSION = "', 'VERSION = "99.'))
    assert "99." not in version(copy)
    source.unlink()
    assert "99." not in version(copy)


@pytest.mark.parametrize("content", [b"", b"nonsense", b"\xe3"])
def test_a_damaged_file_is_no_matter(checkout: Path, content: bytes) -> None:
    before = version(checkout)
    modules(checkout).write_bytes(content)
    assert version(checkout) == before
    assert modules(checkout).stat().st_size > 1000


@pytest.mark.root
def test_it_works_where_nothing_can_be_written(checkout: Path) -> None:
    script = f"mount --bind {checkout} {checkout}; mount -o remount,ro,bind {checkout}; exec {checkout}/runtime/cli/$0"
    command = ["unshare", "-m", "sh", "-c", f"{script} --version", "tare-runtime"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("tare-runtime version")
    assert not list((checkout / "runtime").glob("**/*.modules*"))


def test_no_half_written_file_is_left(checkout: Path) -> None:
    running = [subprocess.Popen([str(checkout / "runtime/cli/tare-runtime"), "--version"], stdout=-3) for _ in range(4)]
    assert [process.wait() for process in running] == [0, 0, 0, 0]
    names = os.listdir(checkout / "runtime/__pycache__")
    assert [name for name in names if ".modules" in name] == [modules(checkout).name]

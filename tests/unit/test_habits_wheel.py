"""What is installed is the four packages, all of them, and nothing else."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

PACKAGES = {"runtime", "hypervisor", "bench", "reports"}
METADATA = ("pyproject.toml", "README.md", "LICENSE")


@pytest.fixture(scope="module")
def tree(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the repository: a build leaves a folder behind."""
    copy = tmp_path_factory.mktemp("tree") / "tare"
    ignore = shutil.ignore_patterns(".git", ".venv", "runs", "build", "dist", "*.egg-info", "*_cache", "__pycache__")
    return shutil.copytree(repository, copy, ignore=ignore, symlinks=True)


@pytest.fixture(scope="module")
def wheel(tree: Path) -> set[str]:
    """The names in the wheel."""
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*command, "--wheel-dir", str(tree / "dist"), str(tree)], check=True, stderr=subprocess.DEVNULL)
    (built,) = (tree / "dist").glob("tare-*.whl")
    with zipfile.ZipFile(built) as archive:
        return set(archive.namelist())


@pytest.mark.slow
def test_the_wheel_holds_the_four_packages(wheel: set[str]) -> None:
    folders = {name.split("/")[0] for name in wheel if ".dist-info/" not in name}
    assert folders == PACKAGES


@pytest.mark.slow
def test_the_wheel_holds_every_file_of_them(tree: Path, wheel: set[str]) -> None:
    files = {str(path.relative_to(tree)) for name in PACKAGES for path in (tree / name).rglob("*") if path.is_file()}
    assert {name for name in files if "/__pycache__/" not in name} <= wheel

"""Habits of the whole tree that no linter knows."""

from __future__ import annotations

import ast
import os
import re
import shutil
import statistics
import subprocess
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PACKAGES = ("runtime", "hypervisor", "bench", "reports")
NOT_OURS = re.compile(r"\.git|\.venv|runs|build|dist|__pycache__|.*\.egg-info|\.[a-z_]+_cache|\.hypothesis")
LONGEST_FUNCTION = 60
MEDIAN_FUNCTION = 12

# Where packages come from is the business of the user's own configuration, and where we were written is nobody's.
# (Written as patterns, these lines do not match themselves.)
FORBIDDEN = (
    r"pypi\.org",
    r"pythonhosted\.org",
    r"(?:deb|security|ftp[.\w]*)\.debian\.org",
    r"archive\.ubuntu\.com",
    r"npmjs\.(?:org|com)",
    r"(?:index[-]url|find[-]links|trusted[-]host)",
    r"/home/[a-z]\w*/",
    r"[.]pyenv",
)


def ours(directory: Path) -> Iterator[Path]:
    """Every file of the tree that is not made by a tool."""
    for entry in sorted(directory.iterdir()):
        if NOT_OURS.fullmatch(entry.name):
            continue
        if entry.is_dir():
            yield from ours(entry)
        elif entry.is_file():
            yield entry


def forbidden_in(text: str, patterns: tuple[str, ...]) -> list[str]:
    return [match.group() for pattern in patterns for match in re.finditer(pattern, text)]


def test_no_file_names_a_package_server_or_a_place_of_one_machine(repository: Path) -> None:
    place = rf"(?<![\w./-]){re.escape(str(repository))}(?![\w-])"
    texts = {path: path.read_bytes().decode(errors="replace") for path in ours(repository)}
    found = {str(path): hits for path, text in texts.items() if (hits := forbidden_in(text, (*FORBIDDEN, place)))}
    assert found == {}
    assert len(texts) > 20


@pytest.mark.parametrize("text", ["https://pypi" + ".org/simple", "--index" + "-url x", "cd /home" + "/kim/tare"])
def test_the_patterns_find_what_they_forbid(text: str) -> None:
    assert forbidden_in(text, FORBIDDEN)


def functions(root: Path, folders: tuple[str, ...]) -> dict[str, int]:
    """Lines of every function, signature and docstring included, by its place."""
    lengths = {}
    for path in (path for folder in folders for path in sorted((root / folder).rglob("*.py"))):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                place = f"{path.relative_to(root)}:{node.lineno} {node.name}"
                lengths[place] = (node.end_lineno or 0) - node.lineno + 1
    return lengths


def test_no_function_is_long(repository: Path) -> None:
    lengths = functions(repository, (*PACKAGES, "tests"))
    assert {place: lines for place, lines in lengths.items() if lines > LONGEST_FUNCTION} == {}


def test_half_of_the_functions_are_short(repository: Path) -> None:
    assert statistics.median(functions(repository, PACKAGES).values()) < MEDIAN_FUNCTION


def test_every_package_folder_says_what_it_is(repository: Path) -> None:
    folders = {path.parent for name in PACKAGES for path in (repository / name).rglob("*.py")}
    silent = [str(folder) for folder in folders if not ast.get_docstring(ast.parse(_init_of(folder)))]
    assert silent == []


def _init_of(folder: Path) -> str:
    init = folder / "__init__.py"
    return init.read_text() if init.exists() else ""


def shell_scripts(root: Path) -> list[Path]:
    def is_shell(path: Path) -> bool:
        with path.open("rb") as file:
            return re.match(rb"#!\s*/\S*/(?:env\s+)?(?:ba|da|busybox )?sh\b", file.readline()) is not None

    return [path for path in ours(root) if path.suffix == ".sh" or is_shell(path)]


def test_shell_scripts_parse(repository: Path) -> None:
    scripts = shell_scripts(repository)
    broken = [done.stderr for script in scripts if (done := _run("bash", "-n", str(script))).returncode]
    assert broken == []
    assert {"run", ".ci/run"} <= {str(script.relative_to(repository)) for script in scripts}


@pytest.mark.skipif(shutil.which("shellcheck") is None, reason="needs shellcheck")
def test_shell_scripts_pass_shellcheck(repository: Path) -> None:
    # Debian 12's shellcheck does not know busybox's shell and takes it for another.
    scripts = [path for path in shell_scripts(repository) if "busybox" not in path.read_text().split("\n", 1)[0]]
    done = _run("shellcheck", "--norc", *map(str, scripts))
    assert done.stdout == ""


def _run(*argv: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(argv, capture_output=True, text=True, check=False, env={**os.environ, "LC_ALL": "C.UTF-8"})


def test_the_changelog_has_a_section_for_this_version(repository: Path) -> None:
    headings = re.findall(r"^## \[?(\S+?)\]?(?: |$)", (repository / "CHANGELOG.md").read_text(), re.MULTILINE)
    version = re.findall(r'^version = "(.+)"', (repository / "pyproject.toml").read_text(), re.MULTILINE)
    assert {"Unreleased", *version} & set(headings)

"""``tare build`` as users call it."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.integration.build.conftest import BASE

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.build.conftest import Builder

pytestmark = pytest.mark.root

_MAIN = "import sys; from runtime.tare.main import main; sys.exit(main())"


def tare(builder: Builder, *words: str, code: int = 0) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"FROM_CALLER": "seen"}
    command = [sys.executable, "-c", _MAIN, "--root", str(builder.root), *words]
    done = subprocess.run(command, check=False, capture_output=True, text=True, env=environment, cwd=os.getcwd())
    assert done.returncode == code, done.stdout + done.stderr
    return done


def test_flags(builder: Builder, tmp_path: Path) -> None:
    builder.write(Other=f"FROM {BASE}\nARG FROM_CALLER\nARG B\nRUN echo $FROM_CALLER $B > /x\n")
    done = tare(builder, "build", "-q", "-t", "one", "-t", "two:2", "--build-arg", "FROM_CALLER",
                "--build-arg", "B=b c", "--label", "k=v", "--network", "none", "--iidfile", str(tmp_path / "id"), "-f",
                str(builder.context / "Other"), str(builder.context))  # fmt: skip
    digest = builder.store.resolve("one").digest
    assert done.stdout == f"{digest}\n"
    assert (tmp_path / "id").read_text() == digest == builder.store.resolve("two:2").digest
    assert builder.store.resolve("one").config.labels == {"base": "yes", "k": "v"}


def test_a_failure_is_one_line_and_the_commands_code(builder: Builder) -> None:
    builder.write(Dockerfile=f"FROM {BASE}\nRUN echo said >&2; exit 3\n")
    done = tare(builder, "build", "--network=none", str(builder.context), code=3)
    assert done.stderr == (
        "tare: Dockerfile:2: RUN: The command '/bin/sh -c echo said >&2; exit 3' returned a non-zero code: 3\n"
    )
    assert "said\n" in done.stdout

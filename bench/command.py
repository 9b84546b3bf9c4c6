"""Our own engine's command, as the benchmark starts it: the one that belongs to this program."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import runtime

_PACKAGE = Path(runtime.__file__).parent


def tare_command() -> tuple[str, ...]:
    """What to put before the verb; whatever else is called tare on the PATH is not meant."""
    program = _PACKAGE / "tare" / "tare"
    # In a checkout it finds what is not our own in the environment beside the package; elsewhere we have to be asked.
    if os.access(program, os.X_OK) and (_PACKAGE.parent / ".venv").exists():
        return (str(program),)
    return sys.executable, "-c", "from runtime.tare.main import main; main()"


def tare_environment(root: Path) -> dict[str, str]:
    """For an engine with this root directory."""
    path = os.pathsep.join(filter(None, (str(_PACKAGE.parent), os.environ.get("PYTHONPATH", ""))))
    return {**os.environ, "TARE_ROOT": str(root), "PYTHONPATH": path}

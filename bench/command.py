"""Our own engine's command, as the benchmark starts it: the one that belongs to this program."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import runtime


def tare_command() -> tuple[str, ...]:
    """What to put before the verb; whatever else is called tare on the PATH is not meant."""
    return sys.executable, "-c", "from runtime.tare.main import main; main()"


def tare_environment(root: Path) -> dict[str, str]:
    """For an engine with this root directory."""
    home = str(Path(runtime.__file__).parents[1])
    path = os.pathsep.join(filter(None, (home, os.environ.get("PYTHONPATH", ""))))
    return {**os.environ, "TARE_ROOT": str(root), "PYTHONPATH": path}

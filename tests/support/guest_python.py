"""A layer for a guest that runs this Python, the runtime of this tree, and a script of the tests."""

from __future__ import annotations

import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING

import runtime

if TYPE_CHECKING:
    from collections.abc import Iterable

LEFT_OUT = shutil.ignore_patterns(
    "test", "tests", "idlelib", "tkinter", "lib2to3", "ensurepip", "turtledemo", "config-*", "*-packages", "pydoc_data"
)
LIBSECCOMP = "libseccomp.so.2"
INTERPRETER = Path(sys.executable).resolve()
PLACE = "tare"
"""Where in the layer the runtime is, and what the tests bring."""


def copy_into(layer: Path, file: Path) -> None:
    """To the same place as on this host."""
    target = layer / str(file).lstrip("/")
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(file, target)


def libraries(*programs: Path) -> set[Path]:
    """What the dynamic loader finds for them."""
    listing = subprocess.run(("ldd", *programs), capture_output=True, text=True, check=True).stdout
    words = (word for line in listing.splitlines() for word in line.split())
    return {Path(word) for word in words if word.startswith("/") and not word.endswith(":")}


def python_layer(layer: Path, script: Path, applets: Iterable[str]) -> Path:
    """This Python, its library, libseccomp, our runtime, and an image of busybox in ``image``."""
    modules = Path(sysconfig.get_path("stdlib"))
    shutil.copytree(modules, layer / str(modules).lstrip("/"), ignore=LEFT_OUT, symlinks=True)
    cache = subprocess.run(("ldconfig", "-p"), capture_output=True, text=True, check=True).stdout
    seccomp = Path(next(line.split(" => ")[1] for line in cache.splitlines() if line.strip().startswith(LIBSECCOMP)))
    extensions = sorted((modules / "lib-dynload").glob("*.so"))
    for file in {INTERPRETER, seccomp, *libraries(INTERPRETER, seccomp, *extensions)}:
        copy_into(layer, file)
    package = Path(runtime.__file__).parent
    shutil.copytree(package, layer / PLACE / "runtime", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy2(script, layer / PLACE / script.name)
    image = layer / "image/bin"
    image.mkdir(parents=True)
    shutil.copy2("/bin/busybox", image)
    for applet in applets:
        (image / applet).symlink_to("busybox")
    for directory in ("run", "sys", "proc", "dev", "tmp"):
        (layer / directory).mkdir()
    return layer


def argv_of(script: Path) -> tuple[str, ...]:
    """What the guest executes: the script, as a module beside the runtime."""
    return (str(INTERPRETER), "-I", "-c", f"import sys; sys.path.insert(0, '/{PLACE}'); import {script.stem}")

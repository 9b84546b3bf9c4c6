"""Which kernel modules a guest needs, and in which order they load (modules.dep(5))."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypervisor.errors import GuestError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

# The devices of our domains, and the file systems that make the root. What is built into the kernel is skipped.
GUEST_MODULES = (
    "virtio_pci",
    "virtio_blk",
    "virtio_net",
    "virtio_console",
    "virtio_balloon",
    "virtio_rng",
    "erofs",
    "overlay",
)


def module_name(path: str) -> str:
    """The name under which the kernel knows the file: dashes become underscores, suffixes go."""
    return path.rsplit("/", 1)[-1].split(".ko", 1)[0].replace("-", "_")


def read_dependencies(modules_dep: str) -> dict[str, tuple[str, ...]]:
    """Parse modules.dep: each module's path and the paths that it needs, the deepest last."""
    lines = (line.partition(":") for line in modules_dep.splitlines() if ":" in line)
    return {path: tuple(needs.split()) for path, _, needs in lines}


def load_order(names: Iterable[str], dependencies: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    """The paths to load for ``names``, each after what it needs; names without a file are left out."""
    by_name = {module_name(path): path for path in dependencies}
    ordered: dict[str, None] = {}
    for name in names:
        path = by_name.get(name)
        if path is not None:
            ordered.update(dict.fromkeys((*reversed(dependencies[path]), path)))
    return tuple(ordered)


def guest_modules(directory: Path, names: Iterable[str] = GUEST_MODULES) -> tuple[Path, ...]:
    """The module files below ``/lib/modules/VERSION`` to load for ``names``, in order."""
    try:
        dependencies = read_dependencies((directory / "modules.dep").read_text())
        built_in = {module_name(path) for path in (directory / "modules.builtin").read_text().split()}
    except OSError as error:
        raise GuestError(f"read the modules of {directory}: {error.strerror}") from error
    wanted = tuple(names)
    order = load_order(wanted, dependencies)
    found = built_in | {module_name(path) for path in order}
    missing = [name for name in wanted if name not in found]
    if missing:
        raise GuestError(f"the kernel of {directory} has no module {', '.join(missing)}")
    return tuple(directory / path for path in order)

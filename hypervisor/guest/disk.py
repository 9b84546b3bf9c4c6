"""The root disk: an image's flattened layers as an erofs file, shared read-only by all guests of the image."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

from hypervisor.errors import GuestError, HostLacks

if TYPE_CHECKING:
    from collections.abc import Sequence

# Part of the file's name: a change in how disks are made must not find those made before.
_FORMAT = 1
_NAMESPACE = uuid.UUID("6f2d3f0e-8f0b-4d53-9a0b-3b6c1f6d7a51")
# Flattening is the kernel's own union, the very one that a container of the image has: read-only, in a mount namespace
# that ends with the command. Layers are named by short links, since mount(2) takes one page of options; `empty` is
# there because an overlay without an upper directory wants two lower ones.
_SCRIPT = """\
set -e
mount -t overlay -o "ro,lowerdir=$1" overlay merged
exec mkfs.erofs --quiet -T0 -U "$2" disk merged
"""


def disk_path(data_root: Path, digest: str) -> Path:
    """Where the disk of the image with this manifest digest is kept."""
    return data_root / "guest" / "disks" / f"{digest.partition(':')[2]}.{_FORMAT}.erofs"


def build_disk(data_root: Path, digest: str, layers: Sequence[Path]) -> Path:
    """The disk of ``layers`` (the bottom one first); made once a digest. The same layers give the same bytes."""
    target = disk_path(data_root, digest)
    if target.is_file():
        return target
    if not layers:
        raise GuestError(f"make the root disk of {digest}: the image has no layers")
    if shutil.which("mkfs.erofs") is None:
        raise HostLacks("make a root disk: no mkfs.erofs on this host", hint="install erofs-utils")
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".build-") as name:
        work = Path(name)
        _flatten(work, digest, layers)
        disk = work / "disk"
        disk.chmod(0o644)
        disk.replace(target)
    return target


def _flatten(work: Path, digest: str, layers: Sequence[Path]) -> None:
    for folder in ("empty", "merged"):
        (work / folder).mkdir()
    for number, layer in enumerate(layers):
        (work / str(number)).symlink_to(layer.resolve())
    lowerdir = ":".join([*(str(number) for number in reversed(range(len(layers)))), "empty"])
    command = ["unshare", "--mount", "--propagation", "private", "sh", "-c", _SCRIPT, "sh"]
    command += [lowerdir, str(uuid.uuid5(_NAMESPACE, digest))]
    done = subprocess.run(command, cwd=work, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        words = done.stderr.strip().splitlines()
        raise GuestError(f"make the root disk of {digest}: {words[-1] if words else 'failed'}")

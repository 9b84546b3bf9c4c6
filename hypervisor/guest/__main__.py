"""``python -m hypervisor.guest [--update] [DATA_ROOT]``: fetch the kernel that guests boot, unless there is one."""

from __future__ import annotations

import sys
from pathlib import Path

from hypervisor.errors import HypervisorError
from hypervisor.guest.kernel import install_kernel

_DATA_ROOT = "/var/lib/tare"


def main(arguments: list[str]) -> int:
    """Fetch it and say which; 3 if the host cannot."""
    places = [argument for argument in arguments if argument != "--update"] or [_DATA_ROOT]
    try:
        kernel = install_kernel(Path(places[0]), update="--update" in arguments)
    except HypervisorError as error:
        sys.stderr.write(f"error: {error}\n" + (f"hint: {error.hint}\n" if error.hint else ""))
        return 3
    sys.stdout.write(f"kernel {kernel.version}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

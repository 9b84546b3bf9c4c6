"""The libvirt binding, loaded when it is first needed: a host that runs no virtual machines needs none of it."""

from __future__ import annotations

import os
from typing import Any

from hypervisor.errors import HostLacks


def load_libvirt() -> Any:
    """The module ``libvirt`` (which has no types); raises `HostLacks` where it or its library is missing."""
    # The embedded driver would log to stderr, into the middle of a progress display; its errors are raised anyway.
    os.environ.setdefault("LIBVIRT_LOG_OUTPUTS", "3:file:/dev/null")
    try:
        import libvirt
    except ImportError as error:
        raise HostLacks(f"import libvirt: {error}", hint="install libvirt0 and libvirt-python") from error
    return libvirt

"""Labels of security modules, where the kernel has them (runtime-spec, config.md, "Linux Process")."""

from __future__ import annotations

import os

from runtime.container.payload import Label
from runtime.spec.reader import SpecError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runtime.spec.execution import OciProcess
    from runtime.spec.linux import Linux

_APPARMOR = "/sys/module/apparmor/parameters/enabled"
_SELINUX = "/sys/fs/selinux/enforce"


def labels_for(process: OciProcess) -> tuple[Label, ...]:
    """What is to be written before the process executes; raises `SpecError` where the kernel lacks the module."""
    labels = []
    if process.apparmor_profile is not None:
        if not _is_enabled():
            raise SpecError("process.apparmorProfile", "this kernel has no AppArmor, or it is not enabled")
        labels.append(Label("apparmor/exec", f"exec {process.apparmor_profile}"))
    if process.selinux_label is not None:
        if not os.path.exists(_SELINUX):
            raise SpecError("process.selinuxLabel", "this kernel has no SELinux, or it is not enabled")
        labels.append(Label("exec", process.selinux_label))
    return tuple(labels)


def mount_label_of(linux: Linux) -> str | None:
    """The option by which a new filesystem has one label for all its files (mount(8), "context"); or `SpecError`."""
    if linux.mount_label is None:
        return None
    if not os.path.exists(_SELINUX):
        raise SpecError("linux.mountLabel", "this kernel has no SELinux, or it is not enabled")
    return f"context={linux.mount_label}"


def _is_enabled() -> bool:
    try:
        with open(_APPARMOR, encoding="ascii") as file:
            return file.read().startswith("Y")
    except OSError:
        return False

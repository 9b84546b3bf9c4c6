"""The machine, as far as it bears on the figures; read once at the start of a run."""

from __future__ import annotations

import os
import platform
from importlib import metadata
from pathlib import Path

from bench.meters import read_meminfo
from bench.results import HostFacts
from runtime.cgroups.hierarchy import CgroupError, host_hierarchy

_PACKAGES = ("tare", "libvirt-python", "pyroute2", "pandas", "plotly", "scipy")


def host_facts(versions: dict[str, str]) -> HostFacts:
    """Facts of this host; ``versions`` are those that the drivers know (QEMU, libvirt, the guest's kernel)."""
    meminfo = read_meminfo()
    return HostFacts(
        os=_os_release().get("PRETTY_NAME", "unknown"),
        kernel=f"{platform.release()} {platform.version()}",
        architecture=platform.machine(),
        cpu_model=_cpuinfo("model name") or "unknown",
        cpus=len(os.sched_getaffinity(0)),
        memory_bytes=meminfo["MemTotal"],
        swap_bytes=meminfo["SwapTotal"],
        cgroup_version=_cgroup_version(),
        virtualization=_virtualization(),
        mitigations=_mitigations(),
        ksm=_text("/sys/kernel/mm/ksm/run"),
        thp=_text("/sys/kernel/mm/transparent_hugepage/enabled"),
        versions={"python": platform.python_version()} | _package_versions() | versions,
    )


def tool_version() -> str:
    """Tare's own."""
    return metadata.version("tare")


def _os_release() -> dict[str, str]:
    rows = (line.partition("=") for line in (_text("/etc/os-release") or "").splitlines())
    return {name: value.strip('"') for name, _, value in rows}


def _cpuinfo(field: str) -> str | None:
    for line in (_text("/proc/cpuinfo") or "").splitlines():
        name, _, value = line.partition(":")
        if name.strip() == field:
            return value.strip()
    return None


def _cgroup_version() -> str:
    try:
        version = host_hierarchy().version
    except CgroupError:
        return "none"
    hybrid = version == 1 and " - cgroup2 " in (_text("/proc/self/mountinfo") or "")
    return "1 (hybrid)" if hybrid else str(version)


def _virtualization() -> str | None:
    """The hypervisor under this host, if the CPU admits to one."""
    if " hypervisor" not in (_cpuinfo("flags") or ""):
        return None
    return _text("/sys/class/dmi/id/sys_vendor") or _text("/sys/hypervisor/type") or "yes, of unknown kind"


def _mitigations() -> dict[str, str]:
    directory = Path("/sys/devices/system/cpu/vulnerabilities")
    if not directory.is_dir():
        return {}
    return {path.name: path.read_text(encoding="utf-8").strip() for path in sorted(directory.iterdir())}


def _package_versions() -> dict[str, str]:
    installed = {}
    for name in _PACKAGES:
        try:
            installed[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return installed


def _text(path: str) -> str | None:
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except OSError:
        return None

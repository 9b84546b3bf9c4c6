"""How guests are executed: by the processor (KVM) or by QEMU (TCG). Decided by a guest that booted, by nothing less.

That /dev/kvm exists and opens proves little: on some nested hosts a guest then aborts on a model-specific register,
hangs in emulation, or dies on an instruction. So a probe guest of our own kernel and init is booted under KVM, and has
a few seconds to say on its serial console that it came up.
"""

from __future__ import annotations

import json
import os
import platform
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

KVM_DEVICE = Path("/dev/kvm")
DEADLINE_S = 10.0


@dataclass(frozen=True, slots=True)
class Accelerator:
    """``name`` is ``kvm`` or ``tcg``; ``reason`` says why; ``probe_s`` is what finding out took, back then."""

    name: str
    reason: str
    probe_s: float
    cached: bool = False


@dataclass(frozen=True, slots=True)
class ProbeKey:
    """What a verdict depends on: as long as this is the same, it stands."""

    host_kernel: str
    cpu_model: str
    device: str
    qemu_version: str
    guest_kernel: str


@dataclass(frozen=True, slots=True)
class Boot:
    """How the probe guest fared; ``words`` say what happened, or are the last ones of QEMU or the guest."""

    passed: bool
    words: str


def choose(
    key: ProbeKey,
    cache: Path,
    boot: Callable[[float], Boot],
    device: Path = KVM_DEVICE,
    deadline_s: float = DEADLINE_S,
) -> Accelerator:
    """KVM if ``boot`` passes within ``deadline_s``, else TCG. ``cache`` holds the verdict for one ``key``."""
    started = time.monotonic()
    obstacle = device_obstacle(device)
    if obstacle:
        return Accelerator("tcg", obstacle, time.monotonic() - started)
    known = _recall(cache, key)
    if known:
        return known
    outcome = boot(deadline_s)
    probe_s = round(time.monotonic() - started, 3)
    name = "kvm" if outcome.passed else "tcg"
    prefix = "" if outcome.passed else f"{device} opens, but the probe guest failed: "
    found = Accelerator(name, prefix + outcome.words, probe_s)
    _remember(cache, key, found)
    return found


def device_obstacle(device: Path) -> str | None:
    """Why the device cannot be used at all, or None."""
    try:
        os.close(os.open(device, os.O_RDWR | os.O_CLOEXEC))
    except FileNotFoundError:
        return f"{device} does not exist"
    except OSError as error:
        return f"open {device}: {(error.strerror or str(error)).lower()}"
    return None


def probe_key(qemu_version: str, guest_kernel: str, device: Path = KVM_DEVICE) -> ProbeKey:
    """The key of this host with this QEMU and this guest kernel."""
    return ProbeKey(platform.release(), cpu_model(), _permissions(device), qemu_version, guest_kernel)


def cpu_model() -> str:
    """The processor's name in /proc/cpuinfo."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")


def _permissions(device: Path) -> str:
    """QEMU is not root: who may open the device is part of what was probed."""
    try:
        status = device.stat()
    except OSError:
        return "absent"
    return f"{status.st_mode & 0o777:o} {status.st_uid}:{status.st_gid}"


def _recall(cache: Path, key: ProbeKey) -> Accelerator | None:
    try:
        document = json.loads(cache.read_text())
        found = Accelerator(**document["accelerator"])
        return replace(found, cached=True) if document["key"] == asdict(key) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _remember(cache: Path, key: ProbeKey, found: Accelerator) -> None:
    cache.parent.mkdir(parents=True, exist_ok=True)
    partial = cache.with_name(f".{cache.name}.{os.getpid()}")
    partial.write_text(json.dumps({"key": asdict(key), "accelerator": asdict(found)}, indent=1) + "\n")
    partial.replace(cache)

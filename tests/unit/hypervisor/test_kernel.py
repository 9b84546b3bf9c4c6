from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from hypervisor.errors import GuestError, HostLacks
from hypervisor.guest.kernel import install_kernel, installed_kernel, kernels_root

if TYPE_CHECKING:
    from pathlib import Path


def keep(data_root: Path, version: str) -> Path:
    folder = kernels_root(data_root) / version
    folder.mkdir(parents=True)
    (folder / "kernel.json").write_text(json.dumps({"version": version, "image": "boot/vmlinux", "digest": "d"}))
    return folder


def test_the_newest_kernel_is_taken_by_number_not_by_letter(tmp_path: Path) -> None:
    keep(tmp_path, "6.1.0-9-cloud-amd64")
    newest = keep(tmp_path, "6.1.0-56-cloud-amd64")
    kernel = installed_kernel(tmp_path)
    assert kernel.version == "6.1.0-56-cloud-amd64"
    assert kernel.image == newest / "boot/vmlinux"
    assert kernel.modules == newest / "lib/modules/6.1.0-56-cloud-amd64"


def test_a_kernel_that_is_there_is_not_fetched(tmp_path: Path) -> None:
    keep(tmp_path, "6.1.0-1-cloud-amd64")
    assert install_kernel(tmp_path).version == "6.1.0-1-cloud-amd64"


def test_a_half_fetched_kernel_is_none(tmp_path: Path) -> None:
    (kernels_root(tmp_path) / ".fetch-x/root").mkdir(parents=True)
    with pytest.raises(HostLacks) as caught:
        installed_kernel(tmp_path)
    assert "python -m hypervisor.guest" in caught.value.hint


def test_a_damaged_description_is_named(tmp_path: Path) -> None:
    folder = keep(tmp_path, "6.1")
    (folder / "kernel.json").write_text("{")
    with pytest.raises(GuestError, match=r"kernel\.json"):
        installed_kernel(tmp_path)

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from hypervisor.errors import GuestError
from hypervisor.guest.modules import guest_modules, load_order, module_name, read_dependencies

if TYPE_CHECKING:
    from pathlib import Path

DEP = """\
kernel/virtio/virtio_ring.ko:
kernel/virtio/virtio.ko: kernel/virtio/virtio_ring.ko
kernel/virtio/virtio_pci.ko: kernel/virtio/virtio.ko kernel/virtio/virtio_ring.ko
kernel/rng/virtio-rng.ko.xz: kernel/virtio/virtio.ko kernel/virtio/virtio_ring.ko
"""


def test_names_are_the_kernels() -> None:
    assert module_name("kernel/rng/virtio-rng.ko.xz") == "virtio_rng"


def test_every_module_follows_what_it_needs_and_comes_once() -> None:
    order = load_order(["virtio_pci", "virtio_rng"], read_dependencies(DEP))
    assert order == (
        "kernel/virtio/virtio_ring.ko",
        "kernel/virtio/virtio.ko",
        "kernel/virtio/virtio_pci.ko",
        "kernel/rng/virtio-rng.ko.xz",
    )


def test_what_is_built_in_needs_no_file(tmp_path: Path) -> None:
    (tmp_path / "modules.dep").write_text(DEP)
    (tmp_path / "modules.builtin").write_text("kernel/fs/erofs/erofs.ko\n")
    assert guest_modules(tmp_path, ["erofs", "virtio"])[-1] == tmp_path / "kernel/virtio/virtio.ko"


def test_a_missing_module_is_named(tmp_path: Path) -> None:
    (tmp_path / "modules.dep").write_text(DEP)
    (tmp_path / "modules.builtin").write_text("")
    with pytest.raises(GuestError, match=r"no module erofs$"):
        guest_modules(tmp_path, ["erofs", "virtio"])


def test_a_kernel_without_lists_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(GuestError, match="No such file"):
        guest_modules(tmp_path / "nowhere")

from __future__ import annotations

import lzma
import struct

import pytest

from hypervisor.errors import GuestError
from hypervisor.guest.vmlinux import extract_vmlinux

PVH_NOTE = struct.pack("<III4s", 4, 4, 18, b"Xen\0")


def bz_image(kernel: bytes) -> bytes:
    """A boot sector, one sector of set-up, 32 bytes of stub, and the packed kernel with its size."""
    payload = lzma.compress(kernel) + struct.pack("<I", len(kernel))
    head = bytearray(1024)
    head[0x1F1] = 1
    head[0x202:0x206] = b"HdrS"
    struct.pack_into("<II", head, 0x248, 32, len(payload))
    return bytes(head) + bytes(32) + payload + b"signature"


def test_the_kernel_comes_out_as_it_went_in() -> None:
    kernel = b"\x7fELF" + bytes(4000) + PVH_NOTE + bytes(4000)
    assert extract_vmlinux(bz_image(kernel)) == kernel


def test_a_kernel_without_pvh_entry_is_refused() -> None:
    with pytest.raises(GuestError, match="no PVH entry"):
        extract_vmlinux(bz_image(b"\x7fELF" + bytes(4000)))


def test_something_else_is_no_kernel() -> None:
    with pytest.raises(GuestError, match="no bzImage"):
        extract_vmlinux(bytes(2000))


def test_an_unknown_compression_is_named_by_its_first_bytes() -> None:
    image = bytearray(bz_image(b"\x7fELF" + PVH_NOTE))
    image[1024 + 32 : 1024 + 38] = b"\xde\xad\xbe\xef\x00\x00"
    with pytest.raises(GuestError, match="deadbeef"):
        extract_vmlinux(bytes(image))

"""Capability sets are the kernel's numbers."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from runtime.linux import capabilities


def test_the_default_set_is_dockers() -> None:
    assert capabilities.mask(capabilities.DEFAULT) == 0xA80425FB


@pytest.mark.parametrize(("name", "number"), [("CAP_CHOWN", 0), ("CAP_SYS_ADMIN", 21), ("CAP_CHECKPOINT_RESTORE", 40)])
def test_names_are_in_the_order_of_their_numbers(name: str, number: int) -> None:
    assert capabilities.mask([name]) == 1 << number


def test_the_kernel_knows_as_many_or_more() -> None:
    last = int(Path("/proc/sys/kernel/cap_last_cap").read_text())
    assert len(set(capabilities.NAMES)) == len(capabilities.NAMES) <= last + 1


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^unknown capability 'CAP_EVERYTHING'$"):
        capabilities.mask(["CAP_CHOWN", "CAP_EVERYTHING"])


def test_members_are_the_numbers_of_the_bits() -> None:
    assert capabilities.members(0) == ()
    assert capabilities.members(0b1000_0101) == (0, 2, 7)
    assert len(capabilities.members(capabilities.mask(capabilities.DEFAULT))) == 14


def test_capset_takes_the_low_halves_first() -> None:
    header, data = capabilities.capset_arguments(1 << 40 | 1, 1 << 40 | 3, 1 << 33 | 4)
    assert struct.unpack("=Ii", header) == (0x20080522, 0)
    # {effective, permitted, inheritable} of the low halves, then of the high ones (capset(2)).
    assert struct.unpack("=6I", data) == (1, 3, 4, 1 << 8, 1 << 8, 1 << 1)


def test_the_bounding_set_is_read_from_the_kernel() -> None:
    fields = dict(line.split(":\t", 1) for line in Path("/proc/self/status").read_text().splitlines() if ":\t" in line)
    assert capabilities.bounding_set() == int(fields["CapBnd"], 16)
